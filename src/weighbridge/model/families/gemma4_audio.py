"""The audio tower of Gemma 4's E models: a conformer behind two strided convolutions
(transformers, modeling_gemma4.py)."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, Config
from weighbridge.model.facts import Parameter
from weighbridge.model.families.parts import LAYER, Parameters, linear, norm, repeated

PREFIX = "model.audio_tower."
BINS = 128  # mel bins that the feature extractor makes; each convolution halves them


def audio_tower(config: Config, text_hidden: int) -> Parameters:
    """Gemma4AudioModel and the projection into the text model."""
    width = config.integer("audio width", "hidden_size", default=1024)
    layers = config.integer("audio layers", "num_hidden_layers", default=12, high=LAYERS)
    out = config.integer("audio output", "output_proj_dims", default=1536)
    channels = config.integers("audio channels", "subsampling_conv_channels") or (128, 32)
    if len(channels) != 2:
        raise config.refuse("subsampling_conv_channels", "does not name two convolutions")
    first, second = channels
    convolved = f"{PREFIX}subsample_conv_projection."
    return (
        Parameter(f"{convolved}layer0.conv.weight", (first, 1, 3, 3), "other"),
        *norm(f"{convolved}layer0.norm", first),
        Parameter(f"{convolved}layer1.conv.weight", (second, first, 3, 3), "other"),
        *norm(f"{convolved}layer1.norm", second),
        *linear(f"{convolved}input_proj_linear", width, second * BINS // 4),
        *repeated(layers, _layer(config, width)),
        *linear(f"{PREFIX}output_proj", out, width, bias=True),
        *linear("model.embed_audio.embedding_projection", text_hidden, out),
    )


def _layer(config: Config, width: int) -> Parameters:
    heads = config.integer("audio heads", "num_attention_heads", default=8)
    kernel = config.integer("audio kernel", "conv_kernel_size", default=5)
    prefix = f"{PREFIX}layers.{LAYER}."
    return (
        *_feed_forward(f"{prefix}feed_forward1.", width),
        *_feed_forward(f"{prefix}feed_forward2.", width),
        Parameter(f"{prefix}self_attn.per_dim_scale", (width // heads,), "other"),
        *(
            parameter
            for name in ("q_proj", "k_proj", "v_proj", "post")
            for parameter in linear(f"{prefix}self_attn.{name}.linear", width, width)
        ),
        *linear(f"{prefix}self_attn.relative_k_proj", width, width),
        *linear(f"{prefix}lconv1d.linear_start.linear", 2 * width, width),
        *linear(f"{prefix}lconv1d.linear_end.linear", width, width),
        Parameter(f"{prefix}lconv1d.depthwise_conv1d.weight", (width, 1, kernel), "other"),
        *norm(f"{prefix}lconv1d.pre_layer_norm", width),
        *norm(f"{prefix}lconv1d.conv_norm", width),
        *norm(f"{prefix}norm_pre_attn", width),
        *norm(f"{prefix}norm_post_attn", width),
        *norm(f"{prefix}norm_out", width),
    )


def _feed_forward(prefix: str, width: int) -> Parameters:
    return (
        *linear(f"{prefix}ffw_layer_1.linear", 4 * width, width),
        *linear(f"{prefix}ffw_layer_2.linear", width, 4 * width),
        *norm(f"{prefix}pre_layer_norm", width),
        *norm(f"{prefix}post_layer_norm", width),
    )
