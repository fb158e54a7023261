"""The frame that almost all decoder-only models share: embedding, layers, final norm, head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from weighbridge.model.config import POSITIONS, Config
from weighbridge.model.facts import FeedForward, Layer, Mixer, Model, Tower
from weighbridge.model.families.parts import (
    Parameters,
    embedding,
    head,
    norm,
    two_norms,
)

HEADLESS = ("Model", "ForFeatureExtraction")
HEADED = ("LMHeadModel", "DoubleHeadsModel")


class Frame(Protocol):
    """What the frame needs of a family's numbers."""

    hidden: int
    layers: int
    vocab: int
    head_dim: int


def decoder(
    config: Config,
    shape: Frame,
    *,
    mixers: Mapping[Any, Mixer],
    feed_forward: FeedForward | Callable[[int], FeedForward],
    windows: Sequence[Any] | None = None,
    norms: Parameters | None = None,
    tied: bool = False,
    softcapped: bool = False,
    towers: tuple[Tower, ...] = (),
    layer_prefix: str = "model.layers.",
    outer: Parameters | None = None,
    own_head: Parameters | None = None,
) -> Model:
    """A decoder whose layer *i* mixes by ``mixers[windows[i]]``; where layers differ by more than
    their window, any key that tells the kinds apart serves.

    ``feed_forward`` is one for all layers, or a function of the layer's index that returns the
    same object for equal layers. ``tied`` is the family's default where the config is silent,
    ``own_head`` the head of an untied model where it is not ``lm_head.weight``.
    """
    architecture = architecture_of(config)
    tied = config.boolean("tied head", "tie_word_embeddings", default=tied)
    norms = two_norms(shape.hidden) if norms is None else norms
    if outer is None:
        outer = (
            *embedding("model.embed_tokens", shape.vocab, shape.hidden),
            *norm("model.norm", shape.hidden),
        )
    if has_head(architecture):
        if own_head is None or tied:
            own_head = head(shape.vocab, shape.hidden, tied=tied)
        outer = (*outer, *own_head)
    else:
        outer = tuple(replace(each, name=each.name.removeprefix("model.")) for each in outer)
        layer_prefix = layer_prefix.removeprefix("model.")
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=shape.hidden,
        vocab=shape.vocab,
        layers=_layers(shape.layers, mixers, feed_forward, windows, norms),
        outer=outer,
        tied=tied and has_head(architecture),
        dtype=config.dtype() or "",
        layer_prefix=layer_prefix,
        towers=towers,
        generates=has_head(architecture),
        softcapped=softcapped,
        max_positions=positions(config),
        rotary_width=shape.head_dim,
    )


def _layers(
    count: int,
    mixers: Mapping[Any, Mixer],
    feed_forward: FeedForward | Callable[[int], FeedForward],
    windows: Sequence[Any] | None,
    norms: Parameters,
) -> tuple[Layer, ...]:
    made: dict[tuple[Any, int], Layer] = {}
    layers = []
    for index in range(count):
        window = windows[index] if windows is not None else next(iter(mixers))
        feed = feed_forward(index) if callable(feed_forward) else feed_forward
        key = (window, id(feed))
        if key not in made:
            made[key] = Layer(mixers[window], feed, norms)
        layers.append(made[key])
    return tuple(layers)


def architecture_of(config: Config) -> str:
    """The class that the config names, or an empty text."""
    names = config.raw.get("architectures")
    if isinstance(names, list) and names and isinstance(names[0], str):
        return names[0][:100]
    return ""


def has_head(architecture: str) -> bool:
    """Whether the architecture carries a language-model head (a bare ``…Model`` has none)."""
    return architecture.endswith(HEADED) or not architecture.endswith(HEADLESS)


def positions(config: Config) -> int | None:
    """The longest sequence that the config states."""
    return config.optional_integer(
        "longest sequence",
        "max_position_embeddings",
        "n_positions",
        "max_seq_len",
        "seq_length",
        high=POSITIONS,
    )
