"""Precision regimes: the types in which weights, gradients, master copies and states are kept.

Bytes for each trained parameter; ``residual`` is the type of the stream between layers.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.errors import RequestError


class Regime(NamedTuple):
    """Bytes per element; ``casts`` says that autocast copies the inputs and weights of products.

    ``gradients_high`` is what gradients take where a second copy lives beside the first;
    ``reduced`` is the type in which gradients are summed over ranks.
    """

    name: str
    weights: int
    gradients: int
    master: int
    state: int
    compute: int
    residual: int
    reduced: int
    source: str
    casts: bool = False
    gradients_high: int = 0


REGIMES = (
    Regime("bf16", 2, 2, 0, 2, 2, 2, 2,
           "torch.optim.AdamW: states have the parameter's type (zeros_like); 2 + 2 + 4 bytes"),
    Regime("fp32", 4, 4, 0, 4, 4, 4, 4, "torch: everything in fp32; 4 + 4 + 8 bytes"),
    Regime("amp-bf16", 4, 4, 0, 4, 2, 4, 4,
           "torch.autocast on fp32 parameters: products in 16 bit, a cache of cast weights",
           casts=True),
    Regime("amp-fp16", 4, 4, 0, 4, 2, 4, 4,
           "torch.autocast with GradScaler: products in 16 bit, a cache of cast weights",
           casts=True),
    Regime("fsdp-mixed", 4, 4, 0, 4, 2, 2, 4,
           "torch FSDP MixedPrecision: fp32 shards, gathered in bf16, reduced in fp32"),
    Regime("deepspeed-bf16", 2, 4, 4, 4, 2, 2, 2,
           "DeepSpeed estimate_zero3_model_states_mem_needs (stage3.py): 2 + 4 + 12 bytes",
           gradients_high=6),
    Regime("megatron-bf16", 2, 4, 4, 4, 2, 2, 4,
           "Megatron-LM theoretical_memory_usage.py: 2 + 4 (fp32 main gradients) + 4 + 8 bytes"),
)  # fmt: skip


def find_regime(name: str) -> Regime:
    """The regime of a name; RequestError with the known names otherwise."""
    for regime in REGIMES:
        if regime.name == name:
            return regime
    known = ", ".join(regime.name for regime in REGIMES)
    raise RequestError(f"precision {name[:40]!r} is not one of {known}")


def default_regime(sharding: str) -> str:
    """What each way of sharding trains in where nothing is said."""
    if sharding == "megatron":
        return "megatron-bf16"
    if sharding.startswith("zero"):
        return "deepspeed-bf16"
    return "fsdp-mixed" if sharding.startswith("fsdp") else "bf16"
