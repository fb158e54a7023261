"""GLM-4.1V and GLM-4.6V-Flash: GLM-4's layers beside a vision transformer
(transformers, modeling_glm4v.py)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model, Parameter, Tower
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
    two_norms,
)
from weighbridge.model.families.qwen_vit import VisionShape
from weighbridge.model.feed_forward import Dense


def read(config: Config) -> Model:
    """Glm4vForConditionalGeneration and Glm46VForConditionalGeneration."""
    model = within(_text(text_section(config)))
    vision = vision_section(config)
    tower = Tower("vision", _tower(vision, "model.visual."))
    note = "an image costs a token for every 28 × 28 pixels"
    return with_towers(model, config, tower, notes=(note,))


def _text(config: Config) -> Model:
    shape = Shape(config)
    width = intermediate_size(config)
    bias = config.boolean("attention bias", "attention_bias", default=True)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias)},
        feed_forward=Dense(
            (
                *linear("mlp.gate_up_proj", 2 * width, shape.hidden),
                *linear("mlp.down_proj", shape.hidden, width),
            ),
            width,
            gated=True,
        ),
        norms=(
            *two_norms(shape.hidden),
            *norm("post_self_attn_layernorm", shape.hidden),
            *norm("post_mlp_layernorm", shape.hidden),
        ),
    )


def _tower(config: Config, prefix: str) -> Parameters:
    """Glm4vVisionModel: no biases in attention, feed-forwards as wide as the text model."""
    shape = VisionShape(config, width=("hidden_size", 1536), patch=14, depth=24)
    width = shape.width
    out = config.integer("projected width", "out_hidden_size", default=4096)
    inner = config.integer("merger width", "intermediate_size", default=13696)
    bias = config.boolean("vision attention bias", "attention_bias", default=False)
    side = image_size(config, "image size", "image_size", 336) // shape.patch
    merge = config.integer("patches merged", "spatial_merge_size", default=2)
    down = Parameter(f"{prefix}downsample.weight", (out, width, merge, merge), "other")
    return (
        *shape.convolution(f"{prefix}patch_embed.proj", bias=True),
        *embedding(f"{prefix}embeddings.position_embedding", side**2, width),
        *repeated(shape.layers, _block(f"{prefix}blocks.{LAYER}.", width, out, bias=bias)),
        *linear(f"{prefix}merger.proj", out, out),
        *norm(f"{prefix}merger.post_projection_norm", out, bias=True),
        *gated_mlp(out, inner, prefix=f"{prefix}merger.").parameters,
        *norm(f"{prefix}post_conv_layernorm", width),
        down,
        Parameter(f"{prefix}downsample.bias", (out,), "bias"),
        *norm(f"{prefix}post_layernorm", width),
    )


def _block(prefix: str, width: int, inner: int, *, bias: bool) -> Parameters:
    return (
        *norm(f"{prefix}norm1", width),
        *norm(f"{prefix}norm2", width),
        *linear(f"{prefix}attn.qkv", 3 * width, width, bias=bias),
        *linear(f"{prefix}attn.proj", width, width),
        *gated_mlp(width, inner, prefix=f"{prefix}mlp.").parameters,
    )
