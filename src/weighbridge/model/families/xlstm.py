"""xLSTM 7B (arXiv:2503.13427): matrix LSTMs and gated feed-forwards, nothing else."""

from __future__ import annotations

from weighbridge.model.config import COUNT, Config
from weighbridge.model.facts import Layer, Model
from weighbridge.model.families.hybrid import Size, frame
from weighbridge.model.families.parts import Parameters, linear, norm
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.xlstm import MatrixLSTM
from weighbridge.units import ceil_div


def read(config: Config) -> Model:
    """xLSTMForCausalLM in its ``single`` weight mode."""
    size = Size(config)
    if config.text("weight mode", "weight_mode", default="single") != "single":
        raise config.refuse("weight_mode", "is not single, and its tensors are not known")
    bias = config.boolean("bias", "use_bias", default=False)
    layer = Layer(
        _matrix_lstm(config, size.hidden, bias=bias),
        _feed_forward(config, size.hidden, bias=bias),
        (
            *norm("norm_mlstm", size.hidden, bias=bias),
            *norm("norm_ffn", size.hidden, bias=bias),
        ),
    )
    return frame(
        config,
        size,
        (layer,) * size.layers,
        prefix="backbone.",
        layer_list="blocks.",
        embedding_name="embeddings",
        norm_name="out_norm",
        softcapped=config.raw.get("output_logit_soft_cap", 30.0) is not None,
    )


def _matrix_lstm(config: Config, hidden: int, *, bias: bool) -> MatrixLSTM:
    heads = config.integer("heads", "num_heads", default=8, high=COUNT)
    keys = scaled(config, "qk_dim_factor", 0.5, hidden, 64)
    values = scaled(config, "v_dim_factor", 1.0, hidden, 64)
    if keys % heads or values % heads:
        raise config.refuse("num_heads", f"does not divide the widths {keys} and {values}")
    name = "mlstm_layer."
    parameters: Parameters = (
        *linear(f"{name}q", keys, hidden, bias=bias),
        *linear(f"{name}k", keys, hidden, bias=bias),
        *linear(f"{name}v", values, hidden, bias=bias),
        *linear(f"{name}ogate_preact", values, hidden, bias=bias),
        *linear(f"{name}igate_preact", heads, hidden, bias=True),
        *linear(f"{name}fgate_preact", heads, hidden, bias=True),
        *norm(f"{name}multihead_norm", values, bias=bias),
        *linear(f"{name}out_proj", hidden, values, bias=bias),
    )
    return MatrixLSTM(parameters, heads, keys // heads, values // heads)


def _feed_forward(config: Config, hidden: int, *, bias: bool) -> Dense:
    multiple = config.integer("width multiple", "ffn_round_up_to_multiple_of", default=64)
    width = scaled(config, "ffn_proj_factor", 2.667, hidden, multiple)
    return Dense(
        (
            *linear("ffn.proj_up_gate", width, hidden, bias=bias),
            *linear("ffn.proj_up", width, hidden, bias=bias),
            *linear("ffn.proj_down", hidden, width, bias=bias),
        ),
        width,
        gated=True,
    )


def scaled(config: Config, key: str, default: float, hidden: int, multiple: int) -> int:
    """``hidden`` times the factor under ``key``, rounded up to a multiple."""
    factor = config.raw.get(key, default)
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < 100:
        raise config.refuse(key, "is no factor")
    config.answers[key] = f"{key} = {factor}"
    return ceil_div(int(hidden * factor), multiple) * multiple
