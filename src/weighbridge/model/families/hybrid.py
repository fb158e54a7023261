"""The frame of models whose layers differ in kind: a list of kinds, and one layer made of each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from weighbridge.model.config import LAYERS, VOCABULARY, Config
from weighbridge.model.facts import Layer, Model, Tower
from weighbridge.model.families.decoder import architecture_of, has_head, positions
from weighbridge.model.families.parts import Parameters, embedding, head, norm

Kind = TypeVar("Kind", bound=Hashable)

# The names that configs have used, and Transformers' own since version 5 (its
# ``remap_legacy_layer_types``).
KINDS = {
    "attention": "full",
    "full_attention": "full",
    "sliding_attention": "sliding",
    "conv": "convolution",
    "mamba": "recurrent",
    "mamba2": "recurrent",
    "recurrent": "recurrent",
    "linear_attention": "recurrent",
    "hybrid": "hybrid",
    "moe": "experts",
    "mlp": "dense",
}


class Size:
    """What every frame needs: width, vocabulary and, where layers are not listed, their number."""

    def __init__(self, config: Config, *, layers: int | None = None) -> None:
        self.hidden = config.integer("hidden size", "hidden_size")
        self.vocab = config.integer("vocabulary", "vocab_size", high=VOCABULARY)
        self.layers = layers or config.integer(
            "layers", "num_hidden_layers", "num_blocks", high=LAYERS
        )


def listed_kinds(
    config: Config, known: Iterable[str], *keys: str, layers: int | None = None
) -> tuple[str, ...] | None:
    """The kind of each layer from the first of ``keys`` (``layer_types``); None where absent.

    ``known`` are the kinds that the family has; others are refused, as is a list of the wrong
    length.
    """
    names = config.names("layer types", *keys)
    if names is None:
        return None
    key = next(key for key in keys if config.has(key))
    if layers is not None and len(names) != layers:
        raise config.refuse(key, f"has {len(names)} entries for {layers} layers")
    kinds = tuple(KINDS.get(name, name) for name in names)
    unknown = sorted(set(kinds) - set(known))
    if unknown or not kinds:
        raise config.refuse(key, f"names kinds this family does not have: {unknown}")
    return kinds


def every_nth(layers: int, period: int, offset: int, there: str, elsewhere: str) -> tuple[str, ...]:
    """``there`` at each layer whose index leaves ``offset`` when divided by ``period``."""
    return tuple(there if index % period == offset else elsewhere for index in range(layers))


def stack(kinds: Iterable[Kind], make: Callable[[Kind], Layer]) -> tuple[Layer, ...]:
    """One layer for each entry of ``kinds``, made once for each kind."""
    made: dict[Kind, Layer] = {}
    layers = []
    for kind in kinds:
        if kind not in made:
            made[kind] = make(kind)
        layers.append(made[kind])
    return tuple(layers)


def frame(
    config: Config,
    size: Size,
    layers: tuple[Layer, ...],
    *,
    tied: bool = False,
    prefix: str = "model.",
    layer_list: str = "layers.",
    embedding_name: str = "embed_tokens",
    norm_name: str = "norm",
    extra: Parameters = (),
    softcapped: bool = False,
    rotary_width: int = 0,
    towers: tuple[Tower, ...] = (),
) -> Model:
    """A decoder of these ``layers`` between an embedding, a last norm and a head."""
    architecture = architecture_of(config)
    generates = has_head(architecture)
    tied = config.boolean("tied head", "tie_word_embeddings", "tie_embedding", default=tied)
    prefix = prefix if generates else ""
    return Model(
        id=config.where,
        family="",
        architecture=architecture,
        hidden=size.hidden,
        vocab=size.vocab,
        layers=layers,
        outer=(
            *embedding(f"{prefix}{embedding_name}", size.vocab, size.hidden),
            *norm(f"{prefix}{norm_name}", size.hidden),
            *(replace(each, name=f"{prefix}{each.name}") for each in extra),
            *(head(size.vocab, size.hidden, tied=tied) if generates else ()),
        ),
        tied=tied and generates,
        dtype=config.dtype() or "",
        layer_prefix=f"{prefix}{layer_list}",
        towers=towers,
        generates=generates,
        softcapped=softcapped,
        max_positions=positions(config),
        rotary_width=rotary_width,
    )


def nested(
    config: Config, model: Model, *, renamed: Mapping[str, str], towers: tuple[Tower, ...]
) -> Model:
    """The text model of a composite checkpoint: its names under new prefixes, beside ``towers``."""

    def place(name: str) -> str:
        for before, after in renamed.items():
            if name.startswith(before):
                return after + name.removeprefix(before)
        return name

    return replace(
        model,
        architecture=architecture_of(config),
        layer_prefix=place(model.layer_prefix),
        outer=tuple(replace(each, name=place(each.name)) for each in model.outer),
        towers=towers,
    )
