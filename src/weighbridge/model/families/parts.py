"""Pieces that several families are made of: named tensors by their PyTorch shapes."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, VOCABULARY, Config
from weighbridge.model.facts import Parameter, Role
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.sliding import SlidingAttention
from weighbridge.records import replace

Parameters = tuple[Parameter, ...]


def linear(
    name: str, out: int, into: int, *, bias: bool = False, role: Role = "linear"
) -> Parameters:
    """A linear layer: weight (out, into) and, if it has one, its bias (out,)."""
    weight = Parameter(f"{name}.weight", (out, into), role)
    return (weight, Parameter(f"{name}.bias", (out,), "bias")) if bias else (weight,)


def norm(name: str, width: int, *, bias: bool = False) -> Parameters:
    """A normalisation: its weight (width,) and, for LayerNorm, its bias."""
    weight = Parameter(f"{name}.weight", (width,), "norm")
    return (weight, Parameter(f"{name}.bias", (width,), "norm")) if bias else (weight,)


def embedding(name: str, rows: int, width: int) -> Parameters:
    """An embedding table (rows, width)."""
    return (Parameter(f"{name}.weight", (rows, width), "embedding"),)


def head(vocab: int, hidden: int, *, tied: bool, bias: bool = False) -> Parameters:
    """The output head (vocab, hidden); nothing of its own where it is tied to the embedding."""
    return () if tied else linear("lm_head", vocab, hidden, bias=bias, role="head")


def gated_mlp(hidden: int, intermediate: int, *, prefix: str = "mlp.", bias: bool = False) -> Dense:
    """The gated feed-forward of Llama: gate, up and down (Shazeer, arXiv:2002.05202)."""
    return Dense(
        (
            *linear(f"{prefix}gate_proj", intermediate, hidden, bias=bias),
            *linear(f"{prefix}up_proj", intermediate, hidden, bias=bias),
            *linear(f"{prefix}down_proj", hidden, intermediate, bias=bias),
        ),
        intermediate,
        gated=True,
    )


def plain_mlp(up: str, down: str, hidden: int, intermediate: int, *, bias: bool = True) -> Dense:
    """The feed-forward of the first transformers: one linear layer in, one out."""
    return Dense(
        (
            *linear(up, intermediate, hidden, bias=bias),
            *linear(down, hidden, intermediate, bias=bias),
        ),
        intermediate,
        gated=False,
    )


def experts(name: str, hidden: int, intermediate: int, count: int) -> Parameters:
    """Gated experts as checkpoints name them; ``name`` holds ``{expert}``."""
    return (
        Parameter(f"{name}.gate_proj.weight", (intermediate, hidden), "expert", count),
        Parameter(f"{name}.up_proj.weight", (intermediate, hidden), "expert", count),
        Parameter(f"{name}.down_proj.weight", (hidden, intermediate), "expert", count),
    )


LAYER = "{layer}"


def repeated(count: int, layer: Parameters) -> Parameters:
    """``count`` equal layers of a tower as one, whose names hold :data:`LAYER` for the place."""
    return tuple(replace(each, copies=each.copies * count) for each in layer) if count else ()


class Shape:
    """The numbers that almost every decoder's config states, under their many names."""

    def __init__(self, config: Config, *, head_dim: int | None = None) -> None:
        """Read them; ``head_dim`` is the family's class default where the key is absent."""
        self.hidden = config.integer("hidden size", "hidden_size", "n_embd", "d_model")
        self.layers = config.integer(
            "layers", "num_hidden_layers", "n_layer", "n_layers", "num_layers", high=LAYERS
        )
        self.heads = config.integer(
            "query heads", "num_attention_heads", "n_head", "n_heads", "num_heads", high=COUNT
        )
        self.kv_heads = config.integer(
            "KV heads", "num_key_value_heads", default=self.heads, high=COUNT
        )
        self.head_dim = self._head_dim(config, head_dim)
        self.vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
        if self.heads % self.kv_heads:
            raise config.refuse(
                "num_key_value_heads", f"does not divide the {self.heads} query heads"
            )

    def _head_dim(self, config: Config, default: int | None) -> int:
        if default is None:
            default = self.hidden // self.heads
            stated = config.raw.get("head_dim") is not None
            if not stated and self.hidden % self.heads:
                raise config.refuse(
                    "hidden_size",
                    f"is no multiple of the {self.heads} heads, and head_dim is absent",
                )
        return config.integer("head dim", "head_dim", default=default)


def grouped_query_attention(
    shape: Shape,
    *,
    bias: bool = False,
    out_bias: bool = False,
    window: int | None = None,
    extra: Parameters = (),
    prefix: str = "self_attn.",
) -> FullAttention | SlidingAttention:
    """Attention with separate q, k, v and o projections, sliding where ``window`` is given."""
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    parameters = (
        *linear(f"{prefix}q_proj", queries, shape.hidden, bias=bias),
        *linear(f"{prefix}k_proj", keys, shape.hidden, bias=bias),
        *linear(f"{prefix}v_proj", keys, shape.hidden, bias=bias),
        *linear(f"{prefix}o_proj", shape.hidden, queries, bias=out_bias),
        *extra,
    )
    return attention(parameters, shape, window)


def query_key_norm_attention(
    shape: Shape, *, bias: bool = False, window: int | None = None
) -> FullAttention | SlidingAttention:
    """Attention with a norm over each head's queries and keys (Qwen3, Gemma 3)."""
    norms = (
        *norm("self_attn.q_norm", shape.head_dim),
        *norm("self_attn.k_norm", shape.head_dim),
    )
    return grouped_query_attention(shape, bias=bias, out_bias=bias, window=window, extra=norms)


def attention(
    parameters: Parameters, shape: Shape, window: int | None
) -> FullAttention | SlidingAttention:
    """Full attention, or sliding where ``window`` is given, over these projections."""
    geometry = (shape.heads, shape.kv_heads, shape.head_dim, shape.head_dim)
    if window is None:
        return FullAttention(parameters, *geometry)
    return SlidingAttention(parameters, *geometry, window)


def two_norms(hidden: int, *, bias: bool = False) -> Parameters:
    """The norms before attention and before the feed-forward."""
    return (
        *norm("input_layernorm", hidden, bias=bias),
        *norm("post_attention_layernorm", hidden, bias=bias),
    )


def intermediate_size(config: Config, *more_keys: str) -> int:
    """The feed-forward's width."""
    return config.integer("feed-forward width", "intermediate_size", *more_keys)
