"""vLLM: ``vllm serve``, ``vllm bench``, ``python -m vllm.entrypoints…``, read and written.

Flags of 0.33 (vllm/engine/arg_utils.py) and of earlier versions; how they are read is
vllm/utils/argparse_utils.py FlexibleArgumentParser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os.path import basename
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch.arguments import Style, read_words
from weighbridge.launch.flags import Flags, flags_of
from weighbridge.launch.names import hub_model
from weighbridge.launch.reading import Launch, Reading, Special, flag_words, take, take_variables
from weighbridge.launch.shell import Command
from weighbridge.launch.yaml import read_yaml
from weighbridge.options.common import DEPLOYMENT
from weighbridge.request import Request

ENGINE = "vllm"
STYLE = Style(abbreviates=True, folds=True, dotted=True)
PORT = 8000
IMAGE = "vllm/vllm-openai"
SERVERS = ("serve", "run-batch")
BENCHMARKS = ("latency", "throughput", "startup")
MODULES = ("vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server")


def program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words behind the program where it is vLLM's, else None."""
    name = basename(words[0])
    if name == "vllm":
        return words[1:]
    if name.startswith("python") and words[1:2] == ("-m",) and words[2:3] != ():
        if words[2] in MODULES:
            return ("serve", *words[3:])
        if words[2].startswith("vllm."):
            raise LaunchError(f"{words[2]} is no server of vLLM; give {MODULES[0]}")
    return None


def flags(benchmark: bool = False) -> Flags:
    """The flags of the server, or of the benchmarks that load a model themselves."""
    files = ("vllm_bench", "vllm") if benchmark else ("vllm",)
    return flags_of("vllm", *files, paired=True)


def read(words: tuple[str, ...], command: Command) -> Launch:
    """What the words behind ``vllm`` mean."""
    verb, *rest = words or ("",)
    benchmark = verb == "bench"
    if benchmark and rest[:1] and rest[0] in BENCHMARKS:
        rest = rest[1:]
    elif verb not in SERVERS:
        said = " ".join(words[:2]) if benchmark else verb
        raise LaunchError(
            f"`vllm {said}` loads no model; give `vllm serve MODEL` or `vllm bench latency`"
        )
    reading = Reading(ENGINE)
    known = flags(benchmark)
    take_variables(reading, known, command.environment, SPECIAL)
    parsed = read_words(known, _with_config(_levels(rest), reading), STYLE)
    for found in parsed.found:
        take(reading, found, SPECIAL)
    reading.model = parsed.positional[0] if parsed.positional else reading.model
    if len(parsed.positional) > 1:
        raise LaunchError(f"vllm takes one model, and {parsed.positional[1]!r} is a second")
    settle_model(reading)
    return reading.launch()


def _levels(words: list[str]) -> list[str]:
    """``-O3`` and ``-O=3`` are ``--optimization-level 3``."""
    found: list[str] = []
    for word in words:
        if word.startswith("-O") and not word.startswith("-O."):
            found += [
                "--optimization-level",
                *([word[2:].removeprefix("=")] if word != "-O" else []),
            ]
        else:
            found.append(
                word.replace("-O.", "--compilation-config.", 1) if word[:3] == "-O." else word
            )
    return found


def settle_model(reading: Reading) -> None:
    """The model as Weighbridge looks it up, and one rank where no layout is named."""
    if reading.model:
        named = hub_model(reading.model, reading.revision)
        reading.model = named.model
        reading.notes += [named.note] if named.note else []
    reading.options.setdefault("tensor_parallel_size", 1)


def _with_config(words: list[str], reading: Reading) -> list[str]:
    """The words with those of ``--config FILE`` before them, so that the command's own win."""
    config, rest = pull_config(words)
    if config is None:
        return words
    reading.notes.append(f"{config} was read; the command's own flags win over it")
    inside: list[str] = []
    for key, value in read_yaml(config).items():
        name = "--" + key.replace("_", "-")
        if name in {"--model", "--model-tag"}:
            reading.model = str(value)
        elif isinstance(value, bool):
            inside += [name] if value else ["--no-" + name[2:]]
        elif isinstance(value, dict):
            inside += [name, json.dumps(value)]
        elif isinstance(value, list):
            inside += [name, *map(str, value)] if value else []
        elif value is not None:
            inside.append(f"{name}={value}")
    # A positional model must not be swallowed by a list of the file.
    if rest and not rest[0].startswith("-"):
        return [rest[0], *inside, *rest[1:]]
    return [*inside, *rest]


def pull_config(words: list[str], *names: str) -> tuple[str | None, list[str]]:
    """The file behind ``--config``, and the words without it."""
    rest = list(words)
    for name in names or ("--config",):
        for place, word in enumerate(rest):
            if word == name:
                if place + 1 == len(rest):
                    raise LaunchError(f"{name} needs a file, and none follows")
                return rest[place + 1], rest[:place] + rest[place + 2 :]
            if word.startswith(name + "="):
                return word.partition("=")[2], rest[:place] + rest[place + 1 :]
    return None, rest


