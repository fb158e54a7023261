"""What one rank holds of each parameter, under tensor, pipeline, data and expert parallelism.

Matrices are cut as Megatron-LM cuts them (arXiv:1909.08053, section 3): the first of a pair by its
outputs (*columns*), the second by its inputs (*rows*). KV heads fewer than the ranks are repeated,
the vocabulary is padded to a multiple of 64, experts are cut like any feed-forward or spread whole,
and what is small or shared by all heads (norms, routers, latent projections) is on every rank. The
pieces keep the shape that a rank allocates, so that a storage format with groups or blocks counts
the scales of the piece, not a share of the whole's.

Checked against ranks that vLLM 0.32.0 built itself (``tests/truth/vllm_oracle.jsonl``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.errors import RequestError
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.records import replace
from weighbridge.units import ceil_div

VOCABULARY_PADDING = 64

Cut = Literal["columns", "rows", "keys", "fused", "heads", "state", "state norm", "replicated"]

# The last names of a tensor decide; the first row that matches counts. vLLM: the classes that
# vllm/model_executor/models/*.py give these modules (layers/linear.py).
RULES: tuple[tuple[str, Cut], ...] = (
    (r"(mamba|mixer)\.norm\.weight$", "state norm"),
    (r"norm|indexer|compressor|scorer|router|altup|laurel|_hc\.|residual_(gate|scale)",
     "replicated"),
    (r"(q|kv|f|g)_a_proj|kv_a_proj_with_mqa|wkv_a|shared_expert_gate|latent_proj|per_layer_"
     r"|(pre|post)_expert_proj|fc\d_latent", "replicated"),
    (r"mamba\.(in_proj|conv1d)|mixer\.(in_proj|conv1d)", "state"),
    (r"(query_key_value|qkv_proj|Wqkv|c_attn|wqkv|in_proj_qkv|qkv)(\.|$)", "fused"),
    (r"(attn|attention|mixer|temporal_block|self)\.(k|v|key|value)(_proj)?(\.|$)", "keys"),
    (r"(A_log|dt_bias|sinks|attention_sink_bias|\.D)$|conv\d?d?\.(weight|bias)", "heads"),
    (r"dt_proj|(in_proj|q_proj|q_b_proj|kv_b_proj|f_b_proj|g_b_proj|b_proj|g_proj|gate_proj"
     r"|up_proj|gate_up_proj|up_gate_proj|in_proj_\w+|wq)(\.|_bias|$)", "columns"),
    (r"x_proj|(down_proj|o_proj|out_proj|linear_out|c_proj)(\.|_bias|$)", "rows"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), cut) for pattern, cut in RULES)
_POSITIONS = re.compile(r"position|wpe|token_type")


class Frame(NamedTuple):
    """What a piece depends on beside its name: the ranks, and the layer's heads and groups."""

    layout: Layout
    hidden: int
    vocab: int = 0
    heads: int = 0
    kv_heads: int = 0
    groups: int = 0
    group_width: int = 0
    experts: int = 0
    expert_tensor: int = 1


def check_layout(model: Model, layout: Layout) -> None:
    """Refuse what no engine can cut, in one sentence with the sizes that would fit."""
    tensor, layers = layout.tensor, len(model.layers)
    if layout.pipeline > layers:
        raise RequestError(
            f"{model.id} has {layers} layers, which cannot be cut into {layout.pipeline} pipeline "
            f"stages; use --pipeline-parallel-size {layers} or less"
        )
    heads = sorted({head for layer in model.layers for head in _query_heads(layer) if head})
    if any(head % tensor for head in heads):
        wrong = next(head for head in heads if head % tensor)
        fitting = [n for n in range(1, tensor + 1) if not any(head % n for head in heads)]
        raise RequestError(
            f"{wrong} attention heads of {model.id} must be divisible by tensor_parallel_size "
            f"{tensor}; use --tensor-parallel-size {fitting[-1]}"
        )
    for kv_heads in {_kv_heads(layer) for layer in model.layers}:
        if kv_heads and kv_heads % tensor and tensor % kv_heads:
            raise RequestError(
                f"{kv_heads} KV heads of {model.id} can neither be divided by nor repeated over "
                f"tensor_parallel_size {tensor}; use --tensor-parallel-size "
                f"{max(n for n in range(1, tensor) if kv_heads % n == 0 or n % kv_heads == 0)}"
            )


