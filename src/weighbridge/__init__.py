"""Weighbridge: what a language model takes of a GPU, before it is loaded.

>>> import weighbridge as wb
>>> wb.plan("llama-3.1-8b", on="rtx-4090", context=8192).fits
True
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from weighbridge._version import __version__

if TYPE_CHECKING:
    from weighbridge.api import (
        check,
        explain,
        fit,
        fleet,
        place,
        plan,
        recommend,
        rules,
        speed,
        sweep,
        train,
    )
    from weighbridge.errors import InputError, WeighbridgeError
    from weighbridge.hardware.cards import find_card, list_cards
    from weighbridge.planner import Plan
    from weighbridge.request import Request
    from weighbridge.term import Term

_WHERE = {
    "InputError": "errors",
    "Plan": "planner",
    "Request": "request",
    "Term": "term",
    "WeighbridgeError": "errors",
    "check": "api",
    "find_card": "hardware.cards",
    "explain": "api",
    "fit": "api",
    "recommend": "api",
    "fleet": "api",
    "list_cards": "hardware.cards",
    "place": "api",
    "plan": "api",
    "rules": "api",
    "speed": "api",
    "sweep": "api",
    "train": "api",
}

__all__ = [
    "InputError",
    "Plan",
    "Request",
    "Term",
    "WeighbridgeError",
    "__version__",
    "check",
    "explain",
    "find_card",
    "fit",
    "fleet",
    "list_cards",
    "place",
    "plan",
    "recommend",
    "rules",
    "speed",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'weighbridge' has no attribute {name!r}")
    value = getattr(import_module(f"weighbridge.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Room(ModuleType):
    """A room with the name of a function is called as that function: ``wb.rules("llama-3.1-8b")``
    means the same before and after something has imported ``weighbridge.rules``."""

    def __call__(self, *values: Any, **options: Any) -> Any:
        function = getattr(import_module("weighbridge.api"), self.__name__.rpartition(".")[2])
        return function(*values, **options)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        if name in _WHERE and isinstance(value, ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
