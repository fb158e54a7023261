"""Which module an operator belongs to, in forward and in backward.

Forward hooks keep a stack of names. In backward the running autograd node tells the sequence
number that it was given in forward, and the module that was then running is looked up; nothing is
hung on tensors, so that no lifetime changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd import _get_sequence_nr
from torch.nn.modules import module as hooks

_NO_NUMBER = 2**63


class ModuleNames:
    """The name of the module that is running; "" outside every module."""

    def __init__(self, root: torch.nn.Module | None) -> None:
        named = root.named_modules(remove_duplicate=False) if root is not None else ()
        self._names = {id(module): name or "(model)" for name, module in named}
        self._stack: list[str] = []
        self._starts: list[int] = [-1]
        self._owners: list[str] = [""]
        self._last = ""

    def now(self) -> str:
        """The running module's path."""
        if self._stack:
            return self._stack[-1]
        node = torch._C._current_autograd_node()
        if node is None:
            return ""
        number = node._sequence_nr()
        if number < _NO_NUMBER:
            self._last = self._owners[bisect_right(self._starts, number) - 1]
        return self._last

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Follow every module's forward while this is open."""
        enter = hooks.register_module_forward_pre_hook(self._enter)
        leave = hooks.register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            enter.remove()
            leave.remove()

    def _enter(self, module: torch.nn.Module, _: Any) -> None:
        above = self._stack[-1] if self._stack else ""
        self._stack.append(self._names.get(id(module), above))
        self._mark()

    def _leave(self, module: torch.nn.Module, *_: Any) -> None:
        del module
        if self._stack:
            self._stack.pop()
        self._mark()

    def _mark(self) -> None:
        number, owner = _get_sequence_nr(), self._stack[-1] if self._stack else ""
        if self._starts[-1] == number:
            self._owners[-1] = owner
        elif self._starts[-1] < number:
            self._starts.append(number)
            self._owners.append(owner)
