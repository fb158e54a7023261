"""Predicted against measured as a picture: sizes and times, a colour for each set of rows."""

from __future__ import annotations

from typing import Any

from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.report import Report
from weighbridge.show.plots import Words, check_path, new_figure, save, words_for
from weighbridge.units import GIB

PANELS = (("bytes", "GiB", 1 / GIB), ("s", "ms", 1e3))


def plot_accuracy(report: Report, path: str) -> None:
    """Write the picture; an empty panel is left out."""
    where = check_path(path)
    drawn = [figure for figure in report.figures if figure.measured > 0 < figure.predicted]
    panels = [p for p in PANELS if any(f.unit == p[0] for f in drawn)] or [PANELS[0]]
    words = words_for(where)
    figure, axes = new_figure(len(panels))
    for panel, (unit, shown, scale) in zip(axes, panels, strict=True):
        _panel(panel, [f for f in drawn if f.unit == unit], shown, scale, words)
    save(figure, where)


def _panel(axes: Any, figures: list[Figure], shown: str, scale: float, words: Words) -> None:
    names = sorted({figure.set for figure in figures})
    for name in names:
        mine = [figure for figure in figures if figure.set == name]
        axes.scatter(
            [f.measured * scale for f in mine], [f.predicted * scale for f in mine], s=6, alpha=0.5,
            label=f"{name} ({len(mine):,})", rasterized=len(mine) > 1000,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    if figures:
        ends = [f(x.measured for x in figures) * scale for f in (min, max)]
        axes.plot(ends, ends, color="0.4", linewidth=0.8)
        axes.legend(fontsize=7)
    axes.set_xlabel(words(f"measured, {shown}"))
    axes.set_ylabel(words(f"predicted, {shown}"))
    axes.grid(visible=True, which="major", alpha=0.3)
