"""dots3-note's text model: latent attention with an indexer in full layers, with a wider latent and
a window in sliding ones, and a gate on each head (transformers, modeling_dots3_note.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, Config
from weighbridge.model.facts import Mixer, Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.deepseek_v32 import chosen_keys, indexer
from weighbridge.model.families.parts import Parameters, gated_mlp, intermediate_size, linear, norm
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed
from weighbridge.model.mixers.sparse import SlidingLatentAttention, SparseLatentAttention


def read(config: Config) -> Model:
    """Dots3NoteForCausalLM."""
    shape = LatentShape(config)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=1536)
    shared = config.integer(
        "shared expert width",
        "shared_experts_intermediate_size",
        "moe_shared_expert_intermediate_size",
        default=width,
    )
    kinds = _kinds(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={
            "indexed_attention": _indexed(config, shape),
            "sliding_attention": _sliding(config),
        },
        windows=kinds,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared),
            config.integer(
                "first dense layers", "first_k_dense_replace", default=1, low=0, high=LAYERS
            ),
        ),
    )


def _kinds(config: Config, layers: int) -> tuple[str, ...]:
    """Two full layers, then three sliding ones to each full one; ``full_attention`` is an older
    name of ``indexed_attention``."""
    listed = config.names("layer types", "layer_types")
    if listed is None:
        return tuple(
            "indexed_attention" if index < 2 or index % 4 == 1 else "sliding_attention"
            for index in range(layers)
        )
    named = tuple("indexed_attention" if x == "full_attention" else x for x in listed)
    if len(named) < layers or set(named) - {"indexed_attention", "sliding_attention"}:
        raise config.refuse("layer_types", f"does not name {layers} indexed or sliding layers")
    return named[:layers]


def _gated(shape: LatentShape) -> Parameters:
    return (
        *norm("self_attn.k_rope_only_layernorm", shape.rope),
        *linear("self_attn.g_proj", shape.heads, shape.hidden),
    )


def _indexed(config: Config, shape: LatentShape) -> Mixer:
    width = config.integer("index head dim", "index_head_dim", default=128)
    plain = latent_attention(config, shape)
    extra = indexer(config, shape.hidden, shape.q_rank or shape.hidden, width)
    return SparseLatentAttention(
        (*plain.parameters, *_gated(shape), *extra),
        shape.heads,
        shape.latent,
        shape.rope,
        shape.nope,
        shape.v_dim,
        index_dim=width,
        index_heads=config.integer("index heads", "index_n_heads", default=64),
        top_k=chosen_keys(config),
    )


def _sliding(config: Config) -> Mixer:
    shape = LatentShape(config)
    shape.heads = config.integer("sliding heads", "swa_num_attention_heads", default=64, high=COUNT)
    shape.q_rank = config.integer("sliding query rank", "swa_q_lora_rank", default=1024)
    shape.latent = config.integer("sliding latent", "swa_kv_lora_rank", default=1024)
    head = config.integer("sliding head dim", "swa_head_dim", default=256)
    shape.nope = config.integer("sliding plain key", "swa_qk_nope_head_dim", default=192)
    shape.v_dim = config.integer("sliding value head dim", "swa_v_head_dim", default=128)
    shape.rope = config.integer(
        "sliding rotary key", "swa_qk_rope_head_dim", default=head - shape.nope
    )
    window = config.integer(
        "sliding window", "sliding_window", "sliding_window_size", default=512, high=POSITIONS
    )
    plain = latent_attention(config, shape)
    return SlidingLatentAttention(
        (*plain.parameters, *_gated(shape)),
        shape.heads,
        shape.latent,
        shape.rope,
        shape.nope,
        shape.v_dim,
        window=window,
    )
