"""Lines of TensorRT-LLM's log, 0.17 to 1.3 (kvCacheManager.cpp, pyexecutor/_util.py)."""

from __future__ import annotations

import re

from weighbridge.measure.observation import Sighting, size_of

KEYS = ("paged KV cache", "Loaded engine size", "execution context memory", "TensorRT-LLM",
        "TensorRT LLM", "tokens per block", "runtime buffers", "decoder.", "max_num_tokens=",
        "model weights", "Attention workspace", "available:")  # fmt: skip
_SIZE = r"([\d.]+) (GiB|MiB|MB|GB)"
SIZES = tuple(
    (re.compile(pattern.replace("SIZE", _SIZE)), name, part)
    for pattern, name, part in (
        (r"Allocated SIZE for max tokens in paged KV cache", "kv_cache", ""),
        (r"Loaded engine size: SIZE", "weights", ""),
        (r"Memory used (?:for|after loading) model weights \(inside torch\)[^:]*: SIZE",
         "weights", ""),
        (r"Allocated SIZE for execution context memory", "activations", "execution context"),
        (r"Allocated SIZE for runtime buffers", "workspace", "runtime"),
        (r"allocated SIZE GPU memory for runtime buffers", "workspace", "runtime"),
        (r"allocated SIZE GPU memory for decoder", "workspace", "decoder"),
    )
)  # fmt: skip
_TOKENS = re.compile(r"in paged KV cache \((\d+)\)")
_BLOCK = re.compile(r"tokens per block[:= ]+(\d+)|(\d+) tokens per block")
_BATCH = re.compile(r"max_num_requests=(\d+).*?max_num_tokens=(\d+)")
_VERSION = re.compile(r"TensorRT[- ]LLM version:? v?([\d.]+)")
_MEMORY = re.compile(r"total: ([\d.]+) GiB, available: ([\d.]+) GiB")
_FRACTION = re.compile(r"free_gpu_memory_fraction[=: ]+([\d.]+)")
_RANK = re.compile(r"\[RANK (\d+)\]|\[(\d{1,3})\]\s*\[?TRT", re.I)


def read(sighting: Sighting, line: str) -> None:
    """One line that holds one of the keys."""
    match = _RANK.search(line)
    device = int(match[1] or match[2]) if match else 0
    for pattern, name, part in SIZES:
        if match := pattern.search(line):
            sighting.engine = "tensorrt-llm"
            sighting.see(name, match[1], match[2], device=device, part=part)
    if match := _TOKENS.search(line):
        sighting.tokens = int(match[1])
    if sighting.engine == "tensorrt-llm" and (match := _BLOCK.search(line)):
        sighting.settings["tokens_per_block"] = int(match[1] or match[2])
    if match := _BATCH.search(line):
        sighting.settings["max_num_seqs"] = int(match[1])
        sighting.settings["max_num_batched_tokens"] = int(match[2])
    if match := _VERSION.search(line):
        sighting.engine, sighting.version = "tensorrt-llm", match[1].rstrip(".")
    if match := _MEMORY.search(line):
        sighting.budget = size_of(match[1], "GiB")[0]
    if match := _FRACTION.search(line):
        sighting.settings["gpu_memory_utilization"] = float(match[1].rstrip("."))
