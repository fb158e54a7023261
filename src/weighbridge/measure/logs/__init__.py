"""Reading the log of an engine: bounded, a line at a time, by the tables of the files beside it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from weighbridge.errors import LogError
from weighbridge.measure.logs import llama_cpp, sglang, tensorrt_llm, torch_oom, vllm
from weighbridge.measure.observation import Observation, Sighting

LONGEST_LINE = 256 * 1024
MOST_BYTES = 2 * 2**30
ENGINES = (vllm, sglang, tensorrt_llm, llama_cpp, torch_oom)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# `nvidia-smi -L`, vLLM's and collect_env's lists of cards.
_CARDS = re.compile(
    r"\bGPU (\d{1,3}): ((?:NVIDIA|AMD|Tesla|GeForce|Quadro)[^(\r\n]{2,60}?)\s*(?:\(|$)"
)


def read_log(path: str) -> Observation:
    """What the log at ``path`` tells; ``-`` is standard input. Raises :class:`LogError`."""
    if path == "-":
        return read_lines(_lines(sys.stdin.buffer))
    from weighbridge.model.bounded import open_regular

    file, _ = open_regular(Path(path))
    with file:
        import io

        return read_lines(_lines(io.BufferedReader(file)))


def read_lines(lines: Iterable[str]) -> Observation:
    """What the lines of a log tell; raises :class:`LogError` where that is nothing."""
    sighting = Sighting()
    for number, line in enumerate(lines, 1):
        sighting.number = number
        text = _ANSI.sub("", line)
        for module in ENGINES:
            if any(key in text for key in module.KEYS):
                _read(module, sighting, text)
        match = _CARDS.search(text)
        if match is not None:
            sighting.cards.setdefault(int(match[1]), match[2])
    seen = sighting.observation()
    if not seen.terms and not seen.failures and seen.tokens is None:
        raise LogError(
            "the log says nothing of memory; give what the engine prints from its start, of vLLM, "
            "SGLang, TensorRT-LLM, llama.cpp, Ollama or torch"
        )
    return seen


def _read(module: Any, sighting: Sighting, text: str) -> None:
    """One line by the table of one engine; a number that is none (1.2.3) is passed over."""
    try:
        module.read(sighting, text)
    except (ValueError, OverflowError):
        sighting.notes.append(f"line {sighting.number:,} holds a number that cannot be read")


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Lines cut at 256 KiB, of at most 2 GiB."""
    taken = 0
    while raw := file.readline(LONGEST_LINE):
        taken += len(raw)
        if taken > MOST_BYTES:
            raise LogError(f"the log is longer than {MOST_BYTES:,} bytes; give its beginning")
        yield raw.decode("utf-8", "replace")
