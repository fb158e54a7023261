"""Pictures of speed, drawn by matplotlib (extra ``plot``): SVG or PNG by the file's ending."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.speed.ask import Answer
from weighbridge.speed.serve import pace_of
from weighbridge.words import language, say

ENDINGS = (".svg", ".png")
_FROM_THE_RIGHT, _POP = "\u2067", "\u2069"
Words = Callable[[str], str]


def words_for(path: Path) -> Words:
    """What turns a label into the language in use.

    The letters of an SVG are laid out by whoever shows it; matplotlib joins no Persian and its own
    font lacks Chinese, so a PNG is in English.
    """
    if path.suffix.lower() != ".svg":
        return str
    # A picture's own direction is from the left: a label of Persian states that it is not.
    return (lambda text: _from_the_right(say(text))) if language() == "fa" else say


def _from_the_right(text: str) -> str:
    letters = any("\u0600" <= each <= "\u06ff" and each.isalpha() for each in text)
    return f"{_FROM_THE_RIGHT}{text}{_POP}" if letters else text


def new_figure(columns: int) -> tuple[Any, Any]:
    """A figure with panels side by side."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise RequestError(
            "pictures are drawn by matplotlib, which is not installed; "
            "install it with: pip install 'weighbridge[plot]'"
        ) from None
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "weighbridge"
    # Letters stay letters: small files, in the reader's own font and script.
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, columns, figsize=(5.5 * columns, 4.5), squeeze=False)
    return figure, axes[0]


def check_path(text: str) -> Path:
    """The file to write; raises RequestError where its ending names no picture."""
    path = Path(text)
    if path.suffix.lower() not in ENDINGS:
        raise RequestError(f"--plot {text!r} ends in neither .svg nor .png")
    if not path.parent.is_dir():
        raise RequestError(f"--plot {text!r}: there is no folder {str(path.parent)!r}")
    return path


def save(figure: Any, path: Path) -> None:
    """Write the picture, the same bytes for the same data."""
    kind = path.suffix.lower()[1:]
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with warnings.catch_warnings():
        # It measures with its own font what the reader's font will draw.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.tight_layout()
        figure.savefig(path, format=kind, metadata=metadata, dpi=120)
    from matplotlib import pyplot

    pyplot.close(figure)


def plot_speed(found: Answer, path: Path) -> None:
    """The roofline with prefill and decode, and time per token by batch and by context."""
    words = words_for(path)
    figure, (roof, batch, context) = new_figure(3)
    _roofline(roof, found, words)
    counts = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    by_count = [_token(found, sequences=n) for n in counts]
    _curve(batch, words("sequences at once"), counts, by_count, words)
    lengths = [512 * 2**n for n in range(9)]
    by_length = [_token(found, input=n) for n in lengths]
    _curve(context, words("tokens of the prompt"), lengths, by_length, words)
    subject = found.subject
    figure.suptitle(words(f"{subject.model.id} on {subject.card.name}, {subject.engine}"))
    save(figure, path)


def _token(found: Answer, **load: int) -> float:
    setting = found.setting
    pace = pace_of(setting._replace(load=setting.load._replace(**load)))
    return float(pace.decode.seconds) * 1e3


def _curve(axes: Any, what: str, at: list[int], milliseconds: list[float], words: Words) -> None:
    axes.plot(at, milliseconds, marker="o", markersize=3)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    plain(axes, at, words)
    axes.set_xlabel(what)
    axes.set_ylabel(words("ms per token"))
    axes.grid(visible=True, which="both", alpha=0.3)


