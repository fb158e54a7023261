"""Follows the lifetime of every storage that operators make, real or fake.

A dispatch mode sees each operator's outputs; a storage that is new is logged, and a finalizer logs
when it goes. Views share a storage and count once, tied weights too. ``resize_`` of a storage, with
which FSDP2 frees and fills its buffers, is logged as its end and a new beginning.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode, is_traceable_wrapper_subclass
from torch.utils._pytree import tree_leaves

from weighbridge.trace.filled import as_real
from weighbridge.trace.log import Log, Phase, Storage
from weighbridge.trace.modules import ModuleNames

MATRIX_PRODUCTS = frozenset(
    {"mm", "addmm", "bmm", "baddbmm", "_scaled_mm", "addmv", "mv", "_grouped_mm"}
)


class StorageTracker(TorchDispatchMode):
    """Logs storages; ``workspace`` is what cuBLAS takes at the first product of each thread."""

    def __init__(self, model: torch.nn.Module | None = None, workspace: int = 0) -> None:
        super().__init__()
        self.modules = ModuleNames(model)
        self.workspace = workspace
        self.paused = False
        self._sizes: list[int] = []
        self._categories: list[str] = []
        self._owners: list[str] = []
        self._operators: list[Any] = []
        self._events: list[int] = []
        self._phases: list[Phase] = []
        self._alive: dict[int, int] = {}
        self._threads: set[bool] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if any(_is_wrapper(kind) for kind in types):
            return NotImplemented  # its own dispatch comes back with the tensors inside
        out = as_real(func)(*args, **(kwargs or {}))
        if self.paused:
            return out
        if self.workspace and func.__name__.partition(".")[0] in MATRIX_PRODUCTS:
            self._take_workspace()
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                for tensor in plain_tensors(leaf):
                    self._see(tensor.untyped_storage(), func)
        return out

    def adopt(self, tensors: Iterable[torch.Tensor], category: str) -> None:
        """Log what was there before; a storage that is known keeps its category."""
        for outer in tensors:
            for tensor in plain_tensors(outer):
                self._see(tensor.untyped_storage(), None, category)

    def tag(self, tensors: Iterable[torch.Tensor], category: str) -> None:
        """Give the storages of these tensors a category, unless they have one."""
        for outer in tensors:
            for tensor in plain_tensors(outer):
                number = self._alive.get(tensor.untyped_storage()._cdata)
                if number is not None and not self._categories[number]:
                    self._categories[number] = category

    def tag_like(self, elements: int, module: str, category: str) -> None:
        """Give a category to what this module made, 2 or 4 bytes for each of the elements."""
        wanted = {elements * 2, elements * 4}
        for number, size in enumerate(self._sizes):
            if size in wanted and not self._categories[number] and self._owners[number] == module:
                self._categories[number] = category

    def tag_saved(self) -> None:
        """What is alive now and has no category is kept for backward."""
        for number in self._alive.values():
            if not self._categories[number]:
                self._categories[number] = "saved activation"

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Events of the block are those of this phase."""
        start = len(self._events)
        yield
        self._phases.append(Phase(name, start, len(self._events)))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Track what runs in the block."""
        with self.modules.watched(), _resize_seen(self), self:
            yield

    def count(self) -> int:
        """Events so far."""
        return len(self._events)

    def log(self) -> Log:
        """What was seen so far."""
        columns = zip(self._sizes, self._categories, self._owners, self._operators, strict=True)
        storages = tuple(
            Storage(size, category or "temporary", owner, "" if func is None else str(func))
            for size, category, owner, func in columns
        )
        return Log(storages, tuple(self._events), tuple(self._phases))

    def _see(self, storage: Any, func: Any, category: str = "") -> None:
        key = storage._cdata
        if key not in self._alive:
            self._begin(key, storage.nbytes(), func, category)
            weakref.finalize(storage, self._end, key).atexit = False

    def _begin(self, key: int, size: int, func: Any, category: str) -> None:
        number = len(self._sizes)
        self._alive[key] = number
        self._sizes.append(size)
        self._categories.append(category)
        self._owners.append(self.modules.now())
        self._operators.append(func)
        self._events.append(number)

    def _end(self, key: int) -> None:
        number = self._alive.pop(key, None)
        if number is not None:
            self._events.append(~number)

    def resized(self, storage: Any) -> None:
        """A storage changed its size in place."""
        key = storage._cdata
        number = self._alive.get(key)
        if number is not None and self._sizes[number] != storage.nbytes():
            category, func = self._categories[number], self._operators[number]
            self._end(key)
            self._begin(key, storage.nbytes(), func, category)

    def _take_workspace(self) -> None:
        backward = torch._C._current_autograd_node() is not None
        if backward not in self._threads:
            self._threads.add(backward)
            self._begin(-1 - backward, self.workspace, None, "workspace")


def plain_tensors(tensor: Any) -> list[torch.Tensor]:
    """The tensors inside a wrapper such as DTensor; a plain tensor itself."""
    if not isinstance(tensor, torch.Tensor):
        return []  # a DTensor's parts hold its mesh too
    if not is_traceable_wrapper_subclass(tensor):
        return [tensor]
    names, _ = tensor.__tensor_flatten__()  # type: ignore[attr-defined]
    return [plain for name in names for plain in plain_tensors(getattr(tensor, name))]


def _is_wrapper(kind: type) -> bool:
    return hasattr(kind, "__tensor_flatten__") and hasattr(kind, "__tensor_unflatten__")


@contextmanager
def _resize_seen(tracker: StorageTracker) -> Iterator[None]:
    """FSDP2 frees a buffer by ``storage.resize_(0)``, which no dispatch mode sees."""
    original = torch.UntypedStorage.resize_

    def resize_(self: Any, size: int) -> Any:
        out = original(self, size)
        tracker.resized(self)
        return out

    torch.UntypedStorage.resize_ = resize_  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.UntypedStorage.resize_ = original  # type: ignore[method-assign]
