"""Runs as benchmarks write them: llama-bench, vllm bench, AIPerf, GuideLLM, our own lines.

Each reader turns one parsed document into :class:`Run`; files are bounded and untrusted.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from os import stat
from typing import Any, NamedTuple

from weighbridge.errors import RequestError

LARGEST_FILE = 64 * 2**20
MOST_RUNS = 10_000


class Run(NamedTuple):
    """One measured load: seconds per token and to the first token, None where not measured."""

    sequences: int
    input: int
    output: int
    token: float | None = None
    first: float | None = None


def read_runs(path: str) -> list[Run]:
    """The runs of a file. Raises RequestError where it is none of the known kinds."""
    return parse_runs(_text(path), path)[1]


def parse_runs(text: str, path: str) -> tuple[str, list[Run]]:
    """The program that wrote a text, and its runs; ``path`` is how an error names it."""
    found = [(name, run) for name, run in _runs(text, path) if run.token or run.first]
    runs = [run for _, run in found]
    if not runs:
        raise RequestError(
            f"{path} holds no run that can be read; known are the JSON and CSV of llama-bench, the "
            "JSON of vllm bench serve, AIPerf, GuideLLM, and lines with sequences, input_tokens, "
            "output_tokens, seconds_per_token"
        )
    if len(runs) > MOST_RUNS:
        raise RequestError(f"{path} holds {len(runs):,} runs, more than {MOST_RUNS:,}")
    return found[0][0], runs


def _text(path: str) -> str:
    try:
        if stat(path).st_size > LARGEST_FILE:
            raise RequestError(f"{path} is larger than 64 MiB; give the summary of the benchmark")
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from None


def _runs(text: str, path: str) -> Iterator[tuple[str, Run]]:
    start = text.lstrip()[:1]
    try:
        if start not in {"{", "["}:
            yield from (("llama-bench", run) for run in _llama_csv(text))
            return
        try:
            documents = [json.loads(text)]
        except json.JSONDecodeError:
            documents = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError, csv.Error):
        raise RequestError(f"{path} is neither JSON, lines of JSON nor CSV") from None
    for document in documents:
        yield from _document(document)


def _document(data: Any) -> Iterator[tuple[str, Run]]:
    if isinstance(data, list):
        for each in data[:MOST_RUNS]:
            yield from _document(each) if isinstance(each, dict) else ()
        return
    if not isinstance(data, dict):
        return
    for key, name, reader in READERS:
        if key in data:
            yield from ((name, run) for run in reader(data))
            return


def _llama(data: dict[str, Any]) -> Iterator[Run]:
    """llama-bench: ``n_prompt``, ``n_gen``, ``n_depth``, ``avg_ts`` in tokens per second."""
    rate = _number(data.get("avg_ts"))
    prompt, output, depth = (int(_number(data.get(key)) or 0)
                             for key in ("n_prompt", "n_gen", "n_depth"))  # fmt: skip
    if not rate:
        return
    if output and not prompt:
        yield Run(1, max(depth, 1), output, 1 / rate)
    elif prompt and not output:
        yield Run(1, prompt, 1, None, prompt / rate)


def _llama_csv(text: str) -> Iterator[Run]:
    for row in csv.DictReader(io.StringIO(text)):
        yield from _llama({key: value for key, value in row.items() if key})


def _vllm(data: dict[str, Any]) -> Iterator[Run]:
    """vllm bench serve --save-result."""
    done = _number(data.get("completed")) or _number(data.get("num_prompts"))
    if not done:
        return
    sequences = _number(data.get("max_concurrency")) or done
    yield Run(
        int(sequences),
        int((_number(data.get("total_input_tokens")) or 0) / done),
        int((_number(data.get("total_output_tokens")) or 0) / done),
        _milliseconds(data.get("mean_tpot_ms")),
        _milliseconds(data.get("mean_ttft_ms")),
    )


def _aiperf(data: dict[str, Any]) -> Iterator[Run]:
    """AIPerf's profile_export_aiperf.json: metrics with ``avg`` in milliseconds."""
    config = data.get("input_config")
    generator = config.get("loadgen") if isinstance(config, dict) else None
    sequences = _number(generator.get("concurrency")) if isinstance(generator, dict) else None
    yield Run(
        int(sequences or 1),
        int(_mean(data, "input_sequence_length", "avg") or 1),
        int(_mean(data, "output_sequence_length", "avg") or 1),
        _milliseconds(_mean(data, "inter_token_latency", "avg")),
        _milliseconds(_mean(data, "time_to_first_token", "avg")),
    )


def _guidellm(data: dict[str, Any]) -> Iterator[Run]:
    """GuideLLM's report: ``benchmarks[].metrics``, the successful requests' means."""
    benchmarks = data.get("benchmarks")
    for each in benchmarks if isinstance(benchmarks, list) else []:
        metrics = each.get("metrics") if isinstance(each, dict) else None
        if not isinstance(metrics, dict):
            continue
        named = {
            name: value.get("successful") if isinstance(value, dict) else None
            for name, value in metrics.items()
        }
        yield Run(
            max(int(_mean(named, "request_concurrency", "mean") or 1), 1),
            int(_mean(named, "prompt_token_count", "mean") or 1),
            int(_mean(named, "output_token_count", "mean") or 1),
            _milliseconds(_mean(named, "inter_token_latency_ms", "mean")),
            _milliseconds(_mean(named, "time_to_first_token_ms", "mean")),
        )


def _own(data: dict[str, Any]) -> Iterator[Run]:
    """Our own lines: lengths in tokens, times in seconds."""
    yield Run(
        int(_number(data.get("sequences")) or 1),
        int(_number(data.get("input_tokens")) or 1),
        int(_number(data.get("output_tokens")) or 1),
        _number(data.get("seconds_per_token")),
        _number(data.get("time_to_first_token")),
    )


READERS = (
    ("avg_ts", "llama-bench", _llama),
    ("mean_tpot_ms", "vllm bench serve", _vllm),
    ("benchmarks", "GuideLLM", _guidellm),
    ("inter_token_latency", "AIPerf", _aiperf),
    ("seconds_per_token", "own lines", _own),
    ("time_to_first_token", "own lines", _own),
)


def _mean(data: dict[str, Any], name: str, field: str) -> float | None:
    value = data.get(name)
    return _number(value.get(field)) if isinstance(value, dict) else None


def _milliseconds(value: Any) -> float | None:
    number = _number(value)
    return None if number is None else number / 1e3


def _number(value: Any) -> float | None:
    """A finite number above 0, of a number or a text; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 < number < 1e15 else None
