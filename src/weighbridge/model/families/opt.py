"""OPT (arXiv:2205.01068): learned positions, biases; the 350M embeds in half of its width."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    attention,
    embedding,
    linear,
    norm,
    plain_mlp,
)

UNUSED_POSITIONS = 2


def read(config: Config) -> Model:
    """OPTForCausalLM."""
    shape = Shape(config)
    hidden = shape.hidden
    bias = config.boolean("biases", "enable_bias", default=True)
    if not config.boolean("trained norms", "layer_norm_elementwise_affine", default=True):
        raise config.refuse(
            "layer_norm_elementwise_affine", "is a form that no OPT was released in"
        )
    names = ("k_proj", "v_proj", "q_proj", "out_proj")
    projections = tuple(
        each for name in names for each in linear(f"self_attn.{name}", hidden, hidden, bias=bias)
    )
    width = config.integer("feed-forward width", "ffn_dim")
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=plain_mlp("fc1", "fc2", hidden, width, bias=bias),
        norms=(
            *norm("self_attn_layer_norm", hidden, bias=True),
            *norm("final_layer_norm", hidden, bias=True),
        ),
        tied=True,
        layer_prefix="model.decoder.layers.",
        outer=_outer(config, shape),
    )


def _outer(config: Config, shape: Shape) -> Parameters:
    """Embeddings, their projections where they are narrower, and the last norm."""
    hidden, name = shape.hidden, "model.decoder."
    inner = config.integer("embedding width", "word_embed_proj_dim", default=hidden)
    positions = config.integer(
        "longest sequence", "max_position_embeddings", default=2048, high=POSITIONS
    )
    before = config.boolean("norm before", "do_layer_norm_before", default=True)
    removed = config.boolean("last norm removed", "_remove_final_layer_norm", default=False)
    last = norm(f"{name}final_layer_norm", hidden, bias=True)
    return (
        *embedding(f"{name}embed_tokens", shape.vocab, inner),
        *embedding(f"{name}embed_positions", positions + UNUSED_POSITIONS, hidden),
        *(linear(f"{name}project_out", inner, hidden) if inner != hidden else ()),
        *(linear(f"{name}project_in", hidden, inner) if inner != hidden else ()),
        *(last if before and not removed else ()),
    )
