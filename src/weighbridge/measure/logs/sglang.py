"""Lines of SGLang's log, 0.3 to 0.5 (srt/model_executor/model_runner.py, mem_cache/memory_pool.py).

Its GB are GiB (the sizes are divided by 2**30).
"""

from __future__ import annotations

import re

from weighbridge.launch.sglang import flags
from weighbridge.measure.logs.vllm import value_of
from weighbridge.measure.observation import Failure, Sighting, size_of

KEYS = ("Load weight", "KV Cache is allocated", "Memory pool end", "max_total_num_tokens",
        "cuda graph end", "Mamba Cache", "ServerArgs(", "mem-fraction-static",
        "sglang")  # fmt: skip
_RANK = re.compile(r"(?:DP(\d+) )?TP(\d+)(?: EP\d+)?\]")
_WEIGHTS = re.compile(r"Load weight end\..*?mem usage=([\d.]+) (GB)")
_BOTH = re.compile(r"#tokens: (\d+), K size: ([\d.]+) (GB), V size: ([\d.]+) GB")
_LATENT = re.compile(r"#tokens: (\d+), KV size: ([\d.]+) (GB)")
_TOKENS = re.compile(r"max_total_num_tokens=(\d+)")
_LIMITS = re.compile(r"max_running_requests=(\d+), context_len=(\d+)")
_GRAPHS = re.compile(r"[Cc]apture .*?cuda graph end\..*?mem usage=([\d.]+) (GB)", re.I)
_MAMBA = re.compile(r"conv_state size: ([\d.]+)GB, ssm_state size: ([\d.]+)GB"
                    r"(?: intermediate_ssm_state_cache size: ([\d.]+)GB)?"
                    r"(?:.*?intermediate_conv_window_cache size: ([\d.]+)GB)?")  # fmt: skip
_BEGIN = re.compile(r"Load weight begin\. avail mem=([\d.]+) GB")
_PAIR = re.compile(r"\b(\w+)=('[^']*'|[^,\s()]+)")
_VERSION = re.compile(r"sglang[ =v:]+(\d+\.\d+\.\d+)")


def read(sighting: Sighting, line: str) -> None:
    """One line that holds one of the keys."""
    match = _RANK.search(line)
    device = int(match[2]) if match else 0
    if "ServerArgs(" in line:
        _settings(sighting, line.partition("ServerArgs(")[2])
    if match := _VERSION.search(line):
        sighting.version = sighting.version or match[1]
    for pattern, name in ((_WEIGHTS, "weights"), (_GRAPHS, "graphs")):
        if match := pattern.search(line):
            sighting.engine = "sglang"
            part = "MTP" if "MTP" in line or "NextN" in line else ""
            sighting.see(name, match[1], match[2], device=device, part=part)
    _pools(sighting, line, device)
    _failure(sighting, line, device)


def _pools(sighting: Sighting, line: str, device: int) -> None:
    if match := _BOTH.search(line):
        sighting.engine = "sglang"
        both = f"{float(match[2]) + float(match[4]):.2f}"
        sighting.see("kv_cache", both, match[3], device=device)
        sighting.tokens = int(match[1])
    elif match := _LATENT.search(line):
        sighting.engine = "sglang"
        sighting.see("kv_cache", match[2], match[3], device=device)
        sighting.tokens = int(match[1])
    if match := _MAMBA.search(line):
        sighting.engine = "sglang"
        whole = sum(float(part) for part in match.groups() if part)
        sighting.see("state", f"{whole:.2f}", "GB", device=device)
    if match := _TOKENS.search(line):
        sighting.engine = "sglang"
        sighting.tokens = int(match[1])
    if match := _LIMITS.search(line):
        sighting.settings.setdefault("max_num_seqs", int(match[1]))
        sighting.settings.setdefault("max_model_len", int(match[2]))
    if match := _BEGIN.search(line):
        sighting.budget = size_of(match[1], "GB")[0]


def _settings(sighting: Sighting, text: str) -> None:
    sighting.engine = "sglang"
    for key, raw in _PAIR.findall(text)[:1000]:
        value = value_of(raw)
        flag, _ = flags().by_name.get("--" + key.replace("_", "-"), (None, True))
        meaning = flag.meaning if flag else ""
        if meaning == "model":
            sighting.model = sighting.model or str(value)
        elif meaning == "@chunked" and isinstance(value, int) and value > 0:
            sighting.settings["chunked_prefill_size"] = value
        elif meaning == "weights" or meaning[:1] in {"", "-", "?", "@"} or meaning == "revision":
            continue
        elif value is not None and value is not False:
            sighting.settings[meaning] = value


def _failure(sighting: Sighting, line: str, device: int) -> None:
    if "Not enough memory. Please try to increase --mem-fraction-static" not in line:
        return
    sighting.engine = "sglang"
    weights, total = sighting.terms.get(("weights", device, "")), sighting.budget
    used = sighting.settings.get("gpu_memory_utilization")
    advice = "raise --mem-fraction-static: the weights leave nothing of it for the cache"
    if weights is not None and total:
        least = -(-weights.bytes * 100 // total) / 100 + 0.01
        share, told = weights.bytes / total, f", {used} is set" if used else ""
        advice = (
            f"--mem-fraction-static above {least:.2f}: the weights alone take {share:.2f} of the "
            f"card{told}"
        )
    sighting.fail(Failure("SGLang has no memory left for its cache", device, None, None, total,
                          (advice,)))  # fmt: skip
