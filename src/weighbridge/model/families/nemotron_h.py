"""Nemotron-H (arXiv:2504.03624) and Nemotron 3: every layer is Mamba-2, attention, a plain
feed-forward or experts, each alone behind one norm."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.hybrid import KINDS, Size, frame, listed_kinds, stack
from weighbridge.model.families.mamba import mamba2
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.feed_forward import Dense, MixtureOfExperts, NoFeedForward
from weighbridge.model.mixers.mamba2 import Mamba2
from weighbridge.model.mixers.nothing import NoMixing

PATTERN = {"M": "recurrent", "*": "full", "-": "dense", "E": "experts"}


def read(config: Config) -> Model:
    """NemotronHForCausalLM; attention without rotary positions."""
    kinds = _kinds(config)
    size = Size(config, layers=len(kinds))
    before = norm("norm", size.hidden)

    def make(kind: str) -> Layer:
        if kind == "dense":
            return Layer(NoMixing(), _plain(config, size.hidden), before)
        if kind == "experts":
            return Layer(NoMixing(), _experts(config, size.hidden), before)
        if kind == "recurrent":
            return Layer(_mamba2(config, size.hidden), NoFeedForward(), before)
        shape = Shape(config, head_dim=128)
        bias = config.boolean("attention bias", "attention_bias", default=False)
        attends = grouped_query_attention(shape, bias=bias, out_bias=bias, prefix="mixer.")
        return Layer(attends, NoFeedForward(), before)

    return frame(
        config,
        size,
        stack(kinds, make),
        prefix="backbone.",
        embedding_name="embeddings",
        norm_name="norm_f",
    )


def _kinds(config: Config) -> tuple[str, ...]:
    """From the list of names, or from the pattern of letters that older configs have."""
    listed = listed_kinds(config, KINDS.values(), "layers_block_type", "layer_types")
    if listed is not None:
        return listed
    pattern = config.text("layer pattern", "hybrid_override_pattern")
    if not pattern or set(pattern) - set(PATTERN):
        raise config.refuse(
            "hybrid_override_pattern", f"is no pattern of {' '.join(PATTERN)}, so no layer is known"
        )
    return tuple(PATTERN[letter] for letter in pattern)


def _mamba2(config: Config, hidden: int) -> Mamba2:
    return mamba2(
        hidden,
        heads=config.integer("mamba heads", "mamba_num_heads", default=128, high=COUNT),
        head_dim=config.integer("mamba head dim", "mamba_head_dim", default=64),
        groups=config.integer("groups", "n_groups", "mamba_n_groups", default=8, high=COUNT),
        state_size=config.integer("state size", "ssm_state_size", default=128),
        kernel=config.integer("convolution", "conv_kernel", "mamba_d_conv", default=4, high=COUNT),
        prefix="mixer.",
        bias=config.boolean("mamba bias", "use_bias", "mamba_proj_bias", default=False),
        conv_bias=config.boolean(
            "convolution bias", "use_conv_bias", "mamba_conv_bias", default=True
        ),
    )


def _plain(config: Config, hidden: int) -> Dense:
    width, bias = intermediate_size(config), config.boolean("mlp bias", "mlp_bias", default=False)
    return Dense(_up_and_down("mixer", hidden, width, bias=bias), width, gated=False)


def _up_and_down(name: str, hidden: int, width: int, *, bias: bool) -> Parameters:
    return (
        *linear(f"{name}.up_proj", width, hidden, bias=bias),
        *linear(f"{name}.down_proj", hidden, width, bias=bias),
    )


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    """Plain experts, in a latent of ``moe_latent_size`` where one is set (Super and Ultra)."""
    count = config.integer("experts", "n_routed_experts", default=8, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=7688)
    shared = config.integer("shared width", "moe_shared_expert_intermediate_size", default=7688)
    latent = config.optional_integer("expert latent", "moe_latent_size", default=None, low=1)
    bias = config.boolean("mlp bias", "mlp_bias", default=False)
    inside = latent or hidden
    projections = (
        (
            *linear("mixer.fc1_latent_proj", inside, hidden, bias=bias),
            *linear("mixer.fc2_latent_proj", hidden, inside, bias=bias),
        )
        if latent
        else ()
    )
    name = "mixer.experts.{expert}"
    return MixtureOfExperts(
        (
            *linear("mixer.gate", count, hidden, role="router"),
            Parameter(f"{name}.up_proj.weight", (width, inside), "expert", count),
            Parameter(f"{name}.down_proj.weight", (inside, width), "expert", count),
            *_up_and_down("mixer.shared_experts", hidden, shared, bias=bias),
            *projections,
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=2, high=count),
        intermediate=width,
        shared_intermediate=shared,
    )
