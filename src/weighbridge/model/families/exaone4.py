"""EXAONE 4.0 (arXiv:2507.11407): norms behind attention and feed-forward, and per head."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    gated_mlp,
    intermediate_size,
    norm,
    query_key_norm_attention,
)
from weighbridge.model.families.windows import (
    Windows,
    all_sliding,
    by_layer_types,
    every_nth_full,
    window_size,
)


def read(config: Config) -> Model:
    """Exaone4ForCausalLM."""
    shape = Shape(config)
    windows = _windows(config, shape.layers)
    return decoder(
        config,
        shape,
        mixers={each: query_key_norm_attention(shape, window=each) for each in windows},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config)),
        windows=windows,
        norms=(
            *norm("post_attention_layernorm", shape.hidden),
            *norm("post_feedforward_layernorm", shape.hidden),
        ),
    )


def _windows(config: Config, layers: int) -> Windows:
    """From ``layer_types``, or a pattern: a period, or letters such as LLLG (local, global)."""
    window = window_size(config, 4096)
    listed = by_layer_types(config, layers, window)
    if listed is not None or window is None:
        return listed or all_sliding(layers, None)
    pattern = config.raw.get("sliding_window_pattern")
    if isinstance(pattern, str):
        if not pattern or set(pattern) - set("LG"):
            raise config.refuse("sliding_window_pattern", "is not made of L and G")
        return tuple(window if pattern[i % len(pattern)] == "L" else None for i in range(layers))
    period = config.integer("window period", "sliding_window_pattern", default=4)
    return every_nth_full(layers, period, window)
