"""Stand-ins for bitsandbytes' 4-bit linear layers and 8-bit AdamW: the same bytes, no kernels.

``Params4bit`` cannot be made under fake tensors. What bitsandbytes 0.50 keeps and makes is simple:
uint8 data with two weights each, one absmax per 64 weights (fp32, or with double quantization
uint8 with one fp32 per 256 of them), and a dequantized copy in the compute type that lives during
each product, in forward and again in backward. The 8-bit optimizer keeps two uint8 states with one
fp32 absmax per 256 elements and two tables; tensors under 4,096 elements stay in fp32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from weighbridge.units import ceil_div

BLOCK, NESTED_BLOCK, OPTIMIZER_BLOCK, SMALLEST_8BIT = 64, 256, 256, 4096
TABLE_4BIT, TABLE_8BIT = 16, 256


class _Product4bit(torch.autograd.Function):
    """x @ dequantized(weight).T; saves the packed weight alone."""

    @staticmethod
    def forward(ctx: Any, x: Any, packed: Any, shape: Any, bias: Any) -> Any:
        ctx.save_for_backward(packed)
        ctx.shape = shape
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        dense = torch.empty(shape, dtype=kind, device=x.device)
        return nn.functional.linear(x, dense, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (grad,) = grads
        _ = ctx.saved_tensors
        dense = torch.empty(ctx.shape, dtype=grad.dtype, device=grad.device)
        return torch.matmul(grad, dense), None, None, None


class Linear4bit(nn.Linear):
    """A frozen linear layer of packed nf4 weights."""

    def __init__(self, like: Any, *, double: bool) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = _features(like)
        device, count = like.weight.device, self.in_features * self.out_features
        blocks = ceil_div(count, BLOCK)
        packed = torch.empty(ceil_div(count, 2), 1, dtype=torch.uint8, device=device)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = like.bias
        self.register_buffer("code", torch.empty(TABLE_4BIT, device=device))
        if double:
            self.register_buffer("absmax", torch.empty(blocks, dtype=torch.uint8, device=device))
            nested = ceil_div(blocks, NESTED_BLOCK)
            self.register_buffer("nested_absmax", torch.empty(nested, device=device))
            self.register_buffer("nested_code", torch.empty(TABLE_8BIT, device=device))
            self.register_buffer("offset", torch.empty((), device=device))
        else:
            self.register_buffer("absmax", torch.empty(blocks, device=device))

    def forward(self, input: Any) -> Any:
        """``input`` (…, in) → (…, out)."""
        shape = (self.out_features, self.in_features)
        return _Product4bit.apply(input, self.weight, shape, self.bias)


def _features(like: Any) -> tuple[int, int]:
    """(in, out) of a linear layer, or of GPT-2's Conv1D, whose weight is (in, out)."""
    if isinstance(like, Conv1D):
        return like.nx, like.nf
    return like.in_features, like.out_features


def quantize(model: nn.Module, *, double: bool, keep: Iterable[str] = ("lm_head",)) -> int:
    """Replace every linear layer outside ``keep``; returns how many there were.

    Subclasses of ``nn.Linear`` stay, Falcon's for one: Transformers 5.23, replace_with_bnb_linear
    of integrations/bitsandbytes.py, asks for the very type or a Conv1D.
    """
    kept, count = set(keep), 0
    for name, module in [*model.named_modules()]:
        for child, linear in [*module.named_children()]:
            plain = type(linear) is nn.Linear or isinstance(linear, Conv1D)
            if plain and child not in kept and name not in kept:
                setattr(module, child, Linear4bit(linear, double=double))
                count += 1
    return count


def prepare_kbit(model: nn.Module) -> None:
    """What peft.prepare_model_for_kbit_training does to memory: 16-bit parameters become fp32."""
    for parameter in model.parameters():
        if parameter.dtype in (torch.float16, torch.bfloat16):
            parameter.data = parameter.data.to(torch.float32)


class AdamW8bit(torch.optim.Optimizer):
    """The states of bitsandbytes' blockwise AdamW, which updates in place."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 1e-3) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make the states where they are missing."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and not self.state[parameter]:
                    self.state[parameter] = _states_8bit(parameter)
        return None


def _states_8bit(parameter: torch.Tensor) -> dict[str, torch.Tensor]:
    device, count = parameter.device, parameter.numel()
    if count < SMALLEST_8BIT:
        return {f"state{n}": torch.zeros_like(parameter, dtype=torch.float32) for n in (1, 2)}
    states = {f"state{n}": torch.zeros_like(parameter, dtype=torch.uint8) for n in (1, 2)}
    for n in (1, 2):
        states[f"qmap{n}"] = torch.empty(TABLE_8BIT, device=device)
        states[f"absmax{n}"] = torch.zeros(ceil_div(count, OPTIMIZER_BLOCK), device=device)
    return states
