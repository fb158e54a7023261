"""Optimizers by the names of ``TrainingArguments.optim``: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from weighbridge.trace.quantized import AdamW8bit

_RATE = 1e-4


def _adamw(**how: bool) -> Callable[[list[Any]], Any]:
    return lambda params: torch.optim.AdamW(params, lr=_RATE, **how)


def _muon(params: list[Any]) -> Any:
    """Muon takes matrices; all else goes to AdamW, as its users do."""
    matrices = [each for each in params if each.dim() == 2]
    others = [each for each in params if each.dim() != 2]
    made = [torch.optim.Muon(matrices, lr=_RATE)] if matrices else []
    return _Several([*made, *([torch.optim.AdamW(others, lr=_RATE, fused=True)] if others else [])])


def _adafactor(params: list[Any]) -> Any:
    """With the arguments that Trainer passes (trainer_optimizer.py): no reading of values."""
    from transformers.optimization import Adafactor

    return Adafactor(params, lr=_RATE, scale_parameter=False, relative_step=False)


class _Several:
    """Optimizers that step together."""

    def __init__(self, members: list[Any]) -> None:
        self.members = members
        self.state = {key: value for each in members for key, value in each.state.items()}

    def step(self) -> None:
        for each in self.members:
            each.step()
        self.state = {key: value for each in self.members for key, value in each.state.items()}

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        for each in self.members:
            each.zero_grad(set_to_none=set_to_none)


# foreach and fused are named, because a CPU build and a CUDA build choose differently.
MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "adamw_torch_fused": _adamw(fused=True),
    "adamw_torch": _adamw(foreach=True),
    "adamw_forloop": _adamw(foreach=False, fused=False),
    "adamw_8bit": lambda params: AdamW8bit(params, lr=_RATE),
    "sgd": lambda params: torch.optim.SGD(params, lr=_RATE, fused=True),
    "sgd_momentum": lambda params: torch.optim.SGD(params, lr=_RATE, momentum=0.9, fused=True),
    "muon": _muon,
    "adafactor": _adafactor,
}


def make_optimizer(name: str, parameters: list[Any]) -> Any:
    """The optimizer over these parameters; None where the name is ``none``."""
    return None if name == "none" else MAKERS[name](parameters)


def states_of(optimizer: Any) -> list[torch.Tensor]:
    """Every tensor that an optimizer keeps."""
    found: list[torch.Tensor] = []
    for state in optimizer.state.values():
        found += [each for each in state.values() if isinstance(each, torch.Tensor)]
    return found
