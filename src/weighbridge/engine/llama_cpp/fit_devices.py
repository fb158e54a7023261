"""``--fit`` where a context that is short enough does not fit: layers, device by device.

Steps 3 and 4 of common/fit.cpp (llama 0.5.0-dev): whole layers from the last GPU to the first, of a
mixture without its experts; if those of a mixture all fit, experts come back from the first GPU to
the last, and of one layer more at the end of each as many parts as have room. How many layers a GPU
takes is found by false position on what would be allocated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from weighbridge.engine.llama_cpp.blocks import ExpertsShape
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate
from weighbridge.engine.llama_cpp.patterns import Pattern
from weighbridge.engine.llama_cpp.settings import Settings

# What of a layer goes elsewhere: all its experts; or of the layer at the end of a GPU the down
# projection, that and the gate, or the whole feed-forward part.
EXPERTS, DOWN, GATE_DOWN, FEED = "experts", "down", "gate and down", "feed-forward"
MOVED = {
    EXPERTS: r"ffn_(up|down|gate_up|gate)_(ch|)exps",
    DOWN: r"ffn_down.*",
    GATE_DOWN: r"ffn_(gate|gate_up|down).*",
    FEED: r"ffn_(gate|up|gate_up|down).*",
}


class Share(NamedTuple):
    """A GPU's layers, of which ``part`` at its end leave tensors elsewhere.

    Of the first of those ``moved`` goes to ``target``, of the others the experts to the host.
    """

    layers: int = 0
    part: int = 0
    moved: str = EXPERTS
    target: str = "CPU"

    @property
    def full(self) -> int:
        """Layers that lie on the GPU as a whole."""
        return self.layers - self.part


class Layout(NamedTuple):
    """Shares of all GPUs, what they take of each, and the first GPU with layers in part."""

    shares: tuple[Share, ...]
    used: tuple[int, ...]
    dense: int = 0

    def replaced(self, device: int, share: Share) -> tuple[Share, ...]:
        """The shares with one device's changed."""
        return (*self.shares[:device], share, *self.shares[device + 1 :])


