"""MiMo-V2-Flash: sliding layers with more KV heads and sinks, full ones with fewer; keys are wider
than values (transformers, modeling_mimo_v2_flash.py)."""

from __future__ import annotations

from weighbridge.model.config import COUNT, LAYERS, POSITIONS, VOCABULARY, Config
from weighbridge.model.facts import Mixer, Model, Parameter
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import gated_mlp, intermediate_size, linear
from weighbridge.model.families.routed import by_mlp_types, expert_numbers, routed, shared_width
from weighbridge.model.families.windows import by_layer_types
from weighbridge.model.mixers.full import FullAttention
from weighbridge.model.mixers.sliding import SlidingAttention


class TwoKinds:
    """What full layers have, and sliding layers under the same names with ``swa_`` before them."""

    def __init__(self, config: Config) -> None:
        self.hidden = config.integer("hidden size", "hidden_size")
        self.layers = config.integer("layers", "num_hidden_layers", high=LAYERS)
        self.vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
        self.head_dim = config.integer("head dim", "head_dim", default=192)
        heads = config.integer("query heads", "num_attention_heads", high=COUNT)
        kv_heads = config.integer("KV heads", "num_key_value_heads", high=COUNT)
        v_dim = config.integer("value head dim", "v_head_dim", default=128)
        self.full = (heads, kv_heads, self.head_dim, v_dim)
        self.sliding = (
            config.integer("sliding query heads", "swa_num_attention_heads", default=heads),
            config.integer("sliding KV heads", "swa_num_key_value_heads", default=8, high=COUNT),
            config.integer("sliding head dim", "swa_head_dim", default=self.head_dim),
            config.integer("sliding value head dim", "swa_v_head_dim", default=v_dim),
        )


def read(config: Config) -> Model:
    """MiMoV2FlashForCausalLM."""
    shape = TwoKinds(config)
    window = _window(config)
    windows = _windows(config, shape.layers, window)
    count, top_k = expert_numbers(config)
    width = config.integer("expert width", "moe_intermediate_size")
    sparse = routed(shape.hidden, width, count, top_k, shared=shared_width(config, width, 0))
    return decoder(
        config,
        shape,
        mixers={each: _mixer(config, shape, each) for each in set(windows)},
        windows=windows,
        feed_forward=by_mlp_types(
            config, shape.layers, gated_mlp(shape.hidden, intermediate_size(config)), sparse, 1
        ),
    )


def _window(config: Config) -> int:
    """``sliding_window_size`` counts the tokens before the query's own (transformers,
    configuration_mimo_v2_flash.py), ``sliding_window`` that one too."""
    before = config.optional_integer("earlier tokens", "sliding_window_size", high=POSITIONS)
    if before is not None:
        return before + 1
    return config.integer("sliding window", "sliding_window", default=129, high=POSITIONS)


def _windows(config: Config, layers: int, window: int) -> tuple[int | None, ...]:
    """``hybrid_layer_pattern`` has 1 where a layer slides; the default is a full layer first, and
    at every sixth place."""
    listed = by_layer_types(config, layers, window)
    if listed is not None:
        return listed
    pattern = config.integers("sliding layers", "hybrid_layer_pattern")
    if pattern is None:
        return tuple(
            None if index == 0 or (index + 1) % 6 == 0 else window for index in range(layers)
        )
    if len(pattern) < layers:
        raise config.refuse("hybrid_layer_pattern", f"has fewer entries than {layers} layers")
    return tuple(window if each else None for each in pattern[:layers])


def _mixer(config: Config, shape: TwoKinds, window: int | None) -> Mixer:
    geometry = shape.full if window is None else shape.sliding
    heads, kv_heads, k_dim, v_dim = geometry
    key = "add_full_attention_sink_bias" if window is None else "add_swa_attention_sink_bias"
    sinks = config.boolean("sinks", key, default=window is not None)
    parameters = (
        *linear("self_attn.q_proj", heads * k_dim, shape.hidden),
        *linear("self_attn.k_proj", kv_heads * k_dim, shape.hidden),
        *linear("self_attn.v_proj", kv_heads * v_dim, shape.hidden),
        *linear("self_attn.o_proj", shape.hidden, heads * v_dim),
        *((Parameter("self_attn.attention_sink_bias", (heads,), "other"),) if sinks else ()),
    )
    if window is None:
        return FullAttention(parameters, *geometry)
    return SlidingAttention(parameters, *geometry, window)
