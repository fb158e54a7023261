"""DeepSeek-V3.2 and GLM-5: latent attention over keys that an indexer picks (arXiv:2512.02556)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, POSITIONS, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.parts import Parameters, gated_mlp, intermediate_size, linear, norm
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width
from weighbridge.model.mixers.sparse import SparseLatentAttention


def read(config: Config) -> Model:
    """DeepseekV32ForCausalLM and GlmMoeDsaForCausalLM."""
    shape = LatentShape(config)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size")
    first = config.integer("first dense layers", "first_k_dense_replace", default=3, low=0)
    kinds = indexer_kinds(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={kind: sparse_latent(config, shape, owns=kind == "full") for kind in set(kinds)},
        windows=kinds,
        feed_forward=by_mlp_types(
            config,
            shape.layers,
            gated_mlp(shape.hidden, intermediate_size(config)),
            routed(shape.hidden, width, count, top_k, shared=shared_width(config, width, 1)),
            first,
        ),
    )


def indexer_kinds(config: Config, layers: int) -> tuple[str, ...]:
    """``full`` where a layer has an indexer, ``shared`` where an earlier layer's choice serves."""
    listed = config.names("indexers", "indexer_types") or ("full",) * layers
    if len(listed) < layers or set(listed) - {"full", "shared"}:
        raise config.refuse("indexer_types", f"does not name {layers} full or shared indexers")
    return listed[:layers]


def sparse_latent(config: Config, shape: LatentShape, *, owns: bool) -> SparseLatentAttention:
    """Latent attention with an indexer of its own, or with another layer's."""
    plain = latent_attention(config, shape)
    width = config.integer("index head dim", "index_head_dim", default=128)
    extra = indexer(config, shape.hidden, shape.q_rank or shape.hidden, width) if owns else ()
    return SparseLatentAttention(
        (*plain.parameters, *extra),
        shape.heads,
        shape.latent,
        shape.rope,
        shape.nope,
        shape.v_dim,
        index_dim=width if owns else 0,
        index_heads=config.integer("index heads", "index_n_heads", default=64) if owns else 0,
        top_k=chosen_keys(config),
    )


def chosen_keys(config: Config) -> int:
    """Keys that an indexer leaves to attend to."""
    return config.integer("chosen keys", "index_topk", default=2048, high=POSITIONS)


def indexer(config: Config, hidden: int, queries_from: int, width: int) -> Parameters:
    """The indexer's projections under their DeepSeek names."""
    heads = config.integer("index heads", "index_n_heads", high=COUNT)
    prefix = "self_attn.indexer."
    return (
        *linear(f"{prefix}wq_b", heads * width, queries_from),
        *linear(f"{prefix}wk", width, hidden),
        *norm(f"{prefix}k_norm", width, bias=True),
        *linear(f"{prefix}weights_proj", heads, hidden),
    )
