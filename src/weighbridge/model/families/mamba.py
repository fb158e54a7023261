"""Mamba (arXiv:2312.00752), Falcon Mamba (arXiv:2410.05355) and Mamba-2 (arXiv:2405.21060)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import Size, frame
from weighbridge.model.families.parts import Parameters, linear, norm
from weighbridge.model.feed_forward import NoFeedForward
from weighbridge.model.mixers.mamba import Mamba
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.units import ceil_div


def read_mamba(config: Config) -> Model:
    """MambaForCausalLM and FalconMambaForCausalLM, whose norms of B, C and dt have no weights."""
    size = Size(config)
    inner = config.integer(
        "inner channels",
        "intermediate_size",
        default=size.hidden * config.integer("expansion", "expand", default=2),
    )
    return _frame(config, size, mamba(config, size.hidden, inner, prefix="mixer."))


def read_mamba2(config: Config) -> Model:
    """Mamba2ForCausalLM."""
    size = Size(config)
    mixer = mamba2(
        size.hidden,
        heads=config.integer("heads", "num_heads", default=128, high=COUNT),
        head_dim=config.integer("head dim", "head_dim", default=64),
        groups=config.integer("groups", "n_groups", default=8, high=COUNT),
        state_size=config.integer("state size", "state_size", default=128),
        kernel=config.integer("convolution", "conv_kernel", default=4, high=COUNT),
        bias=config.boolean("projection bias", "use_bias", default=False),
        conv_bias=config.boolean("convolution bias", "use_conv_bias", default=True),
        prefix="mixer.",
    )
    return _frame(config, size, mixer, tied=False)


def _frame(config: Config, size: Size, mixer: Mamba | Mamba2, *, tied: bool = True) -> Model:
    layer = Layer(mixer, NoFeedForward(), norm("norm", size.hidden))
    return frame(
        config,
        size,
        (layer,) * size.layers,
        tied=tied,
        prefix="backbone.",
        embedding_name="embeddings",
        norm_name="norm_f",
    )


def mamba(
    config: Config, hidden: int, inner: int, *, prefix: str, keys: str = "", normed: bool = False
) -> Mamba:
    """Mamba's projections; ``keys`` is the prefix of its config keys (``mamba_`` in Jamba), and
    ``normed`` says that dt, B and C have norms with weights."""
    state = config.integer("state size", f"{keys}d_state", "state_size", default=16)
    kernel = config.integer("convolution", f"{keys}d_conv", "conv_kernel", default=4, high=COUNT)
    bias = config.boolean("projection bias", f"{keys}proj_bias", "use_bias", default=False)
    rank = time_step_rank(config, hidden, f"{keys}dt_rank", "time_step_rank")
    conv_bias = config.boolean(
        "convolution bias", f"{keys}conv_bias", "use_conv_bias", default=True
    )
    norms = (
        (
            *norm(f"{prefix}dt_layernorm", rank),
            *norm(f"{prefix}b_layernorm", state),
            *norm(f"{prefix}c_layernorm", state),
        )
        if normed
        else ()
    )
    parameters = (
        Parameter(f"{prefix}A_log", (inner, state), "other"),
        Parameter(f"{prefix}D", (inner,), "other"),
        *convolution(f"{prefix}conv1d", inner, kernel, bias=conv_bias),
        *linear(f"{prefix}in_proj", 2 * inner, hidden, bias=bias),
        *linear(f"{prefix}x_proj", rank + 2 * state, inner),
        *linear(f"{prefix}dt_proj", inner, rank, bias=True),
        *linear(f"{prefix}out_proj", hidden, inner, bias=bias),
        *norms,
    )
    return Mamba(parameters, inner, state, kernel)


def time_step_rank(config: Config, hidden: int, *keys: str) -> int:
    """Width of the time step's projection; ``auto`` is a sixteenth of the hidden size."""
    automatic = ceil_div(hidden, 16)
    if any(config.raw.get(key) == "auto" for key in keys):
        return automatic
    return config.integer("time step rank", *keys, default=automatic)


def convolution(name: str, channels: int, kernel: int, *, bias: bool) -> Parameters:
    """A causal depthwise convolution: weight (channels, 1, kernel) and, if it has one, a bias."""
    weight = Parameter(f"{name}.weight", (channels, 1, kernel), "other")
    return (weight, Parameter(f"{name}.bias", (channels,), "bias")) if bias else (weight,)


def mamba2(
    hidden: int,
    *,
    heads: int,
    head_dim: int,
    groups: int,
    state_size: int,
    kernel: int,
    prefix: str,
    bias: bool = False,
    out_bias: bool | None = None,
    conv_bias: bool = True,
    normed: bool = True,
) -> Mamba2:
    """Mamba-2's projections; ``normed`` is the gated norm before the output, and ``out_bias`` is
    ``bias`` where it is not given."""
    inner = heads * head_dim
    channels = inner + 2 * groups * state_size
    parameters = (
        Parameter(f"{prefix}dt_bias", (heads,), "other"),
        Parameter(f"{prefix}A_log", (heads,), "other"),
        Parameter(f"{prefix}D", (heads,), "other"),
        *convolution(f"{prefix}conv1d", channels, kernel, bias=conv_bias),
        *linear(f"{prefix}in_proj", inner + channels + heads, hidden, bias=bias),
        *(norm(f"{prefix}norm", inner) if normed else ()),
        *linear(f"{prefix}out_proj", hidden, inner, bias=bias if out_bias is None else out_bias),
    )
    return Mamba2(parameters, heads, head_dim, groups, state_size, kernel)
