"""DeepSeek-V2, V3, R1 and those that keep their shape (Kimi-K2, Moonlight): latent attention,
first dense layers, fine-grained experts with shared ones (arXiv:2405.04434, arXiv:2412.19437)."""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.model.config import COUNT, LAYERS, VOCABULARY, Config
from weighbridge.model.facts import FeedForward, Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.moe import mixture, sparse_after
from weighbridge.model.families.parts import (
    Parameters,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
)
from weighbridge.model.mixers.mla import LatentAttention


class LatentShape:
    """The numbers of latent attention; ``q_rank`` is None where queries are not compressed."""

    def __init__(self, config: Config) -> None:
        self.hidden = config.integer("hidden size", "hidden_size")
        self.layers = config.integer("layers", "num_hidden_layers", high=LAYERS)
        self.heads = config.integer("query heads", "num_attention_heads", high=COUNT)
        self.vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
        self.latent = config.integer("KV latent", "kv_lora_rank")
        self.q_rank = config.optional_integer("query rank", "q_lora_rank", default=1536)
        self.rope = config.integer("rotary key", "qk_rope_head_dim")
        self.nope = config.integer("plain key", "qk_nope_head_dim")
        self.v_dim = config.integer("value head dim", "v_head_dim")
        self.head_dim = self.rope


def read(config: Config) -> Model:
    """DeepseekV2ForCausalLM and DeepseekV3ForCausalLM."""
    shape = LatentShape(config)
    shared = config.optional_integer("shared experts", "n_shared_experts", default=None) or 0
    dense = gated_mlp(shape.hidden, intermediate_size(config))
    feed_forward: FeedForward | Callable[[int], FeedForward] = dense
    if config.raw.get("n_routed_experts") is not None:
        width = config.integer("expert width", "moe_intermediate_size")
        sparse = mixture(
            config, shape.hidden, shared=shared * width, shared_name="mlp.shared_experts"
        )
        feed_forward = sparse_after(config, dense, sparse)
    return decoder(
        config, shape, mixers={None: latent_attention(config, shape)}, feed_forward=feed_forward
    )


def latent_attention(config: Config, shape: LatentShape) -> LatentAttention:
    """Projections of latent attention under their DeepSeek names."""
    bias = config.boolean("attention bias", "attention_bias", default=False)
    key = shape.nope + shape.rope
    parameters = (
        *_queries(shape, key, bias=bias),
        *linear("self_attn.kv_a_proj_with_mqa", shape.latent + shape.rope, shape.hidden, bias=bias),
        *norm("self_attn.kv_a_layernorm", shape.latent),
        *linear("self_attn.kv_b_proj", shape.heads * (shape.nope + shape.v_dim), shape.latent),
        *linear("self_attn.o_proj", shape.hidden, shape.heads * shape.v_dim, bias=bias),
    )
    return LatentAttention(
        parameters, shape.heads, shape.latent, shape.rope, shape.nope, shape.v_dim
    )


def _queries(shape: LatentShape, key: int, *, bias: bool) -> Parameters:
    if not shape.q_rank:
        return linear("self_attn.q_proj", shape.heads * key, shape.hidden)
    return (
        *linear("self_attn.q_a_proj", shape.q_rank, shape.hidden, bias=bias),
        *norm("self_attn.q_a_layernorm", shape.q_rank),
        *linear("self_attn.q_b_proj", shape.heads * key, shape.q_rank),
    )
