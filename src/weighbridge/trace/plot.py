"""The memory timeline as a picture; matplotlib, extra ``[plot]``."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.trace.log import CATEGORIES
from weighbridge.trace.result import Trace
from weighbridge.units import GIB

COLOURS = ("#4477aa", "#88a5c9", "#bbbbbb", "#ee6677", "#aa3377", "#ccbb44", "#ee8866",
           "#228833", "#777777", "#66ccee")  # fmt: skip
FORMATS = (".svg", ".png", ".pdf")


def plot(trace: Trace, path: str, title: str) -> None:
    """Draw live bytes by category over the events of the trace, phases marked."""
    target = Path(path)
    if target.suffix not in FORMATS:
        raise RequestError(f"--plot {path!r} must end in {', '.join(FORMATS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RequestError("--plot needs matplotlib: pip install 'weighbridge[plot]'") from None
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.subplots()
    _stack(axes, trace)
    _phases(axes, trace)
    axes.set(title=title, xlabel="allocations and frees", ylabel="live memory (GiB)")
    axes.legend(loc="upper left", fontsize="small", ncols=2)
    axes.margins(x=0)
    try:
        figure.savefig(target)
    except OSError as error:
        raise RequestError(f"--plot cannot write {path!r}: {error.strerror}") from None


def _stack(axes: Any, trace: Trace) -> None:
    moments = trace.timeline
    events = [moment["event"] for moment in moments]
    present = [name for name in CATEGORIES if any(name in each["live"] for each in moments)]
    heights = [[each["live"].get(name, 0) / GIB for each in moments] for name in present]
    colours = [COLOURS[CATEGORIES.index(name)] for name in present]
    axes.stackplot(events, *heights, labels=present, colors=colours)


def _phases(axes: Any, trace: Trace) -> None:
    names = [(each["event"], each["phase"]) for each in trace.timeline]
    starts = [names[0]] if names else []
    starts += [right for left, right in pairwise(names) if left[1] != right[1]]
    for event, name in starts:
        axes.axvline(event, color="black", linewidth=0.6, linestyle=":")
        axes.annotate(name, (event, 1), xycoords=("data", "axes fraction"), rotation=90,
                      va="top", ha="left", fontsize="x-small")  # fmt: skip
