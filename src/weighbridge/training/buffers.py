"""Buffers of each way to share a model: gathered weights, reduced gradients, messages.

DDP keeps buckets of the size of the gradients beside them (``gradient_as_bucket_view`` is false by
default, torch/nn/parallel/distributed.py). FSDP2 gathers the layer at work and the next one, and
holds the root's own parameters (embedding, head, final norm) for the whole pass; at its end the
root's gradients stand whole in the compute type beside the input of the reduce-scatter
(torch/distributed/fsdp/_fully_shard). DeepSpeed's ZeRO keeps buckets of a configured size
(runtime/zero/stage_1_and_2.py, stage3.py), and ZeRO-3 gathers module by module.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.training.ranks import Stage
from weighbridge.training.setup import Setup
from weighbridge.training.states import States

BUCKET_ELEMENTS = 500_000_000
LIVE_ELEMENTS = 1_000_000_000


class Buffers(NamedTuple):
    """Bytes of buffers in the forward pass, at the loss, in a layer's backward, at the end, and in
    the step."""

    forward: int = 0
    loss: int = 0
    layer: int = 0
    end: int = 0
    step: int = 0


def buffers_of(setup: Setup, states: States, stage: Stage) -> Buffers:
    """The buffers of one rank."""
    shared = _shared(setup, states)
    messages = _messages(setup, stage)
    return Buffers(*(each + messages for each in shared))


def _shared(setup: Setup, states: States) -> Buffers:
    kind, several = setup.sharding, setup.ranks.shards > 1
    if kind == "ddp" and several:
        buckets = states.gradients
        return Buffers(buckets, buckets, buckets, buckets, buckets)
    if kind in {"zero1", "zero2"} and (several or setup.training.offload != "none"):
        bucket = min(BUCKET_ELEMENTS, states.trained) * 2 * setup.regime.reduced // 2
        gathered = min(BUCKET_ELEMENTS, states.trained) * 2
        return Buffers(0, bucket, bucket, bucket, gathered)
    if kind == "zero3":
        layer = max(states.largest_layer, states.outer // 2)
        live = layer * 2
        trained = 2 * layer if setup.trains_base else 0
        return Buffers(live, live, live + trained, live + trained, 0)
    if kind in {"fsdp", "fsdp2"}:
        return _gathered(setup, states)
    return Buffers()


def _gathered(setup: Setup, states: States) -> Buffers:
    """FSDP: the root's parameters, up to two layers, and gradients on their way."""
    c = setup.regime.compute if setup.storage is None else 0
    fraction = states.weights * setup.ranks.shards / max(states.held * setup.weight_element, 1)
    packed = int(states.largest_layer * 2 * fraction)
    layer = states.largest_layer * c or packed
    root = states.outer * (c or 2)
    gradients = states.largest_layer * c if setup.trains_base else 0
    own = states.trained_outer * (c + setup.regime.reduced) if setup.trains_base else 0
    return Buffers(
        root + 2 * layer,
        root + layer,
        root + 2 * layer + gradients,
        max(own, root) + (0 if setup.trains_base else layer),
        0,
    )


def _messages(setup: Setup, stage: Stage) -> int:
    """Between stages the stream of a micro-batch; with sequence parallelism the gathered stream;
    with experts spread, the tokens that are sent and received; in context parallelism the next
    block of keys and values."""
    style, ranks = setup.style, setup.ranks
    hidden, element = setup.model.hidden, style.compute
    size = 0
    if ranks.pipeline > 1:
        size += 2 * setup.tokens * style.wide(hidden) * element
    if style.sequence:
        size += setup.tokens * hidden * element
    if ranks.expert > 1:
        top = max((getattr(layer.feed_forward, "top_k", 0) for layer, _ in stage.groups()),
                  default=0)  # fmt: skip
        size += 2 * top * setup.tokens * hidden * element // ranks.tensor
    if ranks.context > 1:
        widths = [s.width for layer, _ in stage.groups() for s in layer.mixer.cache]
        size += 2 * setup.tokens * max(widths, default=0) * element // ranks.tensor
    return size
