"""Lines of vLLM's log, 0.2 to 0.33 (vllm/v1/worker/gpu_worker.py, worker/worker.py,
v1/core/kv_cache_utils.py, v1/core/kv_cache_planning.py); before 0.8 its GB are GiB.
"""

from __future__ import annotations

import math
import re
from typing import Any

from weighbridge.launch.vllm import flags
from weighbridge.measure.observation import Failure, Sighting, size_of
from weighbridge.units import GIB

KEYS = ("GiB", " GB", "KV cache", "GPU blocks", "CUDA blocks", "cuda blocks", "oncurrency for",
        "default args", "LLM engine", "vLLM API server", "max seq len", "cache blocks",
        "Automatically detected platform")  # fmt: skip
_SIZE = r"(-?[\d.]+)\s*(GiB|GB|MiB)"
# What is printed → the term that it is.
SIZES = tuple(
    (re.compile(pattern.replace("SIZE", _SIZE)), name)
    for pattern, name in (
        (r"[Mm]odel loading took SIZE", "weights"),
        (r"Loading model weights took SIZE", "weights"),
        (r"model weights take\s+SIZE", "weights"),
        (r"non_torch_memory (?:takes )?\s*SIZE", "workspace"),
        (r"PyTorch activation peak memory (?:takes )?\s*SIZE", "activations"),
        (r"reserved for KV Cache is SIZE", "kv_cache"),
        (r"available_kv_cache_memory\s+SIZE", "kv_cache"),
        (r"Available KV cache memory: SIZE", "kv_cache"),
        (r"reserved SIZE memory for KV Cache", "kv_cache"),
        (r"Actual usage is SIZE for weight", "weights"),
        (r"SIZE for peak activation", "activations"),
        (r"SIZE for non-torch memory", "workspace"),
        (r"SIZE for CUDAGraph memory", "graphs"),
        (r"[Gg]raph capturing finished in .*?took SIZE", "graphs"),
        (r"CUDA graph pool memory: SIZE \(actual\)", "graphs"),
        (r"weights memory: SIZE", "weights"),
        (r"torch peak memory increase: SIZE", "activations"),
    )
)
_TOKENS = re.compile(r"GPU KV cache size: ([\d,]+) tokens")
_BLOCKS = re.compile(r"# (?:GPU|CUDA|cuda) blocks: (\d+)")
_CONCURRENCY = re.compile(r"[Mm]aximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x")
_RANK = re.compile(r"Worker_(?:DP(\d+)_)?(?:PP(\d+)_)?TP(\d+)|VllmWorker rank=(\d+)|\[rank(\d+)\]")
_PID = re.compile(r"\((?:VllmWorker(?:Process)?|RayWorkerWrapper) pid=(\d+)")
_VERSION = re.compile(r"(?:LLM engine \(v?|vLLM API server version |vLLM version )([\d.]+)")
_QUOTED = re.compile(r"'(\w+)': ('[^']*'|-?[\d.]+|True|False|None)")
_PLAIN = re.compile(r"\b(\w+)=('[^']*'|[^,\s()]+)")
_BUDGET = re.compile(r"total_gpu_memory \(([\d.]+)GiB\) x gpu_memory_utilization \(([\d.]+)\)")
_STARTUP = re.compile(r"Free memory on device[^(]*\(([\d.]+)/([\d.]+) GiB\) on startup")
# Names in the configuration dump → options, where they differ from the flag.
DUMPED = {"max_seq_len": "max_model_len"}
SPECULATIVE = {"method": "speculative_method", "num_speculative_tokens": "num_speculative_tokens"}


def read(sighting: Sighting, line: str) -> None:
    """One line that holds one of the keys."""
    device = rank_of(sighting, line)
    for pattern, name in SIZES:
        match = pattern.search(line)
        if match is not None:
            _settle(sighting)
            sighting.see(name, match[1], match[2], device=device)
    _room(sighting, line)
    _settings(sighting, line)
    _failures(sighting, line, device)


def _settle(sighting: Sighting) -> None:
    sighting.engine = sighting.engine or "vllm"


def rank_of(sighting: Sighting, line: str) -> int:
    """The device whose worker prints the line; 0 where it does not say."""
    match = _RANK.search(line)
    if match is not None:
        data, stage, tensor, rank, distributed = match.groups()
        if tensor is None:
            return int(rank or distributed)
        wide = int(sighting.settings.get("tensor_parallel_size", 1))
        deep = int(sighting.settings.get("pipeline_parallel_size", 1))
        return (int(data or 0) * deep + int(stage or 0)) * wide + int(tensor)
    match = _PID.search(line)
    if match is None:
        return 0
    return sighting.pids.setdefault(match[1], len(sighting.pids) + 1)


