"""GLM-5.3-Flash: three layers of Kimi delta attention to one of indexed latent attention, joined by
hyper-connections over several residual streams, beside a vision tower."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import FeedForward, Layer, Mixer, Model, Parameter, Tower
from weighbridge.model.families.glm5_next_vision import vision_tower
from weighbridge.model.families.hybrid import Size, every_nth, frame, nested, stack
from weighbridge.model.families.kimi_linear import kimi_delta
from weighbridge.model.families.moe import mixture
from weighbridge.model.families.parts import (
    Parameters,
    gated_mlp,
    intermediate_size,
    linear,
    norm,
    two_norms,
)
from weighbridge.model.mixers.pooled_index import PooledIndexAttention

NAMES = {
    "linear_attention": "delta",
    "indexed_attention": "indexed",
    "full_attention": "indexed",
}


def read(config: Config) -> Model:
    """Glm5NextForConditionalGeneration."""
    text = config.section("text_config") or config
    model = _read_text(text)
    vision = config.section("vision_config")
    towers = () if vision is None else (Tower("vision", vision_tower(vision, "model.visual.")),)
    return nested(config, model, renamed={"model.": "model.language_model."}, towers=towers)


def _read_text(config: Config) -> Model:
    size = Size(config)
    mixers: dict[str, Mixer] = {
        "delta": _delta(config, size.hidden),
        "indexed": _indexed(config, size.hidden),
    }
    feeds = _feeds(config, size.hidden)
    norms = (*two_norms(size.hidden), *_hyper_connections(config, size.hidden))
    layers = stack(
        zip(_kinds(config, size.layers), _sparse(config, size.layers), strict=True),
        lambda kind: Layer(mixers[kind[0]], feeds[kind[1]], norms),
    )
    return frame(config, size, layers)


def _kinds(config: Config, layers: int) -> tuple[str, ...]:
    indexers = config.names("indexers", "indexer_types")
    if indexers is not None and set(indexers) != {"full"}:
        raise config.refuse("indexer_types", "shares indexers, which no known checkpoint does")
    names = config.names("layer types", "layer_types")
    if names is None:
        return every_nth(layers, 4, 3, "indexed", "delta")
    if len(names) != layers or set(names) - set(NAMES):
        raise config.refuse("layer_types", f"does not name {layers} layers of {sorted(NAMES)}")
    return tuple(NAMES[name] for name in names)


def _sparse(config: Config, layers: int) -> tuple[str, ...]:
    names = config.names("feed-forward kinds", "mlp_layer_types")
    if names is None:
        return tuple("dense" if index < 3 else "sparse" for index in range(layers))
    if len(names) != layers or set(names) - {"dense", "sparse"}:
        raise config.refuse("mlp_layer_types", f"does not say dense or sparse {layers} times")
    return names


def _feeds(config: Config, hidden: int) -> dict[str, FeedForward]:
    width = config.integer("expert width", "moe_intermediate_size")
    shared = width * config.integer("shared experts", "n_shared_experts", default=1, low=0)
    return {
        "dense": gated_mlp(hidden, intermediate_size(config)),
        "sparse": mixture(config, hidden, shared=shared, shared_name="mlp.shared_experts"),
    }


def _hyper_connections(config: Config, hidden: int) -> Parameters:
    """Weights that mix the residual streams before and after each half of a layer."""
    streams = config.integer("residual streams", "hc_mult", default=4, high=COUNT)
    mixed = (2 + streams) * streams
    return tuple(
        parameter
        for half in ("attn", "ffn")
        for parameter in (
            Parameter(f"hc_{half}_fn", (mixed, streams * hidden), "other"),
            Parameter(f"hc_{half}_base", (mixed,), "other"),
            Parameter(f"hc_{half}_scale", (3,), "other"),
        )
    )


def _delta(config: Config, hidden: int) -> Mixer:
    inner = config.section("linear_attn_config") or config
    heads = inner.integer("KDA heads", "num_heads", "linear_num_heads", default=64, high=COUNT)
    dim = inner.integer("KDA head dim", "linear_head_dim", default=128)
    if inner is not config:
        dim = inner.integer("KDA head dim", "head_dim", default=dim)
    kernel = inner.integer(
        "convolution", "short_conv_kernel_size", "linear_conv_kernel_dim", default=4, high=LAYERS
    )
    return kimi_delta(
        heads,
        dim,
        kernel,
        hidden=hidden,
        forget_rank=dim,
        gate_rank=dim,
        decay_shape=(heads,),
    )


def _indexed(config: Config, hidden: int) -> PooledIndexAttention:
    heads = config.integer("query heads", "num_attention_heads", high=COUNT)
    latent = config.integer("KV latent", "kv_lora_rank", default=512)
    rank = config.integer("query rank", "q_lora_rank", default=1536)
    rope = config.integer("rotary key", "qk_rope_head_dim", default=0, low=0)
    nope = config.integer("plain key", "qk_nope_head_dim", default=256)
    v_dim = config.integer("value head dim", "v_head_dim", default=256)
    dim = config.integer("index head dim", "index_head_dim", default=128)
    index_heads = config.integer("index heads", "index_n_heads", default=32, high=COUNT)
    pool = config.integer("index pool", "index_kpool", default=16, high=VOCABULARY)
    top_k = config.integer("chosen keys", "index_topk", default=2048, high=POSITIONS)
    name, index = "self_attn.", "self_attn.indexer."
    parameters = (
        *linear(f"{name}q_a_proj", rank, hidden),
        *norm(f"{name}q_a_layernorm", rank),
        *linear(f"{name}q_b_proj", heads * (nope + rope), rank),
        *linear(f"{name}kv_a_proj_with_mqa", latent + rope, hidden),
        *norm(f"{name}kv_a_layernorm", latent),
        *linear(f"{name}kv_b_proj", heads * (nope + v_dim), latent),
        *linear(f"{name}o_proj", hidden, heads * v_dim),
        Parameter(f"{index}index_kpool_compress_ape", (pool, dim), "other"),
        Parameter(f"{index}index_kpool_compress_gate", (dim, hidden), "other"),
        *linear(f"{index}wq_b", index_heads * dim, rank),
        *linear(f"{index}wk", dim, hidden),
        *norm(f"{index}k_norm", dim, bias=True),
        *linear(f"{index}weights_proj", index_heads, hidden),
    )
    geometry = (heads, latent, rope, nope, v_dim, dim)
    return PooledIndexAttention(parameters, *geometry, index_heads, top_k, pool)