def _query_heads(layer: Layer) -> tuple[int, ...]:
    parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
    return tuple(
        getattr(part, name, 0) for part in parts for name in ("heads", "key_heads", "value_heads")
    )


def _kv_heads(layer: Layer) -> int:
    parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
    return max(int(getattr(part, "kv_heads", 0)) for part in parts)


def local_kv_heads(kv_heads: int, tensor: int) -> int:
    """KV heads that one rank keeps: at least one, repeated where there are fewer than ranks."""
    return max(1, kv_heads // tensor) if kv_heads else 0


def stage_layers(layers: int, pipeline: int) -> tuple[range, ...]:
    """The layers of each stage; what does not divide goes to the last stages but one.

    vLLM distributed/utils.py, get_pp_indices: the last stage has the head and norm already.
    """
    counts = [layers // pipeline] * pipeline
    for place in range(2, layers % pipeline + 2):
        counts[-place] += 1
    starts = [sum(counts[:stage]) for stage in range(pipeline)]
    return tuple(range(start, start + n) for start, n in zip(starts, counts, strict=True))


def rank_parameters(model: Model, layout: Layout, stage: int = 0) -> list[tuple[Parameter, int]]:
    """What each rank of a pipeline stage holds: its pieces, with the layers that hold one.

    Embeddings and towers stand on the first stage, the head and the last norm on the last; a tied
    embedding stands on both.
    """
    mine = stage_layers(len(model.layers), layout.pipeline)[stage]
    counted: dict[int, tuple[Layer, int]] = {}
    for index in mine:
        layer = model.layers[index]
        counted[id(layer)] = (layer, counted.get(id(layer), (layer, 0))[1] + 1)
    found = [(piece, 1) for piece in _outer(model, layout, stage)]
    for layer, count in counted.values():
        found += [(piece, count) for piece in layer_pieces(layer, layout, model.hidden)]
    return found


def _outer(model: Model, layout: Layout, stage: int) -> Iterator[Parameter]:
    first, last = stage == 0, stage == layout.pipeline - 1
    frame = Frame(layout, model.hidden, model.vocab)
    for parameter in model.outer:
        embeds = parameter.role == "embedding"
        again = model.tied and embeds and not _POSITIONS.search(parameter.name)
        if (first and embeds) or (last and (again or not embeds)):
            yield shard(parameter, frame)
    if first:
        for tower in model.towers:
            for parameter in tower.parameters:
                yield shard(parameter, frame)


def layer_pieces(layer: Layer, layout: Layout, hidden: int) -> list[Parameter]:
    """The pieces of one layer that each of its ranks holds."""
    frame = layer_frame(layer, layout, hidden)
    return [shard(parameter, frame) for parameter in layer.parameters]


def layer_frame(layer: Layer, layout: Layout, hidden: int) -> Frame:
    """The heads, groups and experts of a layer, which decide how its tensors are cut.

    Experts that are not spread whole are cut over the ranks of all replicas (vLLM
    fused_moe/config.py, flatten_tp_across_dp).
    """
    parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
    state = next((part for part in parts if isinstance(part, Mamba2)), None)
    feed = layer.feed_forward
    return Frame(
        layout,
        hidden,
        heads=max(_query_heads(layer), default=0),
        kv_heads=_kv_heads(layer),
        groups=state.groups if state else 0,
        group_width=state.state_size if state else 0,
        experts=feed.experts if isinstance(feed, MixtureOfExperts) else 0,
        expert_tensor=layout.tensor * layout.data,
    )


def shard(parameter: Parameter, frame: Frame) -> Parameter:
    """The piece of a parameter that one rank allocates."""
    if parameter.role in {"embedding", "head"} or (
        parameter.role == "bias" and parameter.name.startswith("lm_head")
    ):
        return _vocabulary(parameter, frame)
    if parameter.role == "expert" or ".experts." in parameter.name:
        return _expert(parameter, frame)
    if frame.layout.tensor == 1 or parameter.role == "router":
        return parameter
    return _cut(parameter, cut_of(parameter, frame.hidden), frame)


def cut_of(parameter: Parameter, hidden: int) -> Cut:
    """How a tensor is cut, by its name; a linear layer of no known name by its shape."""
    for pattern, cut in _COMPILED:
        if pattern.search(parameter.name):
            return cut
    if parameter.role == "norm":
        return "replicated"
    if len(parameter.shape) != 2 or parameter.role != "linear":
        return _bias(parameter, hidden)
    out, into = parameter.shape
    if out == into:
        return "rows" if re.search(r"dense|\.[wW]?o\.|w2|fc2|fc_out", parameter.name) else "columns"
    return "rows" if out == hidden else "columns"


def _bias(parameter: Parameter, hidden: int) -> Cut:
    """A bias follows its weight: that of a layer cut by rows is added once, on every rank."""
    if parameter.role != "bias" or len(parameter.shape) != 1:
        return "replicated"
    return "replicated" if parameter.shape[0] == hidden else "columns"


def _cut(parameter: Parameter, cut: Cut, frame: Frame) -> Parameter:
    tensor, shape = frame.layout.tensor, parameter.shape
    if cut == "replicated" or not shape or (cut == "state norm" and not frame.groups):
        return parameter
    if cut == "rows":
        if len(shape) < 2:
            return parameter
        return replace(parameter, shape=(*shape[:-1], ceil_div(shape[-1], tensor)))
    place = _heads_dimension(shape) if cut == "heads" else 0
    size = shape[place]
    if cut == "keys" and frame.kv_heads and size % frame.kv_heads == 0:
        size = size // frame.kv_heads * local_kv_heads(frame.kv_heads, tensor)
    elif cut == "fused" and frame.kv_heads and _is_fused(size, frame):
        width = size // (frame.heads + 2 * frame.kv_heads)
        local = frame.heads // tensor + 2 * local_kv_heads(frame.kv_heads, tensor)
        size = width * local
    elif cut == "state" and frame.groups:
        size = ceil_div(size + 2 * extra_groups(frame.groups, tensor) * frame.group_width, tensor)
    else:
        size = ceil_div(size, tensor)
    return replace(parameter, shape=(*shape[:place], size, *shape[place + 1 :]))


def _heads_dimension(shape: tuple[int, ...]) -> int:
    """The dimension of heads: the first that is not 1 (Kimi Linear's A_log is (1, 1, h, 1))."""
    return next((place for place, size in enumerate(shape) if size > 1), 0)


def _is_fused(size: int, frame: Frame) -> bool:
    return size % (frame.heads + 2 * frame.kv_heads) == 0


def extra_groups(groups: int, tensor: int) -> int:
    """Groups of B and C that are repeated where they do not divide over the ranks.

    vLLM mamba/mamba_utils.py, extra_groups_for_head_shards.
    """
    return 0 if groups % tensor == 0 else tensor - groups


def _vocabulary(parameter: Parameter, frame: Frame) -> Parameter:
    """Rows padded to a multiple of 64, then cut (layers/vocab_parallel_embedding.py)."""
    rows, *rest = parameter.shape
    if _POSITIONS.search(parameter.name):
        return parameter
    padded = ceil_div(rows, VOCABULARY_PADDING) * VOCABULARY_PADDING
    return replace(parameter, shape=(ceil_div(padded, frame.layout.tensor), *rest))


def _expert(parameter: Parameter, frame: Frame) -> Parameter:
    """Whole experts of a rank, or a part of every expert's width."""
    stacked = parameter.copies == 1 and frame.experts > 1 and parameter.shape[0] == frame.experts
    if frame.layout.expert:
        mine = ceil_div(frame.experts or parameter.copies, frame.layout.expert_ranks)
        if stacked:
            return replace(parameter, shape=(mine, *parameter.shape[1:]))
        return replace(parameter, copies=mine)
    ranks = frame.expert_tensor
    if ranks == 1:
        return parameter
    place = _width(parameter, frame.hidden, stacked=stacked)
    if place is None:
        return parameter
    shape = parameter.shape
    cut = (*shape[:place], ceil_div(shape[place], ranks), *shape[place + 1 :])
    return replace(parameter, shape=cut)


def _width(parameter: Parameter, hidden: int, *, stacked: bool) -> int | None:
    """The dimension of the experts' width; None for what is added to the hidden state.

    Where both dimensions are as wide as the hidden state, the name decides.
    """
    first = 1 if stacked else 0
    places = range(first, len(parameter.shape))
    down = re.search(r"down_proj|\bw2\b|output_linear", parameter.name) is not None
    wide = [place for place in places if parameter.shape[place] != hidden]
    if len(places) == 1:
        return None if down else first
    if len(wide) == 1:
        return wide[0]
    return places[-1] if down else places[0]


def elements(pieces: Iterable[tuple[Parameter, int]]) -> int:
    """Elements of pieces, each with the layers that hold one."""
    return sum(piece.elements * count for piece, count in pieces)
