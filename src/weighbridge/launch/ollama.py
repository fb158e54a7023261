"""Ollama: ``ollama run``, ``ollama serve``, ``ollama create`` and Modelfiles, read and written.

Variables of envconfig/config.go, parameters of docs/modelfile.md. A Modelfile's ``num_ctx`` wins
over ``OLLAMA_CONTEXT_LENGTH`` (server/sched.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os.path import basename, dirname, join
from pathlib import Path

from weighbridge.errors import LaunchError
from weighbridge.launch.arguments import Found, Style, read_words
from weighbridge.launch.flags import Flags, flags_of
from weighbridge.launch.names import ollama_model
from weighbridge.launch.reading import Launch, Reading, Special, take, take_variables
from weighbridge.launch.shell import Command
from weighbridge.launch.values import read_value
from weighbridge.request import Request

ENGINE = "ollama"
STYLE = Style()
PORT = 11434
IMAGE = "ollama/ollama"
LARGEST_FILE = 256 * 1024
INSTRUCTIONS = {"FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE",
                "RENDERER", "PARSER", "REQUIRES"}  # fmt: skip
VARIABLES = {
    "max_num_seqs": "OLLAMA_NUM_PARALLEL",
    "kv_cache_dtype": "OLLAMA_KV_CACHE_TYPE",
    "flash_attention": "OLLAMA_FLASH_ATTENTION",
    "sched_spread": "OLLAMA_SCHED_SPREAD",
    "gpu_overhead": "OLLAMA_GPU_OVERHEAD",
}
PARAMETERS = {"max_model_len": "num_ctx", "max_num_batched_tokens": "num_batch",
              "num_gpu": "num_gpu"}  # fmt: skip


def program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words behind ``ollama``, else None."""
    return words[1:] if basename(words[0]).removesuffix(".exe") == "ollama" else None


def flags() -> Flags:
    """The flags of its commands, its variables and the parameters of a Modelfile."""
    return flags_of("ollama", "ollama")


def read(words: tuple[str, ...], command: Command) -> Launch:
    """What the words behind ``ollama`` mean; ``serve`` names no model."""
    verb, *rest = words or ("serve",)
    if verb not in {"run", "serve", "start", "create"}:
        raise LaunchError(f"`ollama {verb}` loads no model; give `ollama run MODEL`")
    reading = Reading(ENGINE)
    parsed = read_words(flags(), rest, STYLE)
    take_variables(reading, flags(), command.environment, {})
    file = ""
    for found in parsed.found:
        if found.flag.meaning == "@modelfile":
            file = str(found.value)
        else:
            take(reading, found, SPECIAL)
    if verb == "create":
        _modelfile(reading, file or "Modelfile")
    elif verb == "run":
        if not parsed.positional:
            raise LaunchError("`ollama run` names no model")
        reading.model = parsed.positional[0]
    if reading.model:
        _settle(reading)
    return reading.launch()


def _settle(reading: Reading) -> None:
    named = ollama_model(reading.model)
    reading.model = named.model
    if named.weights is not None:
        reading.options.setdefault("weights", named.weights)
    reading.notes += [named.note] if named.note else []


def _modelfile(reading: Reading, path: str) -> None:
    from weighbridge.model.bounded import label, open_regular, read_exactly

    file, size = open_regular(Path(path))
    with file:
        if size > LARGEST_FILE:
            raise LaunchError(f"{label(path)} has {size:,} bytes, more than a Modelfile")
        text = read_exactly(file, size, path).decode("utf-8", "replace")
    take_modelfile(reading, text, path)


def take_modelfile(reading: Reading, text: str, path: str = "Modelfile") -> None:
    """``FROM`` and ``PARAMETER`` lines; text in triple quotes is passed over."""
    bare = re.sub(r'"""(?:.|\n)*?"""', '""', text)
    for number, line in enumerate(bare.splitlines(), 1):
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        instruction = words[0].upper()
        if instruction == "FROM" and len(words) > 1:
            beside = join(dirname(path), words[1]) if words[1].startswith(".") else words[1]
            reading.model = beside
        elif instruction == "PARAMETER" and len(words) == 3:
            _parameter(reading, words[1].lower(), words[2].strip().strip('"'))
        elif instruction == "ADAPTER":
            reading.unmodelled.append(line.strip())
        elif instruction not in INSTRUCTIONS:
            raise LaunchError(f"{path}, line {number}: {words[0][:40]!r} is no instruction of a "
                              "Modelfile")  # fmt: skip
    if not reading.model:
        raise LaunchError(f"{path} has no FROM line, which names the model")


def _parameter(reading: Reading, name: str, text: str) -> None:
    flag = flags().variables.get(name)
    if flag is None or name.isupper():
        from difflib import get_close_matches

        known = [each for each in flags().variables if not each.isupper()]
        close = get_close_matches(name, known, n=1)
        hint = f"; the nearest is {close[0]}" if close else ""
        raise LaunchError(f"a Modelfile has no parameter {name[:60]!r}{hint}")
    value = read_value(flag.kind, text, name)
    if name == "num_gpu" and value < 0:
        value = None
    take(reading, Found(f"PARAMETER {name} {text}", flag, value), SPECIAL)


SPECIAL: Special = {}


def own_environment() -> Mapping[str, str]:
    """Variables that a container of the engine needs."""
    return {}


def environment_of(request: Request) -> dict[str, str]:
    """The variables that carry a request's options."""
    options = {**request.deployment._asdict(), **request.deployment.own}
    found = {}
    for option, name in VARIABLES.items():
        value = options.get(option)
        if value is not None and value != "auto":
            found[name] = str(int(value)) if isinstance(value, bool) else str(value)
    return found


def modelfile_of(request: Request) -> str:
    """The Modelfile that carries a request's model and parameters."""
    options = {**request.deployment._asdict(), **request.deployment.own}
    lines = [f"FROM {from_word(request)}"]
    for option, name in PARAMETERS.items():
        if options.get(option) is not None:
            lines.append(f"PARAMETER {name} {options[option]}")
    return "\n".join(lines) + "\n"


def from_word(request: Request) -> str:
    """The model behind FROM: a GGUF file, since tags of the library cannot be told from here."""
    from weighbridge.launch.llama_cpp import written as as_llama

    words, _ = as_llama(request)
    model = words[words.index("-m") + 1]
    return model if model.startswith(("/", ".")) else "./" + model


def written(request: Request) -> tuple[list[str], frozenset[str]]:
    """``ollama serve`` under its variables, and the options that these carry.

    The rest stands in the Modelfile of :func:`modelfile_of`.
    """
    environment = environment_of(request)
    carried = {option for option, name in VARIABLES.items() if name in environment}
    words = [f"{name}={value}" for name, value in environment.items()]
    return [*words, "ollama", "serve"], frozenset(carried)
