"""Step-3.7-Flash: sliding layers with more heads than full ones, gates on each head, and a vision
tower (transformers, modeling_step3p7.py; tensors as it names them)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import Mixer, Model, Parameter, Tower
from weighbridge.model.families.clip import clip_layer
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import (
    image_size,
    text_section,
    vision_section,
    with_towers,
    within,
)
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    Shape,
    embedding,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
    repeated,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed
from weighbridge.model.families.windows import all_sliding, by_layer_types, window_size


def read(config: Config) -> Model:
    """Step3p7ForConditionalGeneration."""
    text = text_section(config)
    model = within(_text(text))
    vision = vision_section(config)
    bias = config.boolean("projector bias", "projector_bias", default=False)
    tower = Tower("vision", _tower(vision, model.hidden, bias=bias))
    patch = vision.integer("patch size", "patch_size", default=14)
    tokens = (image_size(vision, "image size", "image_size", 728) // patch // 4) ** 2
    note = f"an image costs {tokens} tokens of context per tile"
    return with_towers(model, config, tower, notes=(note,))


def _text(config: Config) -> Model:
    shape = Shape(config, head_dim=128)
    window = window_size(config, None)
    windows = by_layer_types(config, shape.layers, window) or all_sliding(shape.layers, None)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=1280)
    shared = config.integer("shared expert width", "share_expert_dim", default=width)
    return decoder(
        config,
        shape,
        mixers={each: _mixer(config, each) for each in set(windows)},
        windows=windows,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared),
            config.integer(
                "first dense layers", "first_k_dense_replace", default=3, low=0, high=LAYERS
            ),
        ),
    )


def _mixer(config: Config, window: int | None) -> Mixer:
    """Attention with norms and gates on heads; sliding layers may have another number of heads."""
    shape = Shape(config, head_dim=128)
    if window is not None:
        other = config.section("attention_other_setting") or Config({}, config.where)
        heads = other.raw.get("num_attention_heads", shape.heads)
        shape.heads = config.integer(
            "sliding query heads", "num_sliding_attention_heads", default=heads, high=COUNT
        )
    extra = (
        *norm("self_attn.q_norm", shape.head_dim),
        *norm("self_attn.k_norm", shape.head_dim),
        *linear("self_attn.g_proj", shape.heads, shape.hidden),
    )
    return grouped_query_attention(shape, window=window, extra=extra)


def _tower(config: Config, text_hidden: int, *, bias: bool) -> Parameters:
    width = config.integer("vision width", "hidden_size", default=1536)
    ratio = config.raw.get("mlp_ratio", 8960 / 1536)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < 100:
        raise config.refuse("mlp_ratio", "is no ratio of widths")
    layers = config.integer("vision layers", "num_hidden_layers", default=47, high=LAYERS)
    patch = config.integer("patch size", "patch_size", default=14)
    side = image_size(config, "image size", "image_size", 728) // patch
    prefix = "model.vision_model."
    names = ("layernorm_before", "layernorm_after")
    return (
        Parameter(f"{prefix}embeddings.patch_embedding.weight", (width, 3, patch, patch), "other"),
        *embedding(f"{prefix}embeddings.position_embedding", side**2, width),
        *norm(f"{prefix}pre_layernorm", width, bias=True),
        *repeated(
            layers,
            (
                Parameter(f"{prefix}layers.{LAYER}.lambda_1", (width,), "other"),
                Parameter(f"{prefix}layers.{LAYER}.lambda_2", (width,), "other"),
                *clip_layer(f"{prefix}layers.{LAYER}.", width, round(width * ratio), names),
            ),
        ),
        *_halved(f"{prefix}downsampler1", width),
        *_halved(f"{prefix}downsampler2", 2 * width),
        *linear("model.multi_modal_projector", text_hidden, 4 * width, bias=bias),
    )


def _halved(name: str, width: int) -> Parameters:
    """A convolution that halves each side and doubles the width."""
    return (
        Parameter(f"{name}.weight", (2 * width, width, 3, 3), "other"),
        Parameter(f"{name}.bias", (2 * width,), "bias"),
    )