class Filling:
    """A model on its way onto GPUs."""

    def __init__(self, described: Described, settings: Settings, gpus: Sequence[Gpu]) -> None:
        self.described, self.settings, self.gpus = described, settings, gpus
        self.count = len(described.shapes)
        self.targets = [gpu.free - settings.margin for gpu in gpus]
        self.mixed = any(isinstance(shape.feed, ExpertsShape) for shape in described.shapes)

    def settings_of(self, shares: Sequence[Share]) -> Settings:
        """The options that lay layers out so."""
        layers = sum(share.layers for share in shares)
        first, patterns = self.count + 1 - layers, []
        for share in shares:
            first += share.full
            for layer in range(first, first + share.part):
                own = layer == first
                moved, target = (share.moved, share.target) if own else (EXPERTS, "CPU")
                patterns.append(Pattern(re.compile(rf"blk\.{layer}\.{MOVED[moved]}"), target))
            first += share.part
        counts = tuple(float(share.layers) for share in shares) if len(shares) > 1 else ()
        return self.settings._replace(
            layers=layers, shares=counts if any(counts) else (), patterns=tuple(patterns)
        )

    def buffers(self, shares: Sequence[Share]) -> Buffers:
        """What would be allocated."""
        return allocate(self.described, self.settings_of(shares), self.gpus)

    def layout(self, shares: Sequence[Share], dense: int = 0) -> Layout:
        """The shares with what they take."""
        buffers = self.buffers(shares)
        used = tuple(buffers.total(device) for device in range(len(self.gpus)))
        return Layout(tuple(shares), used, dense)

    def fits(self, layout: Layout, device: int) -> bool:
        """Whether what a GPU takes leaves its margin free."""
        return layout.used[device] <= self.targets[device]

    def reach(
        self,
        low: Layout,
        high: Layout,
        device: int,
        size: Callable[[Share], int],
        grown: Callable[[Layout, int], Layout],
    ) -> Layout:
        """The layout between one that fits and one that does not, one layer below the latter."""
        while (delta := size(high.shares[device]) - size(low.shares[device])) > 1:
            headroom = high.used[device] - low.used[device]
            room = self.targets[device] - low.used[device]
            step = delta * room // headroom if headroom > 0 else delta - 1
            tried = grown(low, min(max(step, 1), delta - 1))
            if self.fits(tried, device):
                low = tried
            else:
                high = tried
        return low

    # -- whole layers, or all but the experts of a mixture: back to front -------------------------

    def back_to_front(self) -> Layout:
        """As many layers as each GPU takes, the last GPU first."""
        layout = self.layout([Share()] * len(self.gpus))
        for device in reversed(range(len(self.gpus))):
            left = self.count + 1 - sum(share.layers for share in layout.shares)
            if not left:
                continue
            high = self._with_layers(layout, device, left)
            if self.fits(high, device):
                layout = high
                continue

            def grown(low: Layout, step: int, device: int = device) -> Layout:
                return self._with_layers(low, device, low.shares[device].layers + step)

            layout = self.reach(layout, high, device, lambda share: share.layers, grown)
        return layout

    def _with_layers(self, layout: Layout, device: int, layers: int) -> Layout:
        """The head, which the last GPU has, is always whole."""
        whole = 1 if device == len(self.gpus) - 1 else 0
        part = max(layers - whole, 0) if self.mixed else 0
        return self.layout(layout.replaced(device, Share(layers, part)))

    # -- experts come back: front to back ----------------------------------------------------------

    def front_to_back(self, layout: Layout) -> Layout:
        """Each GPU takes whole layers from those behind it, and parts of one more."""
        last = len(self.gpus) - 1
        dense = min((d for d, share in enumerate(layout.shares) if share.layers), default=last)
        layout = layout._replace(dense=dense)
        for device in range(len(self.gpus)):
            if device > layout.dense:
                break
            high = self._all_of(layout, device)
            if self.fits(high, device):
                layout = high
            else:

                def grown(low: Layout, step: int, device: int = device) -> Layout:
                    return self._converted(low, device, step)

                layout = self.reach(layout, high, device, lambda share: share.full, grown)
            layout = self._one_more(layout, device)
        return layout

    def _all_of(self, layout: Layout, device: int) -> Layout:
        """Every layer that is left in part, whole on one GPU; the head stays where it is."""
        shares, last = list(layout.shares), len(self.gpus) - 1
        for other in range(layout.dense, last + 1):
            layers = shares[other].layers - (other == last)
            shares[device] = shares[device]._replace(layers=shares[device].layers + layers)
            mine = shares[other]
            shares[other] = mine._replace(layers=mine.layers - layers, part=0)
        return self.layout(shares, last)

    def _converted(self, layout: Layout, device: int, step: int) -> Layout:
        """``step`` layers that lie in part on this GPU and those behind it, whole on this one."""
        shares, dense = list(layout.shares), layout.dense
        while True:
            mine = min(step, shares[dense].part)
            other = shares[dense]
            shares[dense] = other._replace(layers=other.layers - mine, part=other.part - mine)
            shares[device] = shares[device]._replace(layers=shares[device].layers + mine)
            step -= mine
            if shares[dense].part or dense == len(self.gpus) - 1:
                return self.layout(shares, dense)
            dense += 1

    def _one_more(self, layout: Layout, device: int) -> Layout:
        """With as much of one layer more as has room here, the rest on the next GPU."""
        last = len(self.gpus) - 1
        if layout.shares[layout.dense].layers <= (device == last) or not (
            layout.shares[layout.dense].part
        ):
            return layout
        target = self.gpus[device + 1].name if device < last else "CPU"
        if (more := self._more(layout, device, GATE_DOWN, target)) is not None:
            return self._more(layout, device, DOWN, target) or more
        return self._more(layout, device, FEED, target) or layout

    def _more(self, layout: Layout, device: int, moved: str, target: str) -> Layout | None:
        shares, dense = list(layout.shares), layout.dense
        other = shares[dense]
        shares[dense] = other._replace(layers=other.layers - 1, part=other.part - 1)
        mine = shares[device]
        shares[device] = Share(mine.layers + 1, mine.part + 1, moved, target)
        if not shares[dense].part and dense < len(self.gpus) - 1:
            dense += 1
        tried = self.layout(shares, dense)
        near = range(device, min(device + 2, len(self.gpus)))
        return tried if all(tried.used[d] < self.targets[d] for d in near) else None


def fill(described: Described, settings: Settings, gpus: Sequence[Gpu]) -> tuple[Settings, Buffers]:
    """The settings after ``--fit`` has laid the layers out, and their buffers."""
    filling = Filling(described, settings, gpus)
    layout = filling.back_to_front()
    if filling.mixed and _surplus(filling) > 0:
        layout = filling.front_to_back(layout)
    return filling.settings_of(layout.shares), filling.buffers(layout.shares)


def _surplus(filling: Filling) -> int:
    """Bytes that all GPUs together leave free with the experts of all layers in host memory."""
    settings = filling.settings
    everything = Pattern(re.compile(r"blk\.\d+\." + MOVED[EXPERTS]), "CPU")
    lean = settings._replace(patterns=(everything,))
    buffers = allocate(filling.described, lean, filling.gpus)
    return sum(filling.targets) - sum(buffers.total(d) for d in range(len(filling.gpus)))
