"""StableLM 3B, 2 1.6B and 12B: LayerNorm with bias; per-head norms in the 12B."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Parameters,
    Shape,
    embedding,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
    norm,
    two_norms,
)


def read(config: Config) -> Model:
    """StableLmForCausalLM; side by side, attention and feed-forward share one norm."""
    shape = Shape(config)
    hidden = shape.hidden
    bias = config.boolean("q, k, v bias", "use_qkv_bias", default=False)
    normed = config.boolean("query and key norms", "qk_layernorm", default=False)
    together = config.boolean("side by side", "use_parallel_residual", default=False)
    extra = _head_norms(shape) if normed else ()
    return decoder(
        config,
        shape,
        mixers={None: grouped_query_attention(shape, bias=bias, extra=extra)},
        feed_forward=gated_mlp(hidden, intermediate_size(config)),
        norms=norm("input_layernorm", hidden, bias=True)
        if together
        else two_norms(hidden, bias=True),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, hidden),
            *norm("model.norm", hidden, bias=True),
        ),
    )


def _head_norms(shape: Shape) -> Parameters:
    """A norm of its own for each head."""
    return tuple(
        each
        for name, heads in (("q", shape.heads), ("k", shape.kv_heads))
        for head in range(heads)
        for each in norm(f"self_attn.{name}_layernorm.norms.{head}", shape.head_dim)
    )
