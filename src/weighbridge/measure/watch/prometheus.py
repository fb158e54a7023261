"""Prometheus' text format, and the metrics of engines in one form.

prometheus.io/docs/instrumenting/exposition_formats; names of metrics as vLLM (docs.vllm.ai, usage,
metrics; vllm/v1/metrics/loggers.py), SGLang (docs, references, production_metrics) and llama.cpp
(tools/server/README.md, GET /metrics) document them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST_SAMPLES = 50_000
_LINE = re.compile(
    r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*", re.ASCII | re.DOTALL
)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_]\w*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*,?', re.ASCII)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Sample(NamedTuple):
    """One line: a metric with its labels and its value."""

    name: str
    labels: Mapping[str, str]
    value: float


class Served(NamedTuple):
    """What a server says of itself; None where it does not say."""

    engine: str
    model: str = ""
    cache_share: float | None = None
    cache_tokens: int | None = None
    running: float | None = None
    waiting: float | None = None
    generated: float | None = None


class Names(NamedTuple):
    """How an engine calls its metrics; of several names the first that is there counts."""

    engine: str
    cache_share: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    generated: tuple[str, ...]
    cache_tokens: tuple[str, ...] = ()


ENGINES = (
    Names(
        "vllm",
        ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        ("vllm:num_requests_running",),
        ("vllm:num_requests_waiting",),
        ("vllm:generation_tokens_total", "vllm:generation_tokens"),
    ),
    Names(
        "sglang",
        ("sglang:token_usage",),
        ("sglang:num_running_reqs",),
        ("sglang:num_queue_reqs",),
        ("sglang:generation_tokens_total",),
        ("sglang:max_total_num_tokens",),
    ),
    Names(
        "llama.cpp",
        ("llamacpp:kv_cache_usage_ratio",),
        ("llamacpp:requests_processing",),
        ("llamacpp:requests_deferred",),
        ("llamacpp:tokens_predicted_total",),
    ),
)


def parse(text: str) -> list[Sample]:
    """The samples of an answer; lines that are none are passed over."""
    found: list[Sample] = []
    for line in text.split("\n"):
        match = None if line.startswith("#") else _LINE.fullmatch(line.strip())
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        labels = {
            name: re.sub(r"\\.", lambda m: _ESCAPES.get(m[0], m[0]), raw)
            for name, raw in _LABEL.findall(match[2] or "")
        }
        found.append(Sample(match[1], labels, value))
        if len(found) >= MOST_SAMPLES:
            break
    return found


def served(samples: Iterable[Sample]) -> Served | None:
    """What the samples say of an engine; None where they are of none that is known.

    Several engines behind one port (data parallel) are added up; shares of caches are their mean.
    """
    found = list(samples)
    for names in ENGINES:
        prefix = names.running[0].partition(":")[0] + ":"
        mine = [each for each in found if each.name.startswith(prefix)]
        if mine:
            shares = _values(mine, names.cache_share)
            tokens = _sum(mine, names.cache_tokens)
            return Served(
                names.engine,
                next((s.labels["model_name"] for s in mine if s.labels.get("model_name")), ""),
                sum(shares) / len(shares) if shares else None,
                _vllm_tokens(mine) if tokens is None else int(tokens),
                _sum(mine, names.running),
                _sum(mine, names.waiting),
                _sum(mine, names.generated),
            )
    return None


def _values(samples: list[Sample], names: tuple[str, ...]) -> list[float]:
    for name in names:
        found = [s.value for s in samples if s.name == name and math.isfinite(s.value)]
        if found:
            return found
    return []


def _sum(samples: list[Sample], names: tuple[str, ...]) -> float | None:
    found = _values(samples, names)
    return sum(found) if found else None


def _vllm_tokens(samples: list[Sample]) -> int | None:
    """``vllm:cache_config_info`` holds blocks and their size as labels, once for each engine."""
    sizes = []
    for sample in samples:
        if sample.name == "vllm:cache_config_info":
            blocks = sample.labels.get("num_gpu_blocks", ""), sample.labels.get("block_size", "")
            if all(text.isascii() and text.isdecimal() and len(text) < 12 for text in blocks):
                sizes.append(int(blocks[0]) * int(blocks[1]))
    return sum(sizes) if sizes else None
