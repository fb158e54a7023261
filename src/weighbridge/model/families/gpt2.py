"""GPT-2: learned positions, LayerNorm with bias, one projection for q, k and v."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import Parameters, Shape, attention, embedding, norm
from weighbridge.model.feed_forward import Dense
from weighbridge.records import replace


def read(config: Config) -> Model:
    """GPT2LMHeadModel; its Conv1D weights are (in_features, out_features)."""
    shape = Shape(config)
    width = config.integer(
        "feed-forward width", "n_inner", "intermediate_size", default=4 * shape.hidden
    )
    positions = config.integer(
        "longest sequence",
        "n_positions",
        "max_position_embeddings",
        default=1024,
        high=POSITIONS,
    )
    model = decoder(
        config,
        shape,
        mixers={
            None: attention(
                (
                    *_conv1d("attn.c_attn", shape.hidden, 3 * shape.hidden),
                    *_conv1d("attn.c_proj", shape.hidden, shape.hidden),
                ),
                shape,
                None,
            )
        },
        feed_forward=Dense(
            (
                *_conv1d("mlp.c_fc", shape.hidden, width),
                *_conv1d("mlp.c_proj", width, shape.hidden),
            ),
            width,
            gated=False,
        ),
        norms=(
            *norm("ln_1", shape.hidden, bias=True),
            *norm("ln_2", shape.hidden, bias=True),
        ),
        tied=True,
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.wte", shape.vocab, shape.hidden),
            *embedding("transformer.wpe", positions, shape.hidden),
            *norm("transformer.ln_f", shape.hidden, bias=True),
        ),
    )
    return replace(model, max_positions=positions)


def _conv1d(name: str, into: int, out: int) -> Parameters:
    return (
        Parameter(f"{name}.weight", (into, out), "linear"),
        Parameter(f"{name}.bias", (out,), "bias"),
    )
