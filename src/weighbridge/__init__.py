"""Weighbridge: what a language model takes of a GPU, before it is loaded.

>>> import weighbridge as wb
>>> wb.plan("llama-3.1-8b", on="rtx-4090", context=8192).fits
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weighbridge._version import __version__

if TYPE_CHECKING:
    from weighbridge.api import fit, fleet, plan, rules, sweep, train
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
    "find_card": "hardware.cards",
    "fit": "api",
    "fleet": "api",
    "list_cards": "hardware.cards",
    "plan": "api",
    "rules": "api",
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
    "find_card",
    "fit",
    "fleet",
    "list_cards",
    "plan",
    "rules",
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
