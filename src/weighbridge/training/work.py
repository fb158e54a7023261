"""Operations of training, per token of one micro-batch: forward, backward, and what is recomputed.

A multiply-add is two operations. For a dense model trained whole this is 6 per parameter and token
plus attention, 8 with full recomputation (arXiv:2104.04473, appendix; PaLM, arXiv:2204.02311,
appendix B); a frozen base needs no gradients of its weights, hence 4, and what its adapters take.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.speed.arithmetic import head_elements, pass_operations
from weighbridge.speed.mixing import Pass, mixing_operations
from weighbridge.training.setup import Setup


class Work(NamedTuple):
    """Operations of one sequence over all ranks: ``products`` with weights and ``mixing`` of
    tokens, both with recomputation; ``model`` is what is counted for MFU, without it."""

    products: int
    mixing: int
    model: int
    recomputed: int


def work_of(setup: Setup) -> Work:
    """The operations of one sequence, forward and backward."""
    model, length = setup.model, setup.length
    seen = Pass(length, length)
    mixing = sum(int(mixing_operations(layer.mixer, seen)) * count
                 for layer, count in model.layer_groups())  # fmt: skip
    everything = int(
        pass_operations(model, length, length, logits=length if model.generates else 1)
    )
    products = max(everything - mixing, 0)
    adapters = 2 * length * _adapter_elements(setup)
    inputs, weights = products, products if setup.trains_base else 0
    backward = inputs + weights + 2 * adapters
    again_products, again_mixing = _recomputed(setup, products, mixing)
    total = products + adapters + backward + again_products
    counted = products + adapters + backward + 3 * mixing
    return Work(total, 3 * mixing + again_mixing, counted, again_products + again_mixing)


def _adapter_elements(setup: Setup) -> int:
    if setup.adapters is None:
        return 0
    return sum(setup.adapters.elements(p) * count for p, count in setup.model.every_parameter())


def _recomputed(setup: Setup, products: int, mixing: int) -> tuple[int, int]:
    """What is computed again: every layer; or attention's core (Megatron) and half of the products
    (torchtitan's selective kind); the head is never computed again, but for a fused loss."""
    head = 2 * head_elements(setup.model) * setup.length
    layers = max(products - head, 0)
    kind = setup.checkpointing
    if kind == "none":
        return 0, 0
    if kind == "selective":
        return (0, mixing) if setup.style.kernels == "megatron" else (layers // 2, 0)
    return layers, mixing
