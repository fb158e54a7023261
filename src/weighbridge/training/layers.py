"""A layer as a tape: norm, mixer, norm, feed-forward, in the order in which they run."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.model.facts import Layer, Parameter
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.records import replace
from weighbridge.training.attention import grouped, latent, linears
from weighbridge.training.feed import dense, mixture
from weighbridge.training.recurrent import HIGH, LOW, recurrent, short_convolution
from weighbridge.training.style import Style, norm
from weighbridge.training.tape import Op

GROUPED = frozenset({"FullAttention", "SlidingAttention", "ChunkedAttention", "SharedAttention",
                     "BidirectionalAttention", "ImageCrossAttention",
                     "EncoderDecoderAttention"})  # fmt: skip
LATENT = frozenset({"LatentAttention", "SlidingLatentAttention"})


class LayerTape(NamedTuple):
    """A layer's operations; ``low`` and ``high`` scale what it keeps where that is assumed."""

    ops: tuple[Op, ...]
    low: float = 1.0
    high: float = 1.0

    @property
    def assumed(self) -> bool:
        """Whether the kind of layer was not traced."""
        return (self.low, self.high) != (1.0, 1.0)


def layer_tape(layer: Layer, hidden: int, style: Style) -> LayerTape:
    """The operations of one layer."""
    norms = [p for p in layer.norms if p.name.endswith(".weight") or len(p.shape) == 1]
    norms = [p for p in norms if not p.name.endswith(".bias")]
    biased = any(p.name.endswith(".bias") for p in layer.norms)
    mixing, low, high = _mixing(layer, hidden, style)
    feeding = _feeding(layer, hidden, style)
    ops: list[Op] = []
    before, after = _placed(norms)
    ops += _norms(before[:1], "stream1", "x1", hidden, biased, style)
    ops += mixing
    ops += _norms(after[:1], "mixed", "mixed:normed", hidden, biased, style)
    single = len(norms) == 1
    second = "stream1" if style.quirk.parallel else "stream2"
    ops += _norms(before[1:2], second, "x2", hidden, biased, style)
    ops += _read_from(feeding, "x1") if single else feeding
    ops += _norms(after[1:2], "fed", "fed:normed", hidden, biased, style)
    if style.quirk.masks:
        masks = tuple((f"mask{i}", style.wide(hidden)) for i in range(style.quirk.masks))
        ops.append(Op(("fed",), "dropped", masks, (0,), 0))
    return LayerTape(tuple(ops), low, high)


def _placed(norms: list[Parameter]) -> tuple[list[Parameter], list[Parameter]]:
    """Which norms stand before mixer and feed-forward, and which behind them."""
    if len(norms) == 4:
        return [norms[0], norms[2]], [norms[1], norms[3]]
    if len(norms) == 2 and all(each.name.startswith("post_") for each in norms):
        return [], norms
    return norms[:2], norms[2:4]


def _norms(
    weights: list[Parameter], reads: str, makes: str, hidden: int, biased: bool, style: Style
) -> list[Op]:
    wide = style.wide(hidden)
    return [norm(w, reads, makes, style, width=wide, bias=biased) for w in weights]


def _mixing(layer: Layer, hidden: int, style: Style) -> tuple[list[Op], float, float]:
    kind = type(layer.mixer).__name__
    if kind == "Parallel":
        ops: list[Op] = []
        low = high = 1.0
        for part in layer.mixer.parts:  # type: ignore[attr-defined]
            more, least, most = _mixing(layer._replace(mixer=part), hidden, style)
            ops, low, high = ops + more, min(low, least), max(high, most)
        return ops, low, high
    if kind in GROUPED:
        window = getattr(layer.mixer, "window", None)
        cut = window is not None and isinstance(style.seen, int) and style.seen > window
        masked = style.masked or cut
        return grouped(layer, hidden, replace(style, masked=masked)), 1.0, 1.0
    if kind in LATENT:
        return latent(layer, hidden, style), 1.0, 1.0
    if kind == "NoMixing":
        return [], 1.0, 1.0
    if kind == "ShortConvolution" and len(linears(layer)) == 2:
        return short_convolution(layer, hidden, style), 1.0, 1.0
    return recurrent(layer, hidden, style), LOW, HIGH


def _feeding(layer: Layer, hidden: int, style: Style) -> list[Op]:
    feed: Any = layer.feed_forward
    if isinstance(feed, Dense):
        return dense(feed, "x2", hidden, style)
    if isinstance(feed, MixtureOfExperts):
        return mixture(feed, "x2", hidden, style)
    return []


def _read_from(ops: list[Op], name: str) -> list[Op]:
    """The same operations where one norm serves mixer and feed-forward."""
    swap = {"x2": name}
    return [
        op._replace(
            reads=tuple(swap.get(each, each) for each in op.reads),
            saves=tuple((swap.get(key, key), size) for key, size in op.saves),
        )
        for op in ops
    ]
