"""What the graph of a layer needs to know, read from the model's facts once for each kind."""

from __future__ import annotations

import re
from typing import NamedTuple

from weighbridge.model.facts import Layer, Parameter
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.chunked import ChunkedAttention
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.shared import SharedAttention
from weighbridge.model.mixers.sliding import SlidingAttention

FUSED_QKV = r"(?:attn_qkv|qkv_proj|c_attn|W_pack|Wqkv|query_key_value)\."
FUSED_GATE = r"gate_up_proj|input_linear"
NORM_OF_HEADS = r"(?:attn_q_norm|q_norm|q_layernorm|query_layernorm)\."


class Heads(NamedTuple):
    """Grouped heads; ``borrows`` those that read an earlier layer's cache."""

    heads: int
    kv_count: int
    k_dim: int
    v_dim: int
    window: int | None = None
    normed: bool = False
    rotary: bool = True
    late_norm: bool = False
    tempered: bool = False
    fused: bool = False
    gated: bool = False
    borrows: bool = False
    softcapped: bool = False
    chunked: bool = False


class Latent(NamedTuple):
    """Latent attention: ``rank`` elements and ``rope`` rotary ones for all heads."""

    heads: int
    rank: int
    rope: int
    nope: int
    v_dim: int
    q_rank: int
    index_dim: int = 0


class DenseShape(NamedTuple):
    """A network of ``width``; ``fused`` has gate and up in one projection."""

    width: int
    gated: bool
    fused: bool = False


class ExpertsShape(NamedTuple):
    """``used`` of ``experts`` of ``width``, and a ``shared`` one beside them."""

    experts: int
    used: int
    width: int
    gated: bool = True
    fused: bool = False
    shared: DenseShape | None = None
    shared_gate: bool = False
    biased: bool = False
    normalised: bool = True
    scaled: bool = False
    softmax_after: bool = False
    weighs_first: bool = False


def names_of(parameters: tuple[Parameter, ...]) -> str:
    """The names of parameters in one text, to search in."""
    return " ".join(parameter.name for parameter in parameters)


def heads_of(layer: Layer, *, softcapped: bool) -> Heads:
    """The heads of a layer of grouped attention."""
    mixer = layer.mixer
    names = names_of(mixer.parameters)
    window = None
    if isinstance(mixer, SlidingAttention | SharedAttention):
        window = mixer.window
    elif isinstance(mixer, ChunkedAttention):
        window = mixer.chunk
    count, kv_count = mixer.heads, mixer.kv_heads  # type: ignore[attr-defined]
    k_dim, v_dim = mixer.k_dim, mixer.v_dim  # type: ignore[attr-defined]
    return Heads(
        count,
        kv_count,
        k_dim,
        v_dim,
        window,
        normed=re.search(NORM_OF_HEADS, names) is not None,
        fused=re.search(FUSED_QKV, names) is not None,
        gated=_doubled_queries(mixer.parameters, count * k_dim),
        borrows=isinstance(mixer, SharedAttention),
        softcapped=softcapped,
        chunked=isinstance(mixer, ChunkedAttention),
    )


def _doubled_queries(parameters: tuple[Parameter, ...], width: int) -> bool:
    """Whether queries come with a gate of their own width (Qwen3-Next)."""
    return any(
        re.search(r"attn_q\.weight|q_proj\.weight", each.name) and each.shape[0] == 2 * width
        for each in parameters
    )


def latent_of(mixer: LatentAttention) -> Latent:
    """The numbers of latent attention."""
    ranks = [
        each.shape[0] for each in mixer.parameters
        if re.search(r"q_a_proj\.weight|attn_q_a\.weight", each.name)
    ]  # fmt: skip
    return Latent(
        mixer.heads, mixer.latent, mixer.rope, mixer.nope, mixer.v_dim, ranks[0] if ranks else 0,
        getattr(mixer, "index_dim", 0),
    )  # fmt: skip


def dense_of(feed: Dense) -> DenseShape:
    """The shape of a dense network."""
    return DenseShape(feed.intermediate, feed.gated, _fused(feed.parameters))


def _fused(parameters: tuple[Parameter, ...]) -> bool:
    return any(
        re.search(FUSED_GATE, each.name) and each.role != "expert" and len(each.shape) == 2
        for each in parameters
    )


def experts_of(feed: MixtureOfExperts, family: str) -> ExpertsShape:
    """The shape of a mixture of experts."""
    names = names_of(feed.parameters)
    shared = None
    if feed.shared_intermediate:
        shared = DenseShape(feed.shared_intermediate, gated=True)
    return ExpertsShape(
        feed.experts,
        feed.top_k,
        feed.intermediate,
        shared=shared,
        shared_gate=re.search(r"shared_expert_gate|gate_inp_shexp", names) is not None,
        biased=re.search(r"e_score_correction_bias|exp_probs_b", names) is not None,
        softmax_after=family == "gpt_oss",
        weighs_first=family.startswith("llama4"),
        normalised=family not in {"llama4", "llama4_text", "gpt_oss", "deepseek_v2"},
    )
