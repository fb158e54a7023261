"""The mixtures of llama.cpp: which ggml type each tensor gets in a file of a given kind.

``Q4_K_M`` and its like are not types but rules: the head, some values and some feed-forwards get
more bits than the rest, depending on the layer. These are the rules of ``llama_tensor_get_type``
(src/llama-quant.cpp, llama 0.5.0-dev of 2026-11). Files made with ``--tensor-type`` differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from weighbridge.model.ggml import GGML

Category = Literal["output", "embedding", "v", "k", "q", "o", "up", "gate", "down", "other"]

# include/llama.h, enum llama_ftype: number, name, and the type that most tensors get
# (llama_ftype_get_default_type).
FILE_TYPES: dict[int, tuple[str, str]] = {
    0: ("F32", "F32"),
    1: ("F16", "F16"),
    2: ("Q4_0", "Q4_0"),
    3: ("Q4_1", "Q4_1"),
    7: ("Q8_0", "Q8_0"),
    8: ("Q5_0", "Q5_0"),
    9: ("Q5_1", "Q5_1"),
    10: ("Q2_K", "Q2_K"),
    11: ("Q3_K_S", "Q3_K"),
    12: ("Q3_K_M", "Q3_K"),
    13: ("Q3_K_L", "Q3_K"),
    14: ("Q4_K_S", "Q4_K"),
    15: ("Q4_K_M", "Q4_K"),
    16: ("Q5_K_S", "Q5_K"),
    17: ("Q5_K_M", "Q5_K"),
    18: ("Q6_K", "Q6_K"),
    19: ("IQ2_XXS", "IQ2_XXS"),
    20: ("IQ2_XS", "IQ2_XS"),
    21: ("Q2_K_S", "Q2_K"),
    22: ("IQ3_XS", "IQ3_S"),
    23: ("IQ3_XXS", "IQ3_XXS"),
    24: ("IQ1_S", "IQ1_S"),
    25: ("IQ4_NL", "IQ4_NL"),
    26: ("IQ3_S", "IQ3_S"),
    27: ("IQ3_M", "IQ3_S"),
    28: ("IQ2_S", "IQ2_XS"),
    29: ("IQ2_M", "IQ2_S"),
    30: ("IQ4_XS", "IQ4_XS"),
    31: ("IQ1_M", "IQ1_M"),
    32: ("BF16", "BF16"),
    36: ("TQ1_0", "TQ1_0"),
    37: ("TQ2_0", "TQ2_0"),
    38: ("MXFP4_MOE", "MXFP4"),
    40: ("Q1_0", "Q1_0"),
    41: ("Q2_0", "Q2_0"),
}
BASE = dict(FILE_TYPES.values())
LOW = frozenset({"IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M"})
# These cannot be made without an importance matrix, so that a file of them was made with one.
NEEDS_IMATRIX = LOW | {"IQ3_XXS", "Q2_K_S"}
_MEDIUM_LOW = frozenset({"IQ2_S", "IQ2_M"})
_WITH_EIGHT_EXPERTS = frozenset(
    (
        *("Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M"),
        *("IQ3_S", "IQ3_M", "IQ4_XS"),
    )
)
_EMBEDDING = {
    **dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"), "Q2_K"),
    **dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), "IQ3_S"),
    **dict.fromkeys(("TQ1_0", "TQ2_0", "Q2_0"), "Q4_K"),
}
_NARROWER = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S"), "IQ4_NL"),
    **dict.fromkeys(("IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_0", "Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    **{"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"},
}


@dataclass(frozen=True, slots=True)
class Made:
    """What the rules ask about a model.

    ``group`` is query heads per KV head; ``seventy`` is the shape of Llama-2-70B and
    Qwen2-72B, ``falcon`` the architecture, ``imatrix`` whether an importance matrix was given;
    ``latent`` are the key and value widths of a head whose projection is stored in two parts.
    """

    layers: int
    group: int
    experts: int
    tied: bool
    seventy: bool = False
    falcon: bool = False
    imatrix: bool = False
    latent: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor stands: its category, its layer, the length of its rows, and the model."""

    category: Category
    layer: int
    columns: int
    stacked: bool
    made: Made

    @property
    def more_bits(self) -> bool:
        """The first and last eighth of the layers, and every third between (use_more_bits)."""
        layer, layers = self.layer, self.made.layers
        edge = layer < layers // 8 or layer >= 7 * layers // 8
        return edge or (layer - layers // 8) % 3 == 2

    @property
    def early(self) -> bool:
        """The first eighth of the layers."""
        return self.layer < self.made.layers // 8

    @property
    def middle(self) -> bool:
        """All but the first and the last eighth."""
        return not self.early and self.layer < 7 * self.made.layers // 8

    @property
    def grouped(self) -> bool:
        """Whether four or more query heads share a KV head."""
        return self.made.group >= 4


def type_of(file: str, place: Place) -> str:
    """The ggml type of a tensor in a file of this kind (``Q4_K_M``)."""
    return _that_fits(_chosen(file, BASE[file], place), place.columns)


def _chosen(file: str, base: str, place: Place) -> str:
    if place.category == "output" or (place.made.tied and place.category == "embedding"):
        return _head(file, base, place)
    if file == "MXFP4_MOE":
        return "MXFP4" if place.stacked else "Q8_0"
    if place.category == "embedding":
        return _EMBEDDING.get(file, base)
    if file in LOW:
        return _low(file, base, place)
    rules = _RULES.get(place.category)
    return base if rules is None else rules(file, base, place)


def _head(file: str, base: str, place: Place) -> str:
    if file == "MXFP4_MOE" or place.made.falcon or place.columns % GGML[base].block:
        return "Q8_0"
    if file in LOW or file == "IQ3_XXS":
        return "Q5_K"
    return "Q8_0" if base == "Q8_0" else "Q6_K"


def _low(file: str, base: str, place: Place) -> str:
    better = "IQ3_S" if file in _MEDIUM_LOW else "Q2_K"
    if place.category == "v":
        return "Q4_K" if place.grouped or place.made.experts >= 4 else better
    if place.category == "k" and place.made.experts == 8:
        return "Q4_K"
    if place.category == "down" and place.early:
        return better
    if place.category == "o":
        if place.made.experts == 8:
            return "Q5_K"
        return {"IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S"}.get(
            file, base
        )
    return base


def _values(file: str, base: str, place: Place) -> str:
    chosen = _VALUES[file](base, place) if file in _VALUES else base
    if place.made.seventy and chosen in {"Q3_K", "Q4_K"}:
        chosen = "Q5_K"
    return "Q8_0" if place.made.experts == 8 else chosen


def _if_grouped(better: str) -> Callable[[str, Place], str]:
    return lambda base, place: better if place.grouped else base


def _if_more_bits(better: str) -> Callable[[str, Place], str]:
    return lambda base, place: better if place.more_bits else base


_VALUES: dict[str, Callable[[str, Place], str]] = {
    "Q2_K": lambda _, place: "Q4_K" if place.grouped else "Q3_K",
    "Q2_K_S": _if_grouped("Q4_K"),
    "IQ3_XXS": lambda base, place: (
        "Q4_K" if place.grouped else base if place.made.imatrix else "IQ3_S"
    ),
    "IQ3_XS": _if_grouped("Q4_K"),
    "IQ3_S": _if_grouped("Q4_K"),
    "IQ3_M": lambda *_: "Q4_K",
    "Q3_K_M": lambda _, place: "Q5_K" if place.layer < 2 else "Q4_K",
    "Q3_K_L": lambda *_: "Q5_K",
    "IQ4_NL": _if_grouped("Q5_K"),
    "IQ4_XS": _if_grouped("Q5_K"),
    "Q4_K_M": _if_more_bits("Q6_K"),
    "Q5_K_M": _if_more_bits("Q6_K"),
    "Q4_K_S": lambda base, place: "Q5_K" if place.layer < 4 else base,
}


def _keys(file: str, base: str, place: Place) -> str:
    if place.made.experts == 8:
        return "Q8_0"
    return _queries(file, base)


def _queries(file: str, base: str, _: Place | None = None) -> str:
    return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(file, base)


def _attention_output(file: str, base: str, place: Place) -> str:
    if place.made.falcon:
        return "Q4_K" if file == "Q3_K_L" else base
    if place.made.experts == 8:
        return "Q5_K" if file in _WITH_EIGHT_EXPERTS else base
    better = {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}
    return (better | {"IQ3_M": "Q4_K"}).get(file, base)


def _inner(file: str, base: str, place: Place) -> str:
    return "IQ3_XXS" if file == "IQ3_XS" and place.middle else base


def _down(file: str, base: str, place: Place) -> str:
    made = place.made
    if made.falcon:
        return _down_of_falcon(file, base, place)
    sixteenth = place.layer < made.layers // 16
    without = not made.imatrix
    rules: dict[str, tuple[bool, str, str]] = {
        "Q2_K": (True, "Q3_K", base),
        "Q2_K_S": (place.early, "Q4_K", base),
        "Q3_K_M": (sixteenth, "Q5_K", "Q4_K"),
        "IQ3_M": (place.early or (made.experts == 8 and place.more_bits), "Q4_K", base),
        "Q3_K_L": (True, "Q5_K", base),
        "Q4_K_M": (place.more_bits, "Q6_K", base),
        "Q5_K_M": (place.more_bits, "Q6_K", base),
        "IQ4_NL": (place.early and without, "Q5_K", base),
        "IQ4_XS": (place.early and without, "Q5_K", base),
        "Q4_K_S": (place.early, "Q5_K", base),
        "Q4_0": (place.early and made.imatrix, "Q4_1", base),
        "Q5_0": (place.early and made.imatrix, "Q5_1", base),
    }
    if file == "IQ3_XXS" and without:
        return "Q4_K" if place.early else "Q3_K"
    holds, better, otherwise = rules.get(file, (False, base, base))
    return better if holds else otherwise


def _down_of_falcon(file: str, base: str, place: Place) -> str:
    sixteenth = place.layer < place.made.layers // 16
    if file == "Q3_K_M":
        return "Q5_K" if sixteenth else "Q4_K" if place.more_bits else "Q3_K"
    if file == "Q4_K_M":
        return "Q6_K" if sixteenth else "Q5_K" if place.more_bits else "Q4_K"
    if file in {"Q3_K_L", "Q2_K"}:
        return "Q4_K" if file == "Q3_K_L" else "Q3_K"
    return "Q6_K" if file == "Q5_K_M" and place.more_bits else base


_RULES: dict[Category, Callable[[str, str, Place], str]] = {
    "v": _values,
    "k": _keys,
    "q": _queries,
    "o": _attention_output,
    "up": _inner,
    "gate": _inner,
    "down": _down,
}


def _that_fits(kind: str, columns: int) -> str:
    """The type, or another where its blocks do not divide the rows (tensor_type_fallback)."""
    if columns % GGML[kind].block == 0:
        return kind
    narrower = _NARROWER.get(kind, kind)
    return narrower if columns % GGML[narrower].block == 0 else "F16"
