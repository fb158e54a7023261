"""RWKV-7 "Goose" (arXiv:2503.14456) in the form of flash-linear-attention: time mixing, channel
mixing, and low-rank corrections of decay, learning rate, value and gate (fla/models/rwkv7)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, frame
from weighbridge.model.families.parts import Parameters, linear, norm
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.rwkv7 import TimeMixing
from weighbridge.units import ceil_div


def read(config: Config) -> Model:
    """RWKV7ForCausalLM; only the first layer has no mixed value, and a norm of the embedding."""
    size = Size(config)
    _check(config, size)
    bias = config.boolean("norm bias", "norm_bias", default=True)
    first = config.boolean("norm first", "norm_first", default=True)
    channels = _channel_mixing(config, size.hidden)
    norms = (
        *norm("attn_norm", size.hidden, bias=bias),
        *norm("ffn_norm", size.hidden, bias=bias),
    )
    before = norm("pre_norm", size.hidden, bias=bias) if first else ()
    opening = Layer(_time_mixing(config, size.hidden, first=True), channels, (*before, *norms))
    later = Layer(_time_mixing(config, size.hidden, first=False), channels, norms)
    last = (Parameter("norm.bias", (size.hidden,), "norm"),) if bias else ()
    return frame(
        config,
        size,
        (opening, *(later,) * (size.layers - 1)),
        embedding_name="embeddings",
        extra=last,
    )


def _check(config: Config, size: Size) -> None:
    values = config.raw.get("value_dim")
    widths = values if isinstance(values, list) else [values]
    if any(width not in {None, size.hidden} for width in widths):
        raise config.refuse("value_dim", "is not the hidden size, and its tensors are not known")
    if config.raw.get("attn") is not None:
        raise config.refuse("attn", "puts attention in some layers, which is not known")


def _time_mixing(config: Config, hidden: int, *, first: bool) -> TimeMixing:
    head_dim = config.integer("head dim", "head_dim", default=64)
    if hidden % head_dim:
        raise config.refuse("head_dim", f"does not divide the hidden size {hidden}")
    heads = hidden // head_dim
    if config.integer("heads", "num_heads", default=heads, high=COUNT) != heads:
        raise config.refuse("num_heads", f"is not the hidden size by the head dim, {heads}")
    decay = config.integer("decay rank", "decay_low_rank_dim")
    gate = config.integer("gate rank", "gate_low_rank_dim")
    rate = config.integer("learning rate rank", "a_low_rank_dim")
    value = config.integer("value rank", "v_low_rank_dim")
    name = "attn."
    mixed = (Parameter(f"{name}x_{x}", (1, 1, hidden), "other") for x in "rwkvag")
    parameters: Parameters = (
        *mixed,
        Parameter(f"{name}k_k", (hidden,), "other"),
        Parameter(f"{name}k_a", (hidden,), "other"),
        Parameter(f"{name}r_k", (heads, head_dim), "other"),
        *linear(f"{name}r_proj", hidden, hidden),
        *linear(f"{name}k_proj", hidden, hidden),
        *linear(f"{name}v_proj", hidden, hidden),
        *linear(f"{name}o_proj", hidden, hidden),
        *_low_rank(f"{name}w_lora", hidden, decay),
        *(() if first else _low_rank(f"{name}v_lora", hidden, value)),
        *_low_rank(f"{name}a_lora", hidden, rate),
        *_low_rank(f"{name}g_lora", hidden, gate, bias=False),
        *norm(f"{name}g_norm", hidden, bias=True),
    )
    return TimeMixing(parameters, heads, head_dim)


def _low_rank(name: str, hidden: int, rank: int, *, bias: bool = True) -> Parameters:
    return (
        *linear(f"{name}.lora.0", rank, hidden),
        *linear(f"{name}.lora.2", hidden, rank, bias=bias),
    )


def _channel_mixing(config: Config, hidden: int) -> Dense:
    ratio = config.raw.get("hidden_ratio") or 4
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < 100:
        raise config.refuse("hidden_ratio", "is no factor")
    rounded = 32 * ceil_div(int(hidden * ratio), 32)
    width = config.integer("intermediate size", "intermediate_size", default=rounded)
    return Dense(
        (
            Parameter("ffn.x_k", (hidden,), "other"),
            *linear("ffn.key", width, hidden),
            *linear("ffn.value", hidden, width),
        ),
        width,
        gated=False,
    )