def _speculative(reading: Reading, words: str, value: Any) -> None:
    """``--speculative-config '{"method": "mtp", "num_speculative_tokens": 1}'``."""
    if not isinstance(value, dict):
        raise LaunchError("--speculative-config takes a JSON object, such as "
                          '{"method": "mtp", "num_speculative_tokens": 1}')  # fmt: skip
    for key, option in (
        ("method", "speculative_method"),
        ("model", "speculative_model"),
        ("num_speculative_tokens", "num_speculative_tokens"),
    ):
        if value.get(key) is not None:
            reading.set(words, option, value[key])
    others = set(value) - {"method", "model", "num_speculative_tokens"}
    reading.unmodelled += [f"{key} of --speculative-config" for key in sorted(others)]


def _compilation(reading: Reading, words: str, value: Any) -> None:
    """``cudagraph_mode``, capture sizes and the level of a compilation config."""
    values = value if isinstance(value, dict) else {"level": value}
    mode = str(values.get("cudagraph_mode", "")).upper()
    level = values.get("level", values.get("mode"))
    if mode == "NONE" or values.get("use_cudagraph") is False:
        reading.set(words, "enforce_eager", True)
    sizes = values.get("cudagraph_capture_sizes")
    largest = values.get("max_cudagraph_capture_size") or (
        max(sizes) if isinstance(sizes, list) and sizes and all(
            type(size) is int for size in sizes) else None)  # fmt: skip
    if type(largest) is int:
        reading.set(words, "max_cudagraph_capture_size", largest)
    known = {"cudagraph_mode", "use_cudagraph", "cudagraph_capture_sizes",
             "max_cudagraph_capture_size", "level", "mode"}  # fmt: skip
    if level is not None and not mode:
        reading.unmodelled.append(words)
    reading.unmodelled += [f"{key} of --compilation-config" for key in sorted(set(values) - known)]


def _optimization(reading: Reading, words: str, value: Any) -> None:
    """``-O0`` starts without graphs (config/vllm.py OptimizationLevel); others are as usual."""
    level = str(value)
    if level.startswith("{"):
        _compilation(reading, words, json.loads(level))
    elif level == "0":
        reading.set(words, "enforce_eager", True)
    elif level in {"1", "2", "3"}:
        reading.idle.append(words)
    else:
        raise LaunchError(f"-O takes 0, 1, 2 or 3, not {level[:40]!r}")


def _captured(reading: Reading, words: str, value: Any) -> None:
    try:
        sizes = [int(size) for part in value for size in str(part).split(",")]
    except ValueError:
        raise LaunchError(f"{words[:60]!r}: capture sizes are whole numbers") from None
    reading.set(words, "max_cudagraph_capture_size", max(sizes))


def _length(reading: Reading, words: str, value: Any) -> None:
    """``--max-model-len``; ``auto`` is the longest that fits, where a plan can look for it."""
    row = next(row for row in DEPLOYMENT if row.name == "max_model_len")
    if value == -1 and not getattr(row, "auto", False):
        reading.unmodelled.append(words)
    else:
        reading.set(words, "max_model_len", value)


def _limits(reading: Reading, words: str, value: Any) -> None:
    """``--limit-mm-per-prompt '{"image": 1}'``, or ``image=1`` as versions before 0.10 wrote it."""
    reading.set(words, "limit_mm_per_prompt", json.dumps(value))


def _config(_: Reading, __: str, value: Any) -> None:
    raise LaunchError(f"more than one configuration file is named: {value!r}")


SPECIAL: Special = {
    "speculative": _speculative,
    "compilation": _compilation,
    "optimization": _optimization,
    "captured": _captured,
    "length": _length,
    "limits": _limits,
    "config": _config,
}


def own_environment() -> Mapping[str, str]:
    """Variables that a container of the engine needs."""
    return {}


SPECULATIVE = ("speculative_method", "speculative_model", "num_speculative_tokens")
# Options whose flag is read in a way of its own.
WRITTEN_BY = {"limit_mm_per_prompt": "@limits", "max_model_len": "@length"}
DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}


def written(request: Request) -> tuple[list[str], frozenset[str]]:
    """The command of a request, and the options that it carries."""
    words = ["vllm", "serve", model_word(request.model)]
    options = {**request.deployment._asdict(), **request.deployment.own}
    carried: set[str] = set()
    for option, value in options.items():
        found = _option_words(option, value)
        if found is not None:
            words += found
            carried.add(option)
    config = {
        key: options[option]
        for key, option in (("method", SPECULATIVE[0]), ("model", SPECULATIVE[1]),
                            ("num_speculative_tokens", SPECULATIVE[2]))
        if options.get(option) is not None
    }  # fmt: skip
    if config:
        words += ["--speculative-config", json.dumps(config)]
        carried.update(SPECULATIVE)
    return words, frozenset(carried)


def model_word(model: str) -> str:
    """A model's name where it is a word of its own; never read as a flag."""
    from weighbridge.model import catalog

    row = catalog.find(model)
    return row.id if row is not None else model.removeprefix("hf:")


def _option_words(option: str, value: Any) -> list[str] | None:
    if value is None or option in {"own", "on", "engine", *SPECULATIVE}:
        return None
    if option == "weights":
        return ["--dtype", DTYPES[value]] if value in DTYPES else None
    if value == "auto" and option == "kv_cache_dtype":
        return None
    flag = flags().writer(WRITTEN_BY.get(option, option))
    if flag is None or (option == "enable_expert_parallel" and not value):
        return None
    return flag_words(flag, value, negatives=True)
