"""Muse Glimmer and Muse Spark: gated attention, three sliding layers to each full one, a vision
tower, and in Spark experts of a smaller width (transformers, modeling_muse_spark.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import FeedForward, Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.gemma import four_norms
from weighbridge.model.families.muse_towers import audio_tower, vision_tower
from weighbridge.model.families.nested import text_section, vision_section, with_towers, within
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.windows import Windows, by_layer_types, window_size
from weighbridge.model.feed_forward import MixtureOfExperts

NOTE = "an image costs a token for every 28 × 28 pixels"


def read_glimmer(config: Config) -> Model:
    """MuseGlimmerForConditionalGeneration."""
    text = text_section(config)
    hidden = text.integer("hidden size", "hidden_size")
    feed_forward = gated_mlp(hidden, intermediate_size(text))
    model = within(_text(text, feed_forward, four_norms(hidden)))
    tower = Tower("vision", vision_tower(config, vision_section(config), model.hidden))
    return with_towers(model, config, tower, notes=(NOTE,))


def read_spark(config: Config) -> Model:
    """MuseSparkForConditionalGeneration: sparse in every layer, with gates on the residuals."""
    text = text_section(config)
    hidden = text.integer("hidden size", "hidden_size")
    norms = (
        *norm("input_layernorm", hidden),
        *norm("pre_feedforward_layernorm", hidden),
        *norm("post_feedforward_layernorm", hidden),
        Parameter("post_attention_residual_gate.gate", (hidden,), "other"),
        Parameter("post_feedforward_residual_gate.gate", (hidden,), "other"),
    )
    model = within(_text(text, _experts(text, hidden), norms))
    audio = config.section("audio_config") or Config({}, config.where, config.answers)
    return with_towers(
        model,
        config,
        Tower("vision", vision_tower(config, vision_section(config), model.hidden)),
        Tower("audio", audio_tower(audio)),
        notes=(NOTE,),
    )


def _text(config: Config, feed_forward: FeedForward, norms: Parameters) -> Model:
    shape = Shape(config, head_dim=128)
    windows = _windows(config, shape.layers)
    gate = linear("self_attn.gate_proj", shape.heads * shape.head_dim, shape.hidden)
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, window=each, extra=gate) for each in set(windows)
        },
        windows=windows,
        feed_forward=feed_forward,
        norms=norms,
        softcapped=config.raw.get("final_logit_softcapping", 20.0) is not None,
    )


def _windows(config: Config, layers: int) -> Windows:
    """Counted from the last layer, every fourth is full."""
    window = window_size(config, 2048)
    counted = tuple(None if (layers - 1 - each) % 4 == 0 else window for each in range(layers))
    return by_layer_types(config, layers, window) or counted


def _experts(config: Config, hidden: int) -> MixtureOfExperts:
    count = config.integer("experts", "num_local_experts", "num_experts", default=256, high=COUNT)
    width = config.integer("expert width", "moe_intermediate_size", default=4096)
    inside = config.integer("experts' input width", "moe_hidden_size", default=4096)
    return MixtureOfExperts(
        (
            *linear("mlp.gate", count, hidden, role="router"),
            *linear("mlp.pre_expert_proj", inside, hidden),
            *norm("mlp.pre_expert_norm", inside),
            Parameter("mlp.experts.gate_up_proj", (count, 2 * width, inside), "expert"),
            Parameter("mlp.experts.down_proj", (count, inside, width), "expert"),
            *norm("mlp.experts.post_expert_norm", inside),
            *linear("mlp.post_expert_proj", hidden, inside),
        ),
        experts=count,
        top_k=config.integer("experts per token", "num_experts_per_tok", default=8, high=count),
        intermediate=width,
    )
