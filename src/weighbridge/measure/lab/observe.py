"""What a pass showed → terms by the ledger's names, and quantities that the ledger has not.

Live bytes are those of storages, followed by ``trace.tracker`` over real tensors; a view counts
with its storage. What is alive at a phase's peak beside weights, cache, logits, gradients and
optimizer states is ``activations``: temporaries, inputs and what is saved for backward.
"""

from __future__ import annotations

from typing import Any

import torch

from weighbridge.trace.log import CUDA_BLOCK, Log, by_category, peaks

STATE_NAMES = ("state", "conv", "recurrent", "ssm")
# Categories of the tracker that have a name of their own in a ledger.
NAMED = {"gradient": "gradients", "optimizer": "optimizer", "logits": "logits"}


def cache_bytes(out: Any) -> dict[str, int]:
    """Bytes of what an output remembers: keys and values, and recurrent states, views as viewed."""
    cache = getattr(out, "past_key_values", None)
    cache = getattr(out, "cache_params", None) if cache is None else cache
    found = {"kv_cache": 0, "state": 0}
    seen: set[int] = set()
    _walk(cache, "", found, seen, 0)
    return found


def _walk(value: Any, name: str, found: dict[str, int], seen: set[int], depth: int) -> None:
    if id(value) in seen or depth > 6:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor) and not value.is_floating_point():
        return  # a count of tokens
    if isinstance(value, torch.Tensor):
        kind = "state" if any(word in name for word in STATE_NAMES) else "kv_cache"
        found[kind] += value.numel() * value.element_size()
    elif isinstance(value, dict):
        for key, each in value.items():
            _walk(each, f"{name}.{key}", found, seen, depth + 1)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _walk(each, name, found, seen, depth + 1)
    elif type(value).__module__.startswith("transformers."):
        for key, each in vars(value).items():
            _walk(each, f"{name}.{key}", found, seen, depth + 1)


def model_bytes(model: torch.nn.Module) -> dict[str, int]:
    """Bytes of distinct storages: ``parameters`` with quantization states, and ``buffers``.

    A parameter that is trained beside frozen ones is one of the ``adapters``.
    """
    frozen = [each for each in model.parameters() if not each.requires_grad]
    trained = [each for each in model.parameters() if each.requires_grad]
    states = [each for parameter in model.parameters() for each in _quantization(parameter)]
    seen: set[int] = set()
    found = {"parameters": _bytes([*frozen, *states] if frozen else [*trained, *states], seen)}
    found["adapters"] = _bytes(trained, seen)
    found["buffers"] = _bytes(list(model.buffers()), seen)
    return found


def _bytes(tensors: list[Any], seen: set[int]) -> int:
    total = 0
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage.data_ptr() and storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total


def quantization_states(model: torch.nn.Module) -> list[torch.Tensor]:
    """Scales and codes that bitsandbytes hangs on parameters, outside every buffer."""
    return [each for parameter in model.parameters() for each in _quantization(parameter)]


def _quantization(value: Any, depth: int = 0) -> list[torch.Tensor]:
    """Tensors in the attributes of a parameter, and of the states they hold."""
    found: list[torch.Tensor] = []
    for name, each in vars(value).items() if hasattr(value, "__dict__") else ():
        if isinstance(each, torch.Tensor) and name != "grad":
            found.append(each)
        elif depth < 3 and type(each).__module__.startswith("bitsandbytes.functional"):
            found += _quantization(each, depth + 1)
    return found


def terms_of(log: Log, device: str, kept: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """Terms of every phase at its peak; ``kept`` are cache bytes at the end of phases."""
    block = CUDA_BLOCK if device == "cuda" else 1
    found = []
    for peak in peaks(log, block):
        phase, _, number = peak.phase.partition(" ")
        parts = by_category(log, peak.event, block)
        cache = kept.get(peak.phase, {})
        rest = peak.bytes - parts.get("parameter", 0) - parts.get("buffer", 0)
        for category, name in NAMED.items():
            size = parts.get(category, 0)
            rest -= size
            if size:
                found.append(_term(name, phase, size, f"{category} storages at the peak", number))
        for name, size in cache.items():
            rest -= size
            if size:
                found.append(_term(name, phase, size, "tensors of the cache after it", number))
        found.append(_term("activations", phase, max(rest, 0), "all else at the peak", number))
    return found


def _term(name: str, phase: str, size: int, formula: str, number: str) -> dict[str, Any]:
    names = {"optimizer": "step"}
    return {"name": name, "phase": names.get(phase, phase), "bytes": size, "formula": formula,
            "number": number}  # fmt: skip


def live_peaks(log: Log, device: str) -> dict[str, int]:
    """The most bytes alive in each phase."""
    block = CUDA_BLOCK if device == "cuda" else 1
    return {peak.phase: peak.bytes for peak in peaks(log, block)}
