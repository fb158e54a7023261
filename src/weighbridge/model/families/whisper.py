"""Whisper (arXiv:2212.04356): an audio encoder of 1,500 positions and a text decoder."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Layer, Model, Parameter, Tower
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    embedding,
    linear,
    norm,
    plain_mlp,
    repeated,
)
from weighbridge.model.mixers.encoder_decoder import EncoderDecoderAttention

KERNEL = 3


def read(config: Config) -> Model:
    """WhisperForConditionalGeneration; its head ``proj_out`` is the decoder's embedding."""
    if architecture_of(config) not in {"", "WhisperForConditionalGeneration"}:
        raise config.refuse("architectures", "is a form of Whisper that this family does not have")
    hidden = config.integer("hidden size", "d_model")
    vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
    heads = config.integer("query heads", "decoder_attention_heads", high=COUNT)
    if hidden % heads:
        raise config.refuse("decoder_attention_heads", f"does not divide d_model = {hidden}")
    width = config.integer("feed-forward width", "decoder_ffn_dim")
    heard = config.integer("audio positions", "max_source_positions", default=1500, high=POSITIONS)
    written = config.integer(
        "longest sequence", "max_target_positions", default=448, high=POSITIONS
    )
    layer = Layer(
        EncoderDecoderAttention(
            (*_attention("self_attn", hidden), *_attention("encoder_attn", hidden)),
            heads,
            hidden // heads,
        ),
        plain_mlp("fc1", "fc2", hidden, width),
        tuple(
            each
            for name in ("self_attn", "encoder_attn", "final")
            for each in norm(f"{name}_layer_norm", hidden, bias=True)
        ),
    )
    decoder = "model.decoder."
    return Model(
        id=config.where,
        family="",
        architecture="WhisperForConditionalGeneration",
        hidden=hidden,
        vocab=vocab,
        layers=(layer,) * config.integer("layers", "decoder_layers", high=LAYERS),
        outer=(
            *embedding(f"{decoder}embed_tokens", vocab, hidden),
            *embedding(f"{decoder}embed_positions", written, hidden),
            *norm(f"{decoder}layer_norm", hidden, bias=True),
        ),
        tied=True,
        dtype=config.dtype() or "",
        layer_prefix=f"{decoder}layers.",
        towers=(Tower("audio encoder", _encoder(config, hidden, heard)),),
        max_positions=written,
        encoder_tokens=heard,
    )


def _encoder(config: Config, hidden: int, positions: int) -> Parameters:
    """Two convolutions over the spectrogram, positions, layers and the last norm."""
    bins = config.integer("mel bins", "num_mel_bins", default=80)
    width = config.integer("encoder feed-forward", "encoder_ffn_dim")
    layers = config.integer("encoder layers", "encoder_layers", high=LAYERS)
    name = "model.encoder."
    return (
        Parameter(f"{name}conv1.weight", (hidden, bins, KERNEL), "other"),
        Parameter(f"{name}conv1.bias", (hidden,), "bias"),
        Parameter(f"{name}conv2.weight", (hidden, hidden, KERNEL), "other"),
        Parameter(f"{name}conv2.bias", (hidden,), "bias"),
        *embedding(f"{name}embed_positions", positions, hidden),
        *repeated(layers, _encoder_layer(f"{name}layers.{LAYER}.", hidden, width)),
        *norm(f"{name}layer_norm", hidden, bias=True),
    )


def _encoder_layer(prefix: str, hidden: int, width: int) -> Parameters:
    return (
        *_attention(f"{prefix}self_attn", hidden),
        *norm(f"{prefix}self_attn_layer_norm", hidden, bias=True),
        *plain_mlp(f"{prefix}fc1", f"{prefix}fc2", hidden, width).parameters,
        *norm(f"{prefix}final_layer_norm", hidden, bias=True),
    )


def _attention(name: str, hidden: int) -> Parameters:
    """Projections with biases but for the keys'."""
    return (
        *linear(f"{name}.k_proj", hidden, hidden),
        *linear(f"{name}.v_proj", hidden, hidden, bias=True),
        *linear(f"{name}.q_proj", hidden, hidden, bias=True),
        *linear(f"{name}.out_proj", hidden, hidden, bias=True),
    )