def plain(axes: Any, at: list[int], words: Words) -> None:
    """Numbers as they are read, not as powers: 32 rather than 2⁵."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    said = FuncFormatter(
        lambda at, _: words(f"{at / 1024:,.0f}") + "K" if at >= 1024 else words(f"{at:g}")
    )
    axes.set_xticks(at)
    axes.xaxis.set_major_formatter(said)
    axes.xaxis.set_minor_formatter(NullFormatter())
    numbered(axes.yaxis, words)
    axes.yaxis.set_minor_formatter(axes.yaxis.get_major_formatter())


def numbered(axis: Any, words: Words) -> None:
    """Numbers at the ticks of an axis, as the language writes them."""
    axis.set_major_formatter(lambda value, _: words(f"{value:g}"))


def _roofline(axes: Any, found: Answer, words: Words) -> None:
    bandwidth = found.setting.cost.rates.bandwidth
    top = found.ridge * bandwidth
    at = [10 ** (n / 10) for n in range(-5, 45)]
    axes.plot(at, [min(x * bandwidth, top) / 1e12 for x in at], color="black", linewidth=1)
    axes.axvline(found.ridge, linestyle=":", color="grey")
    points = (
        ("decode", found.intensity, found.pace.step.operations / found.pace.decode.seconds),
        ("prefill", found.prompt_intensity,
         found.pace.prompt.operations / found.pace.prefill.seconds),
    )  # fmt: skip
    for name, intensity, rate in points:
        axes.plot([intensity], [float(rate) / 1e12], marker="o", linestyle="", label=words(name))
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        numbered(axis, words)
    axes.set_xlabel(words("operations per byte"))
    axes.set_ylabel(words("10¹² operations/s per device"))
    ridge = f"roofline; ridge at {found.ridge:,.0f} operations per byte"
    axes.set_title(words(ridge), fontsize=9)
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)


def plot_front(found: Any, path: Path) -> None:
    """Price against tokens per second of one user, the front by its weights; bars are ranges."""
    words = words_for(path)
    figure, (axes,) = new_figure(1)
    priced = [each for each in found.front if each.cost not in {None, (0.0, 0.0)}]
    if not priced:
        raise RequestError("there is nothing to draw: no choice has a price")
    for name in dict.fromkeys(each.plan.settings["weights"] for each in priced):
        some = [each for each in priced if each.plan.settings["weights"] == name]
        middles = [(each.cost[0] * each.cost[1]) ** 0.5 for each in some]
        reach = [[m - each.cost[0] for m, each in zip(middles, some, strict=True)],
                 [each.cost[1] - m for m, each in zip(middles, some, strict=True)]]  # fmt: skip
        speeds = [1 / each.pace.tpot for each in some]
        axes.errorbar(middles, speeds, xerr=reach, marker="o", markersize=4, linestyle="",
                      elinewidth=0.7, label=name)  # fmt: skip
    for each in found.listed:
        if each.cost:
            at = ((each.cost[0] * each.cost[1]) ** 0.5, 1 / each.pace.tpot)
            axes.annotate(each.candidate.rig.name, at, fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(words("dollars an hour" if found.wish.kind == "rent" else "dollars"))
    axes.set_ylabel(words("tokens per second of one user"))
    axes.set_title(found.model.id, fontsize=9)
    axes.legend(fontsize=7)
    axes.grid(visible=True, which="both", alpha=0.3)
    save(figure, path)


def plot_fleet(found: Any, curve: Any, path: Path) -> None:
    """Latency of a fleet against its load: first token, each token, whole answer; p50, p95, p99."""
    words = words_for(path)
    figure, axes = new_figure(3)
    load = [run.measures.requests_per_second for _, run in curve]
    titles = {"ttft": "first token", "tpot": "each further token", "e2e": "whole answer"}
    asked = found.asking.objective
    for each, (name, title) in zip(axes, titles.items(), strict=True):
        for rank in ("p50", "p95", "p99"):
            waits = [getattr(getattr(run.measures, name), rank) for _, run in curve]
            each.plot(load, waits, marker="o", markersize=3, label=rank)
        if getattr(asked, name) is not None:
            wanted = getattr(asked, name)
            each.axhline(wanted, linestyle=":", color="grey", label=words("objective"))
        each.set_yscale("log")
        each.set_xlabel(words("answers a second"))
        each.set_ylabel(words("seconds"))
        each.set_title(words(title), fontsize=9)
        each.legend(fontsize=8)
        each.grid(visible=True, which="both", alpha=0.3)
    engine = found.asking.request.deployment.engine
    figure.suptitle(words(f"{found.model.id} on {found.best.name}, {engine}"))
    save(figure, path)


def plot_history(history: Any, path: Path) -> None:
    """Bandwidth, arithmetic and model size by year."""
    words = words_for(path)
    figure, axes = new_figure(3)
    titles = ("memory bandwidth, GB/s", "16-bit arithmetic, 10¹² operations/s", "parameters, 10⁹")
    for each, series, title in zip(axes, history, titles, strict=True):
        each.plot([p.year for p in series.points], [p.value for p in series.points],
                  marker=".", linestyle="", alpha=0.6)  # fmt: skip
        each.plot([p.year for p in series.best], [p.value for p in series.best],
                  label=words(f"the largest so far, × {series.growth:.2f} a year"))  # fmt: skip
        each.set_yscale("log")
        each.xaxis.get_major_locator().set_params(integer=True)
        each.set_title(words(title), fontsize=9)
        each.legend(fontsize=8)
        each.grid(visible=True, which="both", alpha=0.3)
    save(figure, path)
