"""A bare size with a name (``7B``, ``gpt-3-175B``): parameters from the name, the rest assumed.

This is how articles reason about memory. The parameter count is taken at its word; layers, heads
and vocabulary are those of the nearest well-known dense model, and everything that depends on
them is marked ``assumed``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log

from weighbridge.errors import ModelReferenceError
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.feed_forward import Dense
from weighbridge.model.mixers.full import FullAttention

LARGEST = 10**14


@dataclass(frozen=True, slots=True)
class Shape:
    """A well-known dense model to borrow the shape of."""

    like: str
    parameters: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocab: int
    gated: bool
    source: str

    @property
    def head_dim(self) -> int:
        """hidden / heads holds for every row."""
        return self.hidden // self.heads


SHAPES = (
    Shape("GPT-2", 124_439_808, 12, 768, 12, 12, 3072, 50257, False, "openai/gpt-2"),
    Shape("SmolLM-360M", 361_821_120, 32, 960, 15, 5, 2560, 49152, True, "SmolLM config"),
    Shape("Llama-3.2-1B", 1_235_814_400, 16, 2048, 32, 8, 8192, 128256, True, "config.json"),
    Shape("Llama-3.2-3B", 3_212_749_824, 28, 3072, 24, 8, 8192, 128256, True, "config.json"),
    Shape("LLaMA-7B", 6_738_415_616, 32, 4096, 32, 32, 11008, 32000, True, "arXiv:2302.13971"),
    Shape("Llama-3.1-8B", 8_030_261_248, 32, 4096, 32, 8, 14336, 128256, True, "arXiv:2407.21783"),
    Shape("LLaMA-13B", 13_015_864_320, 40, 5120, 40, 40, 13824, 32000, True, "arXiv:2302.13971"),
    Shape("LLaMA-30B", 32_528_943_616, 60, 6656, 52, 52, 17920, 32000, True, "arXiv:2302.13971"),
    Shape("Llama-2-70B", 68_976_648_192, 80, 8192, 64, 8, 28672, 32000, True, "arXiv:2307.09288"),
    Shape("GPT-3", 174_604_275_712, 96, 12288, 96, 96, 49152, 50257, False, "arXiv:2005.14165"),
    Shape("Llama-3.1-405B", 405_853_388_800, 126, 16384, 128, 8, 53248, 128256, True,
          "arXiv:2407.21783"),
)  # fmt: skip

_SIZE = re.compile(r"(?:(?P<name>.*?)[-_ ]?)?(?P<number>\d+(?:\.\d+)?)(?P<unit>[kmbt])", re.I)
_FACTORS = {"k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


def parse_size(text: str) -> tuple[str, int] | None:
    """(name, parameters) of ``7B``, ``70b``, ``gpt-3-175B``; None where the text is no size."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or len(match["number"]) > 12:
        return None
    whole, _, fraction = match["number"].partition(".")
    factor = _FACTORS[match["unit"].lower()]
    count = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    return (match["name"] or ""), count


def assumed_model(text: str, name: str, parameters: int) -> Model:
    """A dense decoder of ``parameters`` parameters in the shape of the nearest known one."""
    if not 10**6 <= parameters <= LARGEST:
        raise ModelReferenceError(
            f"model {text!r} would have {parameters:,} parameters; a size lies between 1M and 100T"
        )
    shape = _nearest(name, parameters)
    rows = min(shape.vocab, parameters // 4 // shape.hidden)
    rest = parameters // shape.hidden - rows
    layer = Layer(
        FullAttention((), shape.heads, shape.kv_heads, shape.head_dim, shape.head_dim),
        Dense((), shape.intermediate, shape.gated),
    )
    return Model(
        id=text,
        family="assumed",
        architecture=f"like {shape.like}",
        hidden=shape.hidden,
        vocab=shape.vocab,
        layers=(layer,) * shape.layers,
        outer=(
            Parameter("embedding (assumed)", (rows, shape.hidden), "embedding"),
            Parameter("everything else (from the name)", (rest, shape.hidden), "linear"),
            Parameter("remainder (from the name)", (parameters % shape.hidden,), "bias"),
        ),
        tied=False,
        dtype="",
        basis="assumed",
        rounding=_half_unit(text),
        rotary_width=shape.head_dim,
        answers={
            "parameters": f"{parameters:,} from the name {text!r}",
            "architecture": f"assumed: {shape.layers} layers, hidden {shape.hidden}, "
            f"{shape.kv_heads} KV heads of {shape.head_dim}, as in {shape.like}",
        },
        notes=(
            f"{text!r} names a size, not a model: {parameters:,} parameters are taken from the "
            f"name, and the architecture is assumed to be that of {shape.like} "
            f"({shape.layers} layers, {shape.kv_heads} KV heads of {shape.head_dim})",
        ),
        source=shape.source,
    )


def _half_unit(text: str) -> int:
    """Half a unit of the last digit written: ``7B`` may be anything from 6.5 to 7.5 billion."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return 0
    digits = len(match["number"].partition(".")[2])
    return int(_FACTORS[match["unit"].lower()] // 10**digits // 2)


def _nearest(name: str, parameters: int) -> Shape:
    """The shape nearest in size; GPT-3's own where the name says GPT-3."""
    candidates = [shape for shape in SHAPES if "gpt3" in _letters(name) and shape.like == "GPT-3"]
    return min(candidates or SHAPES, key=lambda shape: abs(log(shape.parameters / parameters)))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
