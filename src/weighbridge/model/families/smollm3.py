"""SmolLM3: Llama's shape, some layers without rotary positions, which may slide."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    grouped_query_attention,
    intermediate_size,
)
from weighbridge.model.families.windows import Windows, all_sliding, by_layer_types, window_size


def read(config: Config) -> Model:
    """SmolLM3ForCausalLM."""
    shape = Shape(config)
    bias = config.boolean("attention bias", "attention_bias", default=False)
    windows = _windows(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={
            each: grouped_query_attention(shape, bias=bias, out_bias=bias, window=each)
            for each in windows
        },
        feed_forward=gated_mlp(
            shape.hidden,
            intermediate_size(config),
            bias=config.boolean("feed-forward bias", "mlp_bias", default=False),
        ),
        windows=windows,
        tied=True,
    )


def _windows(config: Config, layers: int) -> Windows:
    """From ``layer_types``; else the layers without rotary positions slide, where windows are used
    (transformers, configuration_smollm3.py)."""
    used = config.boolean("windows used", "use_sliding_window", default=False)
    window = window_size(config, None)
    listed = by_layer_types(config, layers, window)
    if listed is not None or not used or window is None:
        return listed or all_sliding(layers, None)
    rotary = config.integers("layers with rotary positions", "no_rope_layers")
    interval = config.integer("interval without", "no_rope_layer_interval", default=4)
    if rotary is None:
        rotary = tuple(int((index + 1) % interval != 0) for index in range(layers))
    if len(rotary) != layers:
        raise config.refuse("no_rope_layers", f"has {len(rotary)} entries for {layers} layers")
    return tuple(None if each else window for each in rotary)
