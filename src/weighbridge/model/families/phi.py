"""Phi-1 and Phi-2 (plain feed-forward, biases everywhere), Phi-3 and Phi-4 (fused projections)."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.families.windows import all_sliding, window_size
from weighbridge.model.feed_forward import Dense


def read_phi(config: Config) -> Model:
    """PhiForCausalLM: attention and feed-forward side by side behind one norm."""
    shape = Shape(config)
    width = config.integer("feed-forward width", "intermediate_size", default=4 * shape.hidden)
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    projections = (
        *linear("self_attn.q_proj", queries, shape.hidden, bias=True),
        *linear("self_attn.k_proj", keys, shape.hidden, bias=True),
        *linear("self_attn.v_proj", keys, shape.hidden, bias=True),
        *linear("self_attn.dense", shape.hidden, queries, bias=True),
    )
    feed_forward = Dense(
        (
            *linear("mlp.fc1", width, shape.hidden, bias=True),
            *linear("mlp.fc2", shape.hidden, width, bias=True),
        ),
        width,
        gated=False,
    )
    tied = config.boolean("tied head", "tie_word_embeddings", default=False)
    bias = () if tied else linear("lm_head", shape.vocab, shape.hidden, bias=True)[1:]
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=feed_forward,
        norms=norm("input_layernorm", shape.hidden, bias=True),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.final_layernorm", shape.hidden, bias=True),
            *bias,
        ),
    )


def read_phi3(config: Config) -> Model:
    """Phi3ForCausalLM: q, k, v in one projection, gate and up in another."""
    shape = Shape(config)
    width = intermediate_size(config)
    window = window_size(config, None)
    rows = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    projections = (
        *linear("self_attn.o_proj", shape.hidden, shape.heads * shape.head_dim),
        *linear("self_attn.qkv_proj", rows, shape.hidden),
    )
    feed_forward = Dense(
        (
            *linear("mlp.gate_up_proj", 2 * width, shape.hidden),
            *linear("mlp.down_proj", shape.hidden, width),
        ),
        width,
        gated=True,
    )
    return decoder(
        config,
        shape,
        mixers={window: attention(projections, shape, window)},
        feed_forward=feed_forward,
        windows=all_sliding(shape.layers, window),
    )
