"""A model as one rank of a layout runs it: bytes, operations' elements, and kernels per pass.

Matrices are cut over the tensor-parallel ranks, routed experts over all ranks that share them, KV
heads as far as there are heads; a latent is kept whole by every rank (vLLM
``v1/attention/backends/mla``). What a norm takes is counted as if it were cut too: it is nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.formats.format import StorageFormat
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.speed.arithmetic import CROSSING, head_elements, matrix_elements
from weighbridge.units import ceil_div

# Matrices that engines multiply by in the same kernel as another one.
FUSED = (
    ".k_proj.weight",
    ".v_proj.weight",
    ".up_proj.weight",
    ".kv_a_proj_with_mqa.weight",
    ".in_proj_a.weight",
    ".in_proj_b.weight",
    ".in_proj_z.weight",
    ".wk.weight",
)
# Absorbed into queries and into outputs, which are two kernels.
TWICE = ("kv_b_proj.weight",)


class Kernels(NamedTuple):
    """Kernels of a decode step over the whole stack, by what they do."""

    matrices: int
    quantized: int
    attentions: int
    norms: int
    mixtures: int
    shared: int
    latents: int
    indexers: int
    recurrences: int


class Part(NamedTuple):
    """One kind of layer: how many ``times``, and a rank's share of its cache and of its heads."""

    layer: Layer
    times: int
    cache: float
    heads: float


class Shape(NamedTuple):
    """What a rank reads and multiplies by, over the whole stack.

    ``expert_bytes`` are those of all routed experts that it holds; ``visited`` the elements of
    routed experts that one token passes through, on all ranks together.
    """

    model: Model
    layout: Layout
    layers: int
    hidden: int
    dense_bytes: int
    expert_bytes: int
    experts: int
    top_k: int
    dense_elements: int
    visited: int
    head: int
    kernels: Kernels
    parts: tuple[Part, ...]


ALONE = Layout()


class _Held:
    """Model and format, compared by identity: they are large, and made once."""

    def __init__(self, model: Model, storage: StorageFormat) -> None:
        self.model, self.storage = model, storage

    def __hash__(self) -> int:
        return hash((id(self.model), id(self.storage)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Held) and self.model is other.model and self.storage is other.storage
        )


def shape_of(model: Model, storage: StorageFormat, layout: Layout = ALONE) -> Shape:
    """The model cut for one rank of ``layout``."""
    return _shape(_Held(model, storage), layout)


@lru_cache(maxsize=128)
def _shape(held: _Held, layout: Layout) -> Shape:
    model, storage = held.model, held.storage
    dense = expert = visited = 0
    elements = matrix_elements(model.outer)
    experts = top_k = 1
    for layer, count in model.layer_groups():
        feed = layer.feed_forward
        if isinstance(feed, MixtureOfExperts):
            experts, top_k = feed.experts, feed.top_k
        own = (*layer.parameters, *layer.again)
        for parameter in own:
            size = storage.bytes_of(parameter) * count
            if parameter.role == "expert":
                expert += size
                visited += parameter.elements * count * top_k // experts
            elif not parameter.name.endswith(CROSSING):
                dense += size
        elements += count * matrix_elements(own, experts_share=(0, 1))
    dense += sum(storage.bytes_of(p) for p in model.outer if _is_read(p, model))
    return Shape(
        model,
        layout,
        len(model.layers),
        model.hidden,
        dense // layout.tensor,
        expert // (layout.tensor * layout.data),
        experts,
        top_k,
        elements // layout.tensor,
        visited,
        head_elements(model) // layout.tensor,
        _kernels(model, storage),
        tuple(_part(layer, count, layout.tensor) for layer, count in model.layer_groups()),
    )


def _is_read(parameter: Parameter, model: Model) -> bool:
    """An embedding gives up single rows, unless it is the head as well."""
    return parameter.role != "embedding" or (model.tied and parameter.shape[0] == model.vocab)


def _part(layer: Layer, count: int, tensor: int) -> Part:
    heads = getattr(layer.mixer, "heads", None) or 1
    return Part(layer, count, _cache_share(layer.mixer, tensor), 1 / min(tensor, heads))


def _cache_share(mixer: Any, tensor: int) -> float:
    parts = getattr(mixer, "parts", ())
    if parts:
        return max(_cache_share(part, tensor) for part in parts)
    heads = getattr(mixer, "kv_heads", None)
    return 1.0 if heads is None else ceil_div(heads, min(tensor, heads)) / heads


def _kernels(model: Model, storage: StorageFormat) -> Kernels:
    counts = dict.fromkeys(Kernels._fields, 0)
    counts["matrices"] = 1
    for layer, count in model.layer_groups():
        for parameter in layer.parameters:
            if parameter.role == "norm" and parameter.name.endswith("weight"):
                counts["norms"] += count
            runs = _runs(parameter) * count
            counts["matrices"] += runs
            counts["quantized"] += runs * (storage.stores(parameter) and storage.value_bits < 16)
        kind, feed = type(layer.mixer).__name__, layer.feed_forward
        counts["attentions"] += count * bool(layer.mixer.cache)
        counts["mixtures"] += count * isinstance(feed, MixtureOfExperts)
        counts["shared"] += count * bool(getattr(feed, "shared_intermediate", 0))
        counts["latents"] += count * ("Latent" in kind)
        counts["indexers"] += count * ("Sparse" in kind)
        counts["recurrences"] += count * bool(layer.mixer.state)
    return Kernels(**counts)


def _runs(parameter: Parameter) -> int:
    """Kernels that multiply by this matrix alone in a decode step."""
    if parameter.role not in {"linear", "router"} or len(parameter.shape) < 2:
        return 0
    if parameter.name.endswith(FUSED) or "conv" in parameter.name:
        return 0
    return 2 if parameter.name.endswith(TWICE) else 1
