"""Lines of llama.cpp's log from 2023 on (src/llama-model.cpp, llama-kv-cache.cpp,
llama-context.cpp), and of Ollama, which prints them too (llm/memory.go, server/sched.go).
"""

from __future__ import annotations

import re

from weighbridge.measure.observation import HOST, Failure, Sighting, sized
from weighbridge.units import GIB, format_bytes

KEYS = ("buffer size", "n_ctx", "n_batch", "n_ubatch", "flash_attn", "n_seq_max", "kv_unified",
        "offloaded", "llama_model_loader", "Device ", "cudaMalloc", "failed to allocate",
        "unable to allocate", "KV self size", "VRAM", "K (", "build:", "memory.required",
        "llama_kv_cache", "scratch buffer", "ollama")  # fmt: skip
# 2023 to 2026: "CUDA0 model buffer size = ", "CUDA0 buffer size = ", "CUDA_Host output buffer".
_BUFFER = re.compile(
    r":\s+([A-Za-z_]+\d*(?:_Host|_Mapped|_REPACK|_Split)?)\s+"
    r"(model |KV |RS |compute |output |LoRA )?buffer size\s*=\s*([\d.]+) (MiB|MB)"
)
TERMS = {"model ": "weights", "": "weights", "KV ": "kv_cache", "RS ": "state",
         "compute ": "activations", "output ": "logits", "LoRA ": "adapters"}  # fmt: skip
# The builds of 2023 counted one device.
_OLD = ((re.compile(r"VRAM used\s*[:=]\s*([\d.]+) (MiB|MB)"), "weights"),
        (re.compile(r"VRAM scratch buffer:\s*([\d.]+) (MiB|MB)"), "activations"))  # fmt: skip
_SELF = re.compile(r"KV self size\s*=\s*([\d.]+) (MiB|MB)")
_NUMBER = re.compile(r"\b(n_ctx|n_batch|n_ubatch|n_seq_max)\s*=\s*(\d+)")
_FLASH = re.compile(r"flash_attn\s*=\s*(\w+)")
_UNIFIED = re.compile(r"kv_unified\s*=\s*(true|false)")
_LAYERS = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_FILE = re.compile(r"loaded meta data with .* from (.+?) \(version")
_DEVICE = re.compile(r"\bDevice (\d{1,3}): ([^,]{3,60}), (?:compute capability|gfx|VMM)")
_TYPES = re.compile(r"K \((\w+)\):\s*[\d.]+ MiB, V \((\w+)\):")
_BUILD = re.compile(r"build: (\d+) \(")
_OLLAMA = re.compile(r'memory\.(required\.kv|weights\.total|graph\.full)="?([\d.]+ [KMG]i?B)"?')
OPTIONS = {"n_ctx": "ctx_size", "n_batch": "max_num_batched_tokens", "n_ubatch": "ubatch_size",
           "n_seq_max": "max_num_seqs"}  # fmt: skip


def read(sighting: Sighting, line: str) -> None:
    """One line that holds one of the keys."""
    if match := _BUFFER.search(line):
        _buffer(sighting, match)
    _old(sighting, line)
    _settings(sighting, line)
    _ollama(sighting, line)
    _failure(sighting, line)


def device_of(name: str) -> int:
    """``CUDA1`` is device 1; buffers of the host (CPU, CUDA_Host, CPU_Mapped) are none."""
    if "Host" in name or name.startswith(("CPU", "BLAS")):
        return HOST
    digits = re.search(r"(\d+)$", name)
    return int(digits[1]) if digits else 0


def _buffer(sighting: Sighting, match: re.Match[str]) -> None:
    sighting.engine = sighting.engine or "llama.cpp"
    name, kind, text, unit = match[1], match[2] or "", match[3], match[4]
    # A cache of sliding layers has a buffer of its own; a compute buffer is reserved anew.
    adds = kind in {"KV ", "RS ", "model ", ""}
    sighting.see(TERMS[kind], text, unit, device=device_of(name), part=name, adds=adds)


