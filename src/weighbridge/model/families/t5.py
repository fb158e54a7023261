"""T5 (arXiv:1910.10683), T5 1.1 and Flan-T5: an encoder and a decoder that share one embedding."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, VOCABULARY, Config
from weighbridge.model.facts import Layer, Model, Parameter, Tower
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    embedding,
    head,
    linear,
    norm,
    plain_mlp,
    repeated,
)
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.encoder_decoder import EncoderDecoderAttention

ARCHITECTURES = ("", "T5ForConditionalGeneration", "T5WithLMHeadModel")


def read(config: Config) -> Model:
    """T5ForConditionalGeneration; version 1.1 says that its head is its own, and files hold it.

    Heads are ``d_kv`` wide, which need not be d_model / heads: T5-11B has 128 of 128 beside a
    hidden size of 1,024.
    """
    if architecture_of(config) not in ARCHITECTURES:
        raise config.refuse("architectures", "is a form of T5 that this family does not have")
    hidden = config.integer("hidden size", "d_model", "hidden_size")
    heads = config.integer("query heads", "num_heads", high=COUNT)
    size = config.integer("head dim", "d_kv", default=64)
    vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
    layers = config.integer("encoder layers", "num_layers", high=LAYERS)
    decoders = config.integer("layers", "num_decoder_layers", default=layers, high=LAYERS)
    tied = config.boolean("tied head", "tie_word_embeddings", default=True)
    buckets = config.integer("position buckets", "relative_attention_num_buckets", default=32)
    inner = heads * size
    return Model(
        id=config.where,
        family="",
        architecture="T5ForConditionalGeneration",
        hidden=hidden,
        vocab=vocab,
        layers=(_decoder_layer(config, hidden, heads, size),) * decoders,
        outer=(
            *embedding("shared", vocab, hidden),
            _position_biases("decoder", buckets, heads),
            *norm("decoder.final_layer_norm", hidden),
            *head(vocab, hidden, tied=tied),
        ),
        tied=tied,
        dtype=config.dtype() or "",
        layer_prefix="decoder.block.",
        towers=(
            Tower(
                "encoder",
                (
                    _position_biases("encoder", buckets, heads),
                    *_encoder(config, layers, hidden, inner),
                    *norm("encoder.final_layer_norm", hidden),
                ),
            ),
        ),
    )


def _position_biases(stack: str, buckets: int, heads: int) -> Parameter:
    """Learned biases by distance, which only the first layer of a stack holds."""
    name = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    return Parameter(name, (buckets, heads), "embedding")


def _encoder(config: Config, layers: int, hidden: int, inner: int) -> Parameters:
    block = f"encoder.block.{LAYER}.layer."
    return repeated(
        layers,
        (
            *_attention(f"{block}0.SelfAttention", hidden, inner),
            *norm(f"{block}0.layer_norm", hidden),
            *_feed_forward(config, f"{block}1.", hidden).parameters,
            *norm(f"{block}1.layer_norm", hidden),
        ),
    )


def _decoder_layer(config: Config, hidden: int, heads: int, size: int) -> Layer:
    projections = (
        *_attention("layer.0.SelfAttention", hidden, heads * size),
        *_attention("layer.1.EncDecAttention", hidden, heads * size),
    )
    return Layer(
        EncoderDecoderAttention(projections, heads, size),
        _feed_forward(config, "layer.2.", hidden),
        tuple(each for place in range(3) for each in norm(f"layer.{place}.layer_norm", hidden)),
    )


def _attention(name: str, hidden: int, inner: int) -> Parameters:
    return (
        *linear(f"{name}.q", inner, hidden),
        *linear(f"{name}.k", inner, hidden),
        *linear(f"{name}.v", inner, hidden),
        *linear(f"{name}.o", hidden, inner),
    )


def _feed_forward(config: Config, prefix: str, hidden: int) -> Dense:
    """Plain as in T5, or gated as in version 1.1 (``feed_forward_proj`` = gated-gelu)."""
    width = config.integer("feed-forward width", "d_ff")
    kind = config.text("feed-forward", "feed_forward_proj", default="relu") or "relu"
    name = f"{prefix}DenseReluDense."
    gated = config.boolean("gated", "is_gated_act", default=kind.startswith("gated-"))
    if not gated:
        return plain_mlp(f"{name}wi", f"{name}wo", hidden, width, bias=False)
    return Dense(
        (
            *linear(f"{name}wi_0", width, hidden),
            *linear(f"{name}wi_1", width, hidden),
            *linear(f"{name}wo", hidden, width),
        ),
        width,
        gated=True,
    )
