"""TensorRT-LLM: ``trtllm-serve``, read and written.

Flags of tensorrt_llm/commands/serve.py (click); what it has no flag for stands in the YAML file
behind ``--config``, whose keys are those of LlmArgs (tensorrt_llm/llmapi/llm_args.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from os.path import basename
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch import vllm
from weighbridge.launch.arguments import Style, read_words
from weighbridge.launch.flags import Flags, flags_of
from weighbridge.launch.reading import Launch, Reading, Special, flag_words, take, take_variables
from weighbridge.launch.shell import Command
from weighbridge.launch.yaml import read_yaml, write_yaml
from weighbridge.request import Request

ENGINE = "tensorrt-llm"
STYLE = Style()
PORT = 8000
IMAGE = "nvcr.io/nvidia/tensorrt-llm/release"
CONFIG = ("--config", "--extra_llm_api_options")
CONFIG_FILE = "llm-options.yaml"
# Keys of LlmArgs → options; a nested key stands with a dot.
KEYS = {
    "max_batch_size": "max_num_seqs",
    "max_num_tokens": "max_num_batched_tokens",
    "max_seq_len": "max_model_len",
    "max_beam_width": "max_beam_width",
    "tensor_parallel_size": "tensor_parallel_size",
    "pipeline_parallel_size": "pipeline_parallel_size",
    "moe_expert_parallel_size": "moe_expert_parallel_size",
    "moe_tensor_parallel_size": "moe_tensor_parallel_size",
    "enable_attention_dp": "enable_attention_dp",
    "enable_chunked_prefill": "enable_chunked_prefill",
    "backend": "backend",
    "kv_cache_config.free_gpu_memory_fraction": "gpu_memory_utilization",
    "kv_cache_config.dtype": "kv_cache_dtype",
    "kv_cache_config.tokens_per_block": "tokens_per_block",
    "kv_cache_config.max_tokens": "max_tokens",
    "kv_cache_config.max_gpu_total_bytes": "kv_cache_memory",
    "cuda_graph_config.max_batch_size": "cuda_graph_max_batch_size",
}
# Keys that do not touch device memory.
IDLE = frozenset(
    {"print_iter_log", "stream_interval", "num_postprocess_workers", "trust_remote_code",
     "enable_iter_perf_stats", "enable_iter_req_stats", "return_perf_metrics",
     "disable_overlap_scheduler", "kv_cache_config.enable_block_reuse",
     "kv_cache_config.enable_partial_reuse", "cuda_graph_config.enable_padding",
     "scheduler_config", "tokenizer"}
)  # fmt: skip


def program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words behind ``trtllm-serve``, else None."""
    if basename(words[0]) != "trtllm-serve":
        return None
    if words[1:2] in {("disaggregated",), ("mm_embedding_serve",), ("disaggregated_mpi_worker",)}:
        raise LaunchError(f"`trtllm-serve {words[1]}` is not read; give `trtllm-serve MODEL`")
    return words[2:] if words[1:2] == ("serve",) else words[1:]


def flags() -> Flags:
    """The flags of the server."""
    return flags_of("trtllm-serve", "tensorrt_llm")


def read(words: tuple[str, ...], command: Command) -> Launch:
    """What the words behind the program mean."""
    reading = Reading(ENGINE)
    known = flags()
    take_variables(reading, known, command.environment, SPECIAL)
    config, rest = vllm.pull_config(list(words), *CONFIG)
    parsed = read_words(known, rest, STYLE)
    if len(parsed.positional) > 1:
        raise LaunchError(f"trtllm-serve takes one model, and {parsed.positional[1]!r} is a second")
    for found in parsed.found:
        take(reading, found, SPECIAL)
    if config is not None:
        # serve.py update_llm_args_with_extra_dict: here the file wins over the flags.
        reading.notes.append(f"{config} was read; it wins over the command's own flags")
        take_config(reading, read_yaml(config), config)
    reading.model = parsed.positional[0] if parsed.positional else ""
    vllm.settle_model(reading)
    return reading.launch()


def take_config(reading: Reading, values: Mapping[str, Any], where: str) -> None:
    """The options in the mapping of a configuration file."""
    for key, value in _flat(values):
        if key in KEYS:
            _set(reading, f"{key}: {value} in {where}", KEYS[key], value)
        elif key in IDLE or key.partition(".")[0] in IDLE:
            reading.idle.append(f"{key} in {where}")
        else:
            reading.unmodelled.append(f"{key} in {where}")


def _set(reading: Reading, words: str, option: str, value: Any) -> None:
    if option == "kv_cache_dtype" and value in {"auto", None}:
        value = None
    reading.set(words, option, value)


def _flat(values: Mapping[str, Any], depth: int = 0) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        nested = isinstance(value, dict) and depth == 0 and key + "." in _NESTED
        found += [(f"{key}.{inner}", v) for inner, v in value.items()] if nested else [(key, value)]
    return found


_NESTED = {key.partition(".")[0] + "." for key in KEYS if "." in key}


def _config(_: Reading, __: str, value: Any) -> None:
    raise LaunchError(f"more than one configuration file is named: {value!r}")


SPECIAL: Special = {"config": _config}


def own_environment() -> Mapping[str, str]:
    """Variables that a container of the engine needs."""
    return {}


def written(request: Request) -> tuple[list[str], frozenset[str]]:
    """The command of a request, and the options that it carries; see :func:`config_of`."""
    words = ["trtllm-serve", vllm.model_word(request.model)]
    options = {**request.deployment._asdict(), **request.deployment.own}
    carried: set[str] = set()
    for option, value in options.items():
        flag = flags().writer(option)
        plain = value is None or value == "auto" or option == "weights"
        if flag is None or plain or option == "enable_expert_parallel":
            continue
        found = flag_words(flag, value, negatives=False)
        if found is not None:
            words += found
            carried.add(option)
    inside = config_of(request)
    if inside:
        words += ["--config", CONFIG_FILE]
        carried.update(KEYS[key] for key, _ in _flat(inside))
    return words, frozenset(carried)


def config_of(request: Request) -> dict[str, Any]:
    """What of a request has no flag, as the configuration file holds it."""
    options = {**request.deployment._asdict(), **request.deployment.own}
    found: dict[str, Any] = {}
    for key, option in KEYS.items():
        value = options.get(option)
        flag = flags().writer(option)
        said = flag is not None and flag_words(flag, value, negatives=False) is not None
        if value is None or value == "auto" or said:
            continue
        outer, dot, inner = key.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[outer] = value
    return found


def config_text(request: Request) -> str:
    """The configuration file; empty where none is needed."""
    inside = config_of(request)
    return write_yaml(inside) + "\n" if inside else ""
