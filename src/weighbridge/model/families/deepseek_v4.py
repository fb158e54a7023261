"""DeepSeek-V4: a window and compressed entries behind it, several residual streams, routed experts
in every layer (transformers, modeling_deepseek_v4.py; tensors as it names them)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import Parameters, embedding, linear, norm, two_norms
from weighbridge.model.families.routed import expert_numbers, routed, shared_width
from weighbridge.model.mixers.compressed import CompressedAttention

RATIOS = {
    "sliding_attention": 0,
    "compressed_sparse_attention": 4,
    "heavily_compressed_attention": 128,
}


class CompressedShape:
    """The numbers of DeepSeek-V4; ``streams`` are its residual streams."""

    def __init__(self, config: Config) -> None:
        self.hidden = config.integer("hidden size", "hidden_size")
        self.layers = config.integer("layers", "num_hidden_layers", high=LAYERS)
        self.vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
        self.heads = config.integer("query heads", "num_attention_heads", high=COUNT)
        self.head_dim = config.integer("head dim", "head_dim", default=512)
        self.q_rank = config.integer("query rank", "q_lora_rank", default=1024)
        self.o_rank = config.integer("output rank", "o_lora_rank", default=1024)
        self.o_groups = config.integer("output groups", "o_groups", default=8)
        self.window = config.integer("window", "sliding_window", default=128, high=POSITIONS)
        self.index_heads = config.integer("index heads", "index_n_heads", default=64, high=COUNT)
        self.index_dim = config.integer("index head dim", "index_head_dim", default=128)
        self.top_k = config.integer("chosen entries", "index_topk", default=512, high=POSITIONS)
        self.streams = config.integer("residual streams", "hc_mult", default=4)


def read(config: Config) -> Model:
    """DeepseekV4ForCausalLM."""
    shape = CompressedShape(config)
    ratios = _ratios(config, shape.layers)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size", default=2048)
    wide = shape.streams * shape.hidden
    return decoder(
        config,
        shape,
        mixers={ratio: _attention(shape, ratio) for ratio in set(ratios)},
        windows=ratios,
        feed_forward=routed(
            shape.hidden, width, count, top_k, shared=shared_width(config, width, 1)
        ),
        norms=(
            *two_norms(shape.hidden),
            *_connections("attn_hc", shape.streams, wide),
            *_connections("ffn_hc", shape.streams, wide),
        ),
        outer=(
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.norm", shape.hidden),
            Parameter("model.hc_head.hc_fn", (shape.streams, wide), "other"),
            Parameter("model.hc_head.hc_base", (shape.streams,), "other"),
            Parameter("model.hc_head.hc_scale", (1,), "other"),
        ),
    )


def _ratios(config: Config, layers: int) -> tuple[int, ...]:
    """Tokens per compressed entry for each layer; the list may go on to the MTP layer."""
    named = config.names("layer types", "layer_types")
    if named is not None and set(named) <= set(RATIOS):
        stated: tuple[int, ...] | None = tuple(RATIOS[each] for each in named)
    else:
        stated = config.integers("tokens per entry", "compress_ratios")
    if stated is None:
        raise config.refuse("compress_ratios", "is missing, so the cache cannot be known")
    if len(stated) < layers:
        raise config.refuse("compress_ratios", f"has {len(stated)} entries for {layers} layers")
    return stated[:layers]


def _attention(shape: CompressedShape, ratio: int) -> CompressedAttention:
    indexed = ratio == RATIOS["compressed_sparse_attention"]
    queries = shape.heads * shape.head_dim
    groups = shape.o_groups
    return CompressedAttention(
        (
            Parameter("self_attn.sinks", (shape.heads,), "other"),
            *linear("self_attn.q_a_proj", shape.q_rank, shape.hidden),
            *norm("self_attn.q_a_norm", shape.q_rank),
            *linear("self_attn.q_b_proj", queries, shape.q_rank),
            *linear("self_attn.kv_proj", shape.head_dim, shape.hidden),
            *norm("self_attn.kv_norm", shape.head_dim),
            *linear("self_attn.o_a_proj", groups * shape.o_rank, queries // groups),
            *linear("self_attn.o_b_proj", shape.hidden, groups * shape.o_rank),
            *_compressor(shape, ratio, indexed=indexed),
        ),
        shape.heads,
        shape.head_dim,
        shape.window,
        ratio,
        shape.index_dim if indexed else 0,
        shape.index_heads if indexed else 0,
        shape.top_k if indexed else None,
    )


def _compressor(shape: CompressedShape, ratio: int, *, indexed: bool) -> Parameters:
    """The gate and the projection that make an entry; with an indexer, entries overlap and are
    made of two halves."""
    if not ratio:
        return ()
    name = "self_attn.compressor"
    halves = 2 if indexed else 1
    own = _entries(name, ratio, halves * shape.head_dim, shape.hidden)
    if not indexed:
        return (*own, *norm(f"{name}.kv_norm", shape.head_dim))
    index = f"{name}.indexer"
    return (
        *own,
        *norm(f"{name}.kv_norm", shape.head_dim),
        *_entries(index, ratio, halves * shape.index_dim, shape.hidden),
        *norm(f"{index}.kv_norm", shape.index_dim),
        *linear(f"{index}.q_b_proj", shape.index_heads * shape.index_dim, shape.q_rank),
        *linear(f"{index}.scorer.weights_proj", shape.index_heads, shape.hidden),
    )


def _entries(name: str, ratio: int, width: int, hidden: int) -> Parameters:
    return (
        Parameter(f"{name}.position_bias", (ratio, width), "other"),
        *linear(f"{name}.kv_proj", width, hidden),
        *linear(f"{name}.gate_proj", width, hidden),
    )


def _connections(name: str, streams: int, wide: int) -> Parameters:
    """Hyper-connections (arXiv:2409.19606): how the streams are read, mixed and written."""
    rows = streams * (streams + 2)
    return (
        Parameter(f"{name}.fn", (rows, wide), "other"),
        Parameter(f"{name}.base", (rows,), "other"),
        Parameter(f"{name}.scale", (3,), "other"),
    )