def _room(sighting: Sighting, line: str) -> None:
    if match := _TOKENS.search(line):
        _settle(sighting)
        sighting.tokens = int(match[1].replace(",", ""))
    elif match := _BLOCKS.search(line):
        _settle(sighting)
        sighting.tokens = int(match[1]) * int(sighting.settings.get("block_size", 16))
    if match := _CONCURRENCY.search(line):
        _settle(sighting)
        sighting.length = int(match[1].replace(",", ""))
        sighting.concurrency = float(match[2])
        sighting.settings.setdefault("max_model_len", sighting.length)
    if match := _BUDGET.search(line):
        sighting.budget = size_of(match[1], "GiB")[0]
        sighting.settings.setdefault("gpu_memory_utilization", float(match[2]))
    elif match := _STARTUP.search(line):
        sighting.budget = size_of(match[2], "GiB")[0]


def _settings(sighting: Sighting, line: str) -> None:
    if match := _VERSION.search(line):
        sighting.engine, sighting.version = "vllm", match[1]
    if "default args" in line:
        _take(sighting, _QUOTED.findall(line), over=True)
    elif "LLM engine" in line and "config:" in line:
        _take(sighting, _PLAIN.findall(line.partition("config:")[2]), over=False)


def _take(sighting: Sighting, pairs: list[tuple[str, str]], *, over: bool) -> None:
    sighting.engine = "vllm"
    for key, text in pairs[:500]:
        value = value_of(text)
        flag, _ = flags().by_name.get("--" + key.replace("_", "-"), (None, True))
        option = DUMPED.get(key) or SPECULATIVE.get(key) or (flag.meaning if flag else "")
        if option == "model" or key == "model_tag":
            sighting.model = sighting.model or str(value)
        elif option == "weights":
            continue  # the type of activations, where a checkpoint is quantized
        elif _sets(option) and value is not None and (over or option not in sighting.settings):
            sighting.settings[option] = value


def _sets(option: str) -> bool:
    """Whether the meaning of a flag is an option of a request."""
    return bool(option) and option[0] not in "-?@" and option != "revision"


def value_of(text: str) -> Any:
    """A value as Python prints it."""
    words = {"True": True, "False": False, "None": None, "auto": None, "'auto'": None}
    if text in words:
        return words[text]
    if text[:1] == "'":
        return text[1:-1]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


_NEEDED = re.compile(
    r"max seq len\s*\((\d+)\),?\s*\(?([\d.]+) GiB KV\s*cache is needed, which is larger than the "
    r"available KV cache memory \((-?[\d.]+) GiB\)(?:.*?maximum model length is (\d+))?"
)
_STORED = re.compile(
    r"max seq len \((\d+)\) is larger than the maximum number of tokens that can be stored in "
    r"KV cache \((\d+)\)"
)
_DESIRED = re.compile(
    r"Free memory on device[^(]*\(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU "
    r"memory utilization \(([\d.]+), ([\d.]+) GiB\)"
)


def _failures(sighting: Sighting, line: str, device: int) -> None:
    total = sighting.budget
    used = sighting.settings.get("gpu_memory_utilization", 0.9)
    if "No available memory for the cache blocks" in line:
        _settle(sighting)
        left = sighting.terms.get(("kv_cache", device, ""))
        short = -left.bytes if left is not None and left.bytes < 0 else None
        sighting.fail(Failure(
            "vLLM has no memory left for its cache", device, 0 if short else None,
            -short if short else None, total, _more(short, total, used),
        ))  # fmt: skip
    if match := _NEEDED.search(line):
        _settle(sighting)
        asked, free = (size_of(match[i], "GiB")[0] for i in (2, 3))
        shorter = (f"--max-model-len {match[4]}",) if match[4] else ()
        sighting.fail(Failure(
            f"vLLM's cache cannot hold one sequence of {int(match[1]):,} tokens", device, asked,
            free, total, (*shorter, *_more(asked - free, total, used)),
        ))  # fmt: skip
    if match := _STORED.search(line):
        _settle(sighting)
        sighting.fail(Failure(
            f"vLLM's cache cannot hold one sequence of {int(match[1]):,} tokens", device, None,
            None, total, (f"--max-model-len {match[2]}",),
        ))  # fmt: skip
    if match := _DESIRED.search(line):
        _settle(sighting)
        free, whole, asked = (size_of(match[i], "GiB")[0] for i in (1, 2, 4))
        fits = math.floor(free / whole * 100) / 100
        sighting.fail(Failure(
            "less memory is free at the start than vLLM was told to use", device, asked, free,
            whole, (f"--gpu-memory-utilization {fits:.2f}",
                    f"or free {(asked - free) / GIB:.2f} GiB that other processes hold"),
        ))  # fmt: skip


def _more(short: int | None, total: int | None, used: float) -> tuple[str, ...]:
    """A larger utilization that gives ``short`` bytes more, where that is below 1."""
    if short is None or total is None:
        return ("raise --gpu-memory-utilization, or lower --max-num-seqs, "
                "--max-num-batched-tokens or --max-model-len",)  # fmt: skip
    wanted = math.ceil((used + short / total) * 100) / 100
    gib = f"{short / GIB:.2f} GiB"
    if wanted < 1:
        return (f"--gpu-memory-utilization {wanted:.2f} (from {used}), which gives {gib} more",)
    return (f"{gib} more are needed than a utilization below 1 can give: lower --max-num-seqs or "
            "--max-num-batched-tokens, quantize, or add a card",)  # fmt: skip
