"""GPT-Neo: GPT-2's blocks in which global layers and local ones of a window take turns."""

from __future__ import annotations

from weighbridge.model.config import LAYERS, POSITIONS, Config
from weighbridge.model.facts import Model
from weighbridge.model.families.decoder import decoder
from weighbridge.model.families.parts import (
    Shape,
    attention,
    embedding,
    linear,
    norm,
    plain_mlp,
)
from weighbridge.model.families.windows import Windows


def read(config: Config) -> Model:
    """GPTNeoForCausalLM."""
    shape = Shape(config)
    hidden = shape.hidden
    windows = _windows(config, shape.layers)
    width = config.integer("feed-forward width", "intermediate_size", default=4 * hidden)
    positions = config.integer(
        "longest sequence", "max_position_embeddings", default=2048, high=POSITIONS
    )
    projections = (
        *linear("attn.attention.k_proj", hidden, hidden),
        *linear("attn.attention.v_proj", hidden, hidden),
        *linear("attn.attention.q_proj", hidden, hidden),
        *linear("attn.attention.out_proj", hidden, hidden, bias=True),
    )
    return decoder(
        config,
        shape,
        mixers={each: attention(projections, shape, each) for each in windows},
        feed_forward=plain_mlp("mlp.c_fc", "mlp.c_proj", hidden, width),
        windows=windows,
        norms=(*norm("ln_1", hidden, bias=True), *norm("ln_2", hidden, bias=True)),
        tied=True,
        layer_prefix="transformer.h.",
        outer=(
            *embedding("transformer.wte", shape.vocab, hidden),
            *embedding("transformer.wpe", positions, hidden),
            *norm("transformer.ln_f", hidden, bias=True),
        ),
    )


def _windows(config: Config, layers: int) -> Windows:
    """From ``attention_types``, pairs of kinds and of how often they repeat."""
    window = config.integer("window", "window_size", default=256, high=POSITIONS)
    sizes = {"global": None, "local": window}
    kinds: list[str] = []
    stated = config.raw.get("attention_types") or [[["global", "local"], 12]]
    for pair in stated if isinstance(stated, list) else [stated]:
        match pair:
            case [list() as names, int() as times] if 0 <= times <= LAYERS and len(names) <= 64:
                kinds += [str(name) for name in names] * times
            case _:
                raise config.refuse("attention_types", "is no list of kinds and repetitions")
    if len(kinds) != layers or any(kind not in sizes for kind in kinds):
        raise config.refuse("attention_types", f"does not name global or local for {layers} layers")
    return tuple(sizes[kind] for kind in kinds)
