"""ModernBERT (arXiv:2412.13663): every third layer sees everything, the others a local window."""

from __future__ import annotations

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.families.decoder import architecture_of
from weighbridge.model.families.parts import Parameters, Shape, embedding, linear, norm
from weighbridge.model.families.windows import Windows, by_layer_types
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.bidirectional import BidirectionalAttention


def read(config: Config) -> Model:
    """ModernBertModel and ModernBertForMaskedLM; the first layer has no norm before attention."""
    architecture = architecture_of(config) or "ModernBertModel"
    shape = Shape(config)
    prefix = "" if architecture == "ModernBertModel" else "model."
    bias = config.boolean("norm bias", "norm_bias", default=False)
    name = f"{prefix}embeddings."
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=shape.hidden,
        vocab=shape.vocab,
        layers=_layers(config, shape, bias=bias),
        outer=(
            *embedding(f"{name}tok_embeddings", shape.vocab, shape.hidden),
            *norm(f"{name}norm", shape.hidden, bias=bias),
            *norm(f"{prefix}final_norm", shape.hidden, bias=bias),
            *_head(config, architecture, shape, bias=bias),
        ),
        tied=architecture.endswith("ForMaskedLM"),
        dtype=config.dtype() or "",
        layer_prefix=f"{prefix}layers.",
        generates=False,
        max_positions=config.optional_integer(
            "longest sequence", "max_position_embeddings", default=8192, high=POSITIONS
        ),
        rotary_width=shape.head_dim,
    )


def _layers(config: Config, shape: Shape, *, bias: bool) -> tuple[Layer, ...]:
    """One object for equal layers."""
    hidden, width = shape.hidden, config.integer("feed-forward width", "intermediate_size")
    attention_bias = config.boolean("attention bias", "attention_bias", default=False)
    mlp_bias = config.boolean("feed-forward bias", "mlp_bias", default=False)
    projections = (
        *linear("attn.Wqkv", 3 * hidden, hidden, bias=attention_bias),
        *linear("attn.Wo", hidden, hidden, bias=attention_bias),
    )
    feed = Dense(
        (
            *linear("mlp.Wi", 2 * width, hidden, bias=mlp_bias),
            *linear("mlp.Wo", hidden, width, bias=mlp_bias),
        ),
        width,
        gated=True,
    )
    before = norm("attn_norm", hidden, bias=bias)
    after = norm("mlp_norm", hidden, bias=bias)
    made: dict[tuple[int | None, bool], Layer] = {}
    layers = []
    for index, window in enumerate(_windows(config, shape.layers)):
        key = (window, index == 0)
        if key not in made:
            mixer = BidirectionalAttention(projections, shape.heads, shape.head_dim, window)
            made[key] = Layer(mixer, feed, after if index == 0 else (*before, *after))
        layers.append(made[key])
    return tuple(layers)


def _windows(config: Config, layers: int) -> Windows:
    window = config.integer("window", "local_attention", default=128, high=POSITIONS)
    period = config.integer("window period", "global_attn_every_n_layers", default=3)
    return by_layer_types(config, layers, window) or tuple(
        window if index % period else None for index in range(layers)
    )


def _head(config: Config, architecture: str, shape: Shape, *, bias: bool) -> Parameters:
    if architecture == "ModernBertModel":
        return ()
    if architecture != "ModernBertForMaskedLM":
        raise config.refuse("architectures", "has a head that this family does not have")
    dense = config.boolean("head bias", "classifier_bias", default=False)
    decoder_bias = config.boolean("decoder bias", "decoder_bias", default=True)
    return (
        *linear("head.dense", shape.hidden, shape.hidden, bias=dense),
        *norm("head.norm", shape.hidden, bias=bias),
        *((Parameter("decoder.bias", (shape.vocab,), "bias"),) if decoder_bias else ()),
    )
