"""ERNIE 4.5 VL: text and images each have experts of their own in every sparse layer
(transformers, modeling_ernie4_5_vl_moe.py; tensors as it names them)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import text_section, vision_section, with_towers, within
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
    repeated,
)
from weighbridge.model.families.qwen_vit import VisionShape, block
from weighbridge.model.families.routed import by_mlp_types
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.records import record

IMAGES = "mlp.vision_moe."


@record
class MixturesByModality(MixtureOfExperts):
    """Routed experts for text, others for images, and shared ones for both."""

    @property
    def active_elements(self) -> int:
        """What a text token passes through: nothing of the images' experts and router."""
        own = [p for p in self.parameters if not p.name.startswith(IMAGES)]
        visited = sum(p.elements for p in own if p.role == "expert") * self.top_k // self.experts
        return visited + sum(p.elements for p in own if p.role != "expert")


def read(config: Config) -> Model:
    """Ernie4_5_VLMoeForConditionalGeneration."""
    model = within(_text(text_section(config)))
    vision = vision_section(config)
    tower = Tower("vision", _tower(vision, model.hidden))
    note = "an image costs a token for every 28 × 28 pixels"
    return with_towers(model, config, tower, notes=(note,))


def _text(config: Config) -> Model:
    shape = Shape(config)
    bias = config.boolean("biases", "use_bias", default=False)
    dense = gated_mlp(shape.hidden, intermediate_size(config), bias=bias)
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, out_bias=bias)},
        feed_forward=by_mlp_types(config, shape.layers, dense, _experts(config, shape.hidden), 1),
        tied=True,
    )


def _experts(config: Config, hidden: int) -> MixturesByModality:
    count = config.integer("experts", "moe_num_experts", default=64, high=COUNT)
    widths = config.integers("expert widths", "moe_intermediate_size") or (1536, 512)
    shared = config.optional_integer("shared experts", "moe_num_shared_experts", default=2) or 0
    if len(widths) != 2:
        raise config.refuse("moe_intermediate_size", "is not one width for text and one for images")
    together = gated_mlp(hidden, shared * widths[0], prefix="mlp.shared_experts.").parameters
    return MixturesByModality(
        (
            *_routed("mlp.text_moe.", count, hidden, widths[0]),
            *_routed(IMAGES, count, hidden, widths[1]),
            *(together if shared else ()),
        ),
        experts=count,
        top_k=config.integer("experts per token", "moe_k", default=6, high=count),
        intermediate=widths[0],
        shared_intermediate=shared * widths[0],
    )


def _routed(prefix: str, count: int, hidden: int, width: int) -> Parameters:
    return (
        *linear(f"{prefix}gate", count, hidden, role="router"),
        Parameter(f"{prefix}gate.moe_statics.e_score_correction_bias", (1, count), "other"),
        Parameter(f"{prefix}experts.gate_up_proj", (count, 2 * width, hidden), "expert"),
        Parameter(f"{prefix}experts.down_proj", (count, hidden, width), "expert"),
    )


def _tower(config: Config, text_hidden: int) -> Parameters:
    """Ernie4_5_VLMoeVisionTransformer and the resampler over space and time."""
    shape = VisionShape(config, width=("hidden_size", 1280), patch=14, depth=32)
    width = shape.width
    inner = config.integer("vision feed-forward", "intermediate_size", default=5120)
    frames = config.integer("frames merged", "temporal_merge_size", default=2)
    merged = shape.merged * width
    prefix, resampler = "model.vision_tower.", "model.resampler_model."
    return (
        *linear(f"{prefix}patch_embed.proj", width, 3 * shape.patch**2),
        *repeated(
            shape.layers,
            (
                *block(f"{prefix}blocks.{LAYER}.", width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.fc1", inner, width, bias=True),
                *linear(f"{prefix}blocks.{LAYER}.mlp.fc2", width, inner, bias=True),
            ),
        ),
        *norm(f"{prefix}ln", width, bias=True),
        *_merge(f"{resampler}spatial_linear.", merged, merged),
        *_merge(f"{resampler}temporal_linear.", merged, merged * frames),
        *linear(f"{resampler}mlp", text_hidden, merged, bias=True),
        *norm(f"{resampler}after_norm", text_hidden),
    )


def _merge(prefix: str, width: int, into: int) -> Parameters:
    return (
        *linear(f"{prefix}fc1", width, into, bias=True),
        *linear(f"{prefix}fc2", width, width, bias=True),
        *norm(f"{prefix}ln", width, bias=True),
    )
