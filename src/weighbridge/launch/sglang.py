"""SGLang: ``python -m sglang.launch_server`` and ``sglang serve``, read and written.

Flags of 0.5.23 (sglang/srt/arg_groups/fields) and of earlier versions; argparse reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os.path import basename
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch import vllm
from weighbridge.launch.arguments import Style, read_words
from weighbridge.launch.flags import Flags, flags_of
from weighbridge.launch.reading import Launch, Reading, Special, flag_words, take, take_variables
from weighbridge.launch.shell import Command
from weighbridge.launch.yaml import read_yaml
from weighbridge.request import Request

ENGINE = "sglang"
STYLE = Style(abbreviates=True)
PORT = 30000
IMAGE = "lmsysorg/sglang"
MODULES = ("sglang.launch_server",)


def program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words behind the program where it is SGLang's, else None."""
    name = basename(words[0])
    if name == "sglang":
        if words[1:2] != ("serve",):
            raise LaunchError("of sglang's commands only `sglang serve` loads a model to serve")
        return words[2:]
    if name.startswith("python") and words[1:2] == ("-m",) and words[2:3] != ():
        if words[2] in MODULES:
            return words[3:]
        if words[2].startswith("sglang."):
            raise LaunchError(f"{words[2]} is no server of SGLang; give {MODULES[0]}")
    return None


def flags() -> Flags:
    """The flags of the server."""
    return flags_of("sglang", "sglang")


def read(words: tuple[str, ...], command: Command) -> Launch:
    """What the words behind the program mean."""
    reading = Reading(ENGINE)
    known = flags()
    take_variables(reading, known, command.environment, SPECIAL)
    parsed = read_words(known, _with_config(list(words), reading), STYLE)
    if parsed.positional:
        raise LaunchError(f"sglang takes no word {parsed.positional[0][:80]!r} without a flag")
    for found in parsed.found:
        take(reading, found, SPECIAL)
    vllm.settle_model(reading)
    if not reading.options.get("enable_expert_parallel", True):
        del reading.options["enable_expert_parallel"]
    return reading.launch()


def _with_config(words: list[str], reading: Reading) -> list[str]:
    config, rest = vllm.pull_config(words)
    if config is None:
        return words
    reading.notes.append(f"{config} was read; the command's own flags win over it")
    inside: list[str] = []
    for key, value in read_yaml(config).items():
        name = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            inside += [name] if value else []
        elif isinstance(value, dict):
            inside += [name, json.dumps(value)]
        elif isinstance(value, list):
            inside += [name, *map(str, value)] if value else []
        elif value is not None:
            inside.append(f"{name}={value}")
    return [*inside, *rest]


def _experts(reading: Reading, words: str, value: Any) -> None:
    """``--ep-size``: more than one rank spreads whole experts."""
    reading.set(words, "enable_expert_parallel", value > 1)


def _chunked(reading: Reading, words: str, value: Any) -> None:
    """``--chunked-prefill-size``; a negative one turns chunking off, which no model here reads."""
    if value is None:
        reading.unmodelled.append(words)
    else:
        reading.set(words, "chunked_prefill_size", value)


def _captured(reading: Reading, words: str, value: Any) -> None:
    try:
        reading.set(words, "cuda_graph_max_bs", max(map(int, value)))
    except ValueError:
        raise LaunchError(f"{words[:60]!r}: batch sizes are whole numbers") from None


def _config(_: Reading, __: str, value: Any) -> None:
    raise LaunchError(f"more than one configuration file is named: {value!r}")


SPECIAL: Special = {
    "experts": _experts,
    "chunked": _chunked,
    "captured": _captured,
    "config": _config,
}


def own_environment() -> Mapping[str, str]:
    """Variables that a container of the engine needs."""
    return {}


def written(request: Request) -> tuple[list[str], frozenset[str]]:
    """The command of a request, and the options that it carries."""
    words = ["python3", "-m", "sglang.launch_server", "--model-path",
             vllm.model_word(request.model)]  # fmt: skip
    options = {**request.deployment._asdict(), **request.deployment.own}
    carried: set[str] = set()
    for option, value in options.items():
        found = _option_words(option, value, request)
        if found is not None:
            words += found
            carried.add(option)
    return words, frozenset(carried)


def _option_words(option: str, value: Any, request: Request) -> list[str] | None:
    if value is None or option in {"own", "on", "engine"}:
        return None
    if option == "weights":
        return ["--dtype", vllm.DTYPES[value]] if value in vllm.DTYPES else None
    if option == "enable_expert_parallel":
        ranks = request.deployment.tensor_parallel_size or 1
        return ["--ep-size", str(ranks)] if value and ranks > 1 else None
    if value == "auto" and option == "kv_cache_dtype":
        return None
    flag = flags().writer("@chunked" if option == "chunked_prefill_size" else option)
    return None if flag is None else flag_words(flag, value, negatives=False)
