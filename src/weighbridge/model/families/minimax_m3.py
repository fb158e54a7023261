"""MiniMax-M3: sparse attention with an indexer after three full layers, beside a vision tower
(transformers, modeling_minimax_m3_vl.py; tensors as it names them)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, Config
from weighbridge.model.facts import FeedForward, Mixer, Model, Parameter, Tower
from weighbridge.model.families.clip import clip_layer
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import (
    text_section,
    under,
    vision_section,
    with_towers,
)
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    Shape,
    linear,
    norm,
    query_key_norm_attention,
    repeated,
)
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.sparse import SparseAttention


def read(config: Config) -> Model:
    """MiniMaxM3SparseForConditionalGeneration."""
    model = under(_text(text_section(config)))
    vision = vision_section(config)
    tower = Tower("vision", _tower(config, vision, model.hidden))
    note = "an image costs a token for every 28 × 28 pixels"
    return with_towers(model, config, tower, notes=(note,))


def _text(config: Config) -> Model:
    shape = Shape(config, head_dim=128)
    sparse = config.section("sparse_attention_config") or config
    kinds = _kinds(config, sparse, shape.layers)
    return decoder(
        config,
        shape,
        mixers={
            "full_attention": query_key_norm_attention(shape),
            "minimax_m3_sparse": _sparse(sparse, shape),
        },
        windows=kinds,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            _fused(
                shape.hidden,
                config.integer("dense width", "dense_intermediate_size", default=12288),
            ),
            _experts(config, shape.hidden),
            0,
        ),
    )


def _kinds(config: Config, sparse: Config, layers: int) -> tuple[str, ...]:
    listed = config.names("layer types", "layer_types")
    if listed is None:
        numbers = sparse.integers("sparse layers", "sparse_attention_freq") or (0,) * layers
        listed = tuple("minimax_m3_sparse" if each else "full_attention" for each in numbers)
    if len(listed) < layers or set(listed) - {"minimax_m3_sparse", "full_attention"}:
        raise config.refuse("layer_types", f"does not name {layers} full or sparse layers")
    return listed[:layers]


def _sparse(config: Config, shape: Shape) -> Mixer:
    heads = config.integer(
        "index heads", "index_n_heads", "sparse_num_index_heads", default=4, high=COUNT
    )
    width = config.integer("index head dim", "index_head_dim", "sparse_index_dim", default=128)
    parameters = (
        *query_key_norm_attention(shape).parameters,
        *linear("self_attn.indexer.q_proj", heads * width, shape.hidden),
        *linear("self_attn.indexer.k_proj", width, shape.hidden),
        *norm("self_attn.indexer.q_norm", width),
        *norm("self_attn.indexer.k_norm", width),
    )
    geometry = (shape.heads, shape.kv_heads, shape.head_dim, shape.head_dim)
    block = config.integer("index block", "index_block_size", "sparse_block_size", default=128)
    blocks = config.integer("chosen blocks", "index_topk_blocks", "sparse_topk_blocks", default=16)
    return SparseAttention(
        parameters, *geometry, index_dim=width, index_heads=heads, top_k=block * blocks
    )


def _fused(hidden: int, width: int, prefix: str = "mlp.") -> Dense:
    return Dense(
        (
            *linear(f"{prefix}gate_up_proj", 2 * width, hidden),
            *linear(f"{prefix}down_proj", hidden, width),
        ),
        width,
        gated=True,
    )


def _experts(config: Config, hidden: int) -> FeedForward:
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", "intermediate_size")
    each = config.integer("shared expert width", "shared_intermediate_size", default=width)
    shared = shared_width(config, each, 1)
    return routed(
        hidden,
        width,
        count,
        top_k,
        extra=_fused(hidden, shared, "mlp.shared_experts.").parameters if shared else (),
    )


def _tower(config: Config, vision: Config, text_hidden: int) -> Parameters:
    width = vision.integer("vision width", "hidden_size", default=1280)
    inner = vision.integer("vision feed-forward", "intermediate_size", default=5120)
    layers = vision.integer("vision layers", "num_hidden_layers", default=32, high=LAYERS)
    patch = vision.integer("patch size", "patch_size", default=14)
    frames = vision.integer("frames together", "temporal_patch_size", default=2)
    merged = vision.integer("patches merged", "spatial_merge_size", default=2) ** 2
    between = config.integer("projector width", "projector_hidden_size", default=6144)
    name = "multi_modal_projector"
    shape = (width, 3, frames, patch, patch)
    return (
        Parameter("vision_tower.embeddings.proj.weight", shape, "other"),
        *norm("vision_tower.pre_layrnorm", width, bias=True),
        *repeated(layers, clip_layer(f"vision_tower.layers.{LAYER}.", width, inner)),
        *linear(f"{name}.linear_1", between, width, bias=True),
        *linear(f"{name}.linear_2", text_hidden, between, bias=True),
        *linear(f"{name}.merge_linear_1", between, text_hidden * merged, bias=True),
        *linear(f"{name}.merge_linear_2", text_hidden, between, bias=True),
    )
