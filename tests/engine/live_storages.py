"""How many bytes are alive at once in a forward pass of the real code, without running it.

Operators run under fake tensors; a dispatch mode counts the untyped storages that they make and
that are still referenced. Parameters, buffers and inputs are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveStorages(TorchDispatchMode):
    """Counts storages made under it; ``peak`` is the most that were alive after an operator."""

    def __init__(self, present: list[torch.Tensor]) -> None:
        super().__init__()
        self._kept = present
        self._present = {tensor.untyped_storage()._cdata for tensor in present}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self._add(leaf.untyped_storage())
        self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return out

    def _add(self, storage: Any) -> None:
        key = storage._cdata
        known = self._alive.get(key)
        if key not in self._present and (known is None or known[0].expired()):
            self._alive[key] = (StorageWeakRef(storage), storage.nbytes())


def traced_peak(make: Callable[[], Any], batch: int, tokens: int) -> tuple[int, int]:
    """(peak bytes alive, bytes of the cache) of one prompt through ``make()``'s model."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = make().eval()
        ids = torch.zeros(batch, tokens, dtype=torch.long)
        mode = LiveStorages([*model.parameters(), *model.buffers(), ids])
        extra = {"logits_to_keep": 1, "use_cache": True} if hasattr(model, "lm_head") else {}
        with torch.no_grad(), mode:
            out = model(input_ids=ids, **extra)
        return mode.peak, cache_bytes(getattr(out, "past_key_values", None))


def cache_bytes(cache: Any) -> int:
    """Bytes of the distinct storages that a cache object holds."""
    storages = {}
    for layer in getattr(cache, "layers", ()):
        for name in ("keys", "values"):
            tensor = getattr(layer, name, None)
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                storages[storage._cdata] = storage.nbytes()
    return sum(storages.values())