def _old(sighting: Sighting, line: str) -> None:
    for pattern, name in _OLD:
        match = pattern.search(line)
        if match is not None and not line[: match.start()].endswith("total "):
            sighting.engine = sighting.engine or "llama.cpp"
            sighting.see(name, match[1], match[2], part="VRAM")
    match = _SELF.search(line)
    if match is not None and not any(key[0] == "kv_cache" for key in sighting.terms):
        sighting.engine = sighting.engine or "llama.cpp"
        sighting.see("kv_cache", match[1], match[2], part="KV self")


def _settings(sighting: Sighting, line: str) -> None:
    ours = "llama" in line or "ggml" in line
    for key, digits in _NUMBER.findall(line) if ours else ():
        sighting.settings[OPTIONS[key]] = int(digits)
    if ours and (match := _FLASH.search(line)):
        sighting.settings["flash_attn"] = {"1": "on", "0": "off", "enabled": "on",
                                           "disabled": "off"}.get(match[1], match[1])  # fmt: skip
    if match := _UNIFIED.search(line):
        sighting.settings["kv_unified"] = match[1] == "true"
    if match := _LAYERS.search(line):
        sighting.settings["n_gpu_layers"] = match[1]
    if match := _TYPES.search(line):
        sighting.settings["cache_type_k"], sighting.settings["cache_type_v"] = match[1], match[2]
    if match := _FILE.search(line):
        sighting.model = match[1]
    if match := _DEVICE.search(line):
        sighting.cards.setdefault(int(match[1]), match[2])
    if match := _BUILD.search(line):
        sighting.version = "b" + match[1]


def _ollama(sighting: Sighting, line: str) -> None:
    names = {"required.kv": "kv_cache", "weights.total": "weights", "graph.full": "activations"}
    for key, text in _OLLAMA.findall(line):
        sighting.engine = "ollama"
        number, unit = text.split()
        sighting.see(names[key], number, unit, part="estimated by Ollama")


_MALLOC = re.compile(r"allocating ([\d.]+ MiB) on device (\d+): cudaMalloc failed")
_SIZED = re.compile(r"failed to allocate (\S+) buffer of size (\d+)")
_UNABLE = re.compile(r"unable to allocate (\S+) buffer|failed to allocate buffer for (kv|rs) cache")


def _failure(sighting: Sighting, line: str) -> None:
    if match := _MALLOC.search(line):
        _fail(sighting, sized(match[1]), int(match[2]))
    elif match := _SIZED.search(line):
        device = device_of(match[1])
        if not any(f.device == device and f.asked is not None for f in sighting.failures):
            _fail(sighting, int(match[2]), device)
    elif (match := _UNABLE.search(line)) and not sighting.failures:
        _fail(sighting, None, device_of(match[1]) if match[1] else 0)


def _fail(sighting: Sighting, asked: int | None, device: int) -> None:
    """What to change depends on which buffer comes next: weights, then cache, then compute."""
    sighting.engine = sighting.engine or "llama.cpp"
    held = {name for name, where, _ in sighting.terms if where == device}
    ctx = sighting.settings.get("ctx_size")
    size = format_bytes(asked) if asked is not None else "a buffer"
    if "kv_cache" in held or "state" in held:
        what = f"llama.cpp could not allocate {size} for compute on device {device}"
        advice = ["-fa on, which stores no score matrix"] * (
            sighting.settings.get("flash_attn") in {"off", None}
        )
        advice += [
            f"-ub {sighting.settings.get('ubatch_size', 512) // 2}, which halves it, or less"
        ]
    elif ctx is not None:
        what = f"llama.cpp could not allocate {size} of cache on device {device}"
        advice = [f"-c {ctx // 2}, which halves it", "-ctk q8_0 -ctv q8_0, 17/32 of f16"]
    else:
        what = f"llama.cpp could not allocate {size} of weights on device {device}"
        advice = ["fewer layers on the GPU (-ngl), --n-cpu-moe for experts, or a smaller file"]
    if asked is not None and asked > 200 * GIB:
        advice.insert(0, "the size itself is absurd: look at -c and -ub, and at -fa")
    sighting.fail(Failure(what, device, asked, None, None, tuple(advice)))
