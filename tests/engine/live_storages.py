"""How many bytes are alive at once in a forward pass of the real code, without running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from weighbridge.trace.log import peaks
from weighbridge.trace.passes import cache_tensors, fake_world
from weighbridge.trace.tracker import StorageTracker


def traced_peak(make: Callable[[], Any], batch: int, tokens: int) -> tuple[int, int]:
    """(peak bytes beside parameters, buffers and ids; bytes of the cache) of one prompt."""
    with fake_world(fake=True):
        model = make().eval()
        ids = torch.zeros(batch, tokens, dtype=torch.long)
        tracker = StorageTracker(model)
        tracker.adopt([*model.parameters(), *model.buffers(), ids], "parameter")
        there = sum(storage.size for storage in tracker.log().storages)
        extra = {"logits_to_keep": 1, "use_cache": True} if hasattr(model, "lm_head") else {}
        with torch.no_grad(), tracker.running(), tracker.phase("prefill"):
            out = model(input_ids=ids, **extra)
        (peak,) = peaks(tracker.log(), 1)
        return peak.bytes - there, cache_bytes(out)


def cache_bytes(out: Any) -> int:
    """Bytes of the distinct storages that an output's cache holds."""
    held = (each for each in cache_tensors(out) if each.is_floating_point())  # not its counters
    storages = (each.untyped_storage() for each in held)
    return sum({each._cdata: each.nbytes() for each in storages}.values())
