"""BERT with rotary positions: Nomic Embed (arXiv:2402.01613) and Jina Embeddings v3
(arXiv:2409.10173), in their files' spelling: fused q, k and v."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Layer, Model
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import Parameters, Shape, embedding, linear, norm, plain_mlp
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.bidirectional import BidirectionalAttention


def read_nomic(config: Config) -> Model:
    """NomicBertModel: no biases, a gated feed-forward, no pooler."""
    shape = Shape(config)
    width = config.integer("feed-forward width", "intermediate_size", "n_inner")
    feed_forward = Dense(
        (
            *linear("mlp.fc11", width, shape.hidden),
            *linear("mlp.fc12", width, shape.hidden),
            *linear("mlp.fc2", shape.hidden, width),
        ),
        width,
        gated=True,
    )
    return _encoder(config, shape, "attn", feed_forward, types=2, bias=False)


def read_jina(config: Config) -> Model:
    """JinaEmbeddingsV3Model without its adapters: biases and a pooler."""
    shape = Shape(config)
    width = config.integer("feed-forward width", "intermediate_size")
    feed_forward = plain_mlp("mlp.fc1", "mlp.fc2", shape.hidden, width)
    pooler = linear("pooler.dense", shape.hidden, shape.hidden, bias=True)
    return _encoder(config, shape, "mixer", feed_forward, types=1, bias=True, pooler=pooler)


def _encoder(
    config: Config,
    shape: Shape,
    mixer: str,
    feed_forward: Dense,
    *,
    types: int,
    bias: bool,
    pooler: Parameters = (),
) -> Model:
    architecture = architecture_of(config)
    if architecture and not architecture.endswith("Model"):
        raise config.refuse("architectures", "has a head that this family does not have")
    hidden, inner = shape.hidden, shape.heads * shape.head_dim
    types = config.integer("token types", "type_vocab_size", default=types)
    attention = BidirectionalAttention(
        (
            *linear(f"{mixer}.Wqkv", 3 * inner, hidden, bias=bias),
            *linear(f"{mixer}.out_proj", hidden, inner, bias=bias),
        ),
        shape.heads,
        shape.head_dim,
    )
    norms = (*norm("norm1", hidden, bias=True), *norm("norm2", hidden, bias=True))
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=hidden,
        vocab=shape.vocab,
        layers=(Layer(attention, feed_forward, norms),) * shape.layers,
        outer=(
            *embedding("embeddings.word_embeddings", shape.vocab, hidden),
            *embedding("embeddings.token_type_embeddings", types, hidden),
            *norm("emb_ln", hidden, bias=True),
            *pooler,
        ),
        tied=False,
        dtype=config.dtype() or "",
        layer_prefix="encoder.layers.",
        generates=False,
        max_positions=config.optional_integer(
            "longest sequence", "max_position_embeddings", "n_positions", high=POSITIONS
        ),
        rotary_width=shape.head_dim,
    )
