"""MiniCPM3 and Youtu-LLM: DeepSeek's latent attention with a dense feed-forward and tied heads."""

from __future__ import annotations

from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.deepseek import LatentShape, latent_attention
from weighbridge.model.families.parts import gated_mlp, intermediate_size


def read(config: Config) -> Model:
    """MiniCPM3ForCausalLM; a head's values are hidden / heads wide where v_head_dim is absent."""
    raw = {"q_lora_rank": 768, **config.raw}
    if raw.get("v_head_dim") is None:
        hidden = config.integer("hidden size", "hidden_size")
        raw["v_head_dim"] = hidden // config.integer("query heads", "num_attention_heads")
    return _frame(Config(raw, config.where, config.answers))


def read_youtu(config: Config) -> Model:
    """YoutuForCausalLM."""
    return _frame(config)


def _frame(config: Config) -> Model:
    shape = LatentShape(config)
    bias = config.boolean("feed-forward bias", "mlp_bias", default=False)
    return decoder(
        config,
        shape,
        mixers={None: latent_attention(config, shape)},
        feed_forward=gated_mlp(shape.hidden, intermediate_size(config), bias=bias),
        tied=True,
    )
