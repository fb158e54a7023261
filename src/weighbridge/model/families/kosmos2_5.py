"""Kosmos-2.5: a text decoder behind Pix2Struct's encoder and a resampler to latents
(transformers, modeling_kosmos2_5.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, Config
from weighbridge.model.facts import Model, Parameter, Tower
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.nested import text_section, vision_section, with_towers
from weighbridge.model.families.parts import (
    LAYER,
    Parameters,
    Shape,
    attention,
    embedding,
    linear,
    norm,
    repeated,
)
from weighbridge.model.feed_forward import Dense

ATTENTION = ("k_proj", "v_proj", "q_proj", "out_proj")


def read(config: Config) -> Model:
    """Kosmos2_5ForConditionalGeneration."""
    model = _text(text_section(config))
    latents = config.integer("tokens per image", "latent_query_num", default=2048, high=POSITIONS)
    tower = _tower(vision_section(config), model.hidden, latents)
    note = f"an image costs {latents:,} tokens of context"
    return with_towers(model, config, Tower("vision", tower), notes=(note,))


def _text(config: Config) -> Model:
    names = {
        "embed_dim": "hidden_size",
        "layers": "num_hidden_layers",
        "attention_heads": "num_attention_heads",
    }
    defaults = {"hidden_size": 1536, "num_hidden_layers": 24, "num_attention_heads": 16}
    renamed = {names.get(key, key): value for key, value in config.raw.items()}
    config = Config({**defaults, **renamed}, config.where, config.answers)
    shape = Shape(config)
    hidden = shape.hidden
    width = config.integer("feed-forward width", "ffn_dim", default=6144)
    projections = tuple(
        parameter
        for name in ATTENTION
        for parameter in linear(f"self_attn.{name}", hidden, hidden, bias=True)
    )
    return decoder(
        config,
        shape,
        mixers={None: attention(projections, shape, None)},
        feed_forward=Dense(
            (
                *linear("ffn.fc1", width, hidden, bias=True),
                *linear("ffn.fc2", hidden, width, bias=True),
                *norm("ffn.ffn_layernorm", width, bias=True),
            ),
            width,
            gated=False,
        ),
        norms=(
            *norm("self_attn_layer_norm", hidden, bias=True),
            *norm("final_layer_norm", hidden, bias=True),
        ),
        outer=(
            *embedding("text_model.model.embed_tokens", shape.vocab, hidden),
            *embedding("text_model.model.segment_emb", 2, hidden),
            *norm("text_model.model.layer_norm", hidden, bias=True),
        ),
        layer_prefix="text_model.model.layers.",
        tied=True,
    )


def _tower(config: Config, text_hidden: int, latents: int) -> Parameters:
    width = config.integer("vision width", "hidden_size", default=1536)
    inner = config.integer("vision feed-forward", "intermediate_size", default=3968)
    layers = config.integer("vision layers", "num_hidden_layers", default=18, high=LAYERS)
    patch = config.integer("patch values", "patch_embed_hidden_size", default=768)
    rows = config.integer("patches", "max_num_patches", default=4096, high=COUNT)
    heads = config.integer("vision heads", "num_attention_heads", default=24)
    attending = heads * config.integer("vision head dim", "head_dim", default=64)
    prefix, resampler = "vision_model.", "image_to_text_projection."
    return (
        *linear(f"{prefix}embeddings.patch_projection", width, patch, bias=True),
        *embedding(f"{prefix}embeddings.row_embedder", rows, width),
        *embedding(f"{prefix}embeddings.column_embedder", rows, width),
        *repeated(layers, _layer(f"{prefix}encoder.layer.{LAYER}.", width, attending, inner)),
        *norm(f"{prefix}layernorm", width),
        Parameter(f"{resampler}latent_query", (latents, text_hidden), "other"),
        *linear(f"{resampler}dense", text_hidden, width, bias=True),
        *(
            parameter
            for name in ATTENTION
            for parameter in linear(
                f"{resampler}x_attn.{name}", text_hidden, text_hidden, bias=True
            )
        ),
    )


def _layer(prefix: str, width: int, attending: int, inner: int) -> Parameters:
    return (
        *(
            parameter
            for name in ("query", "key", "value")
            for parameter in linear(f"{prefix}attention.{name}", attending, width)
        ),
        *linear(f"{prefix}attention.output", width, attending),
        *linear(f"{prefix}mlp.wi_0", inner, width),
        *linear(f"{prefix}mlp.wi_1", inner, width),
        *linear(f"{prefix}mlp.wo", width, inner),
        *norm(f"{prefix}pre_mlp_layer_norm", width),
        *norm(f"{prefix}pre_attention_layer_norm", width),
    )
