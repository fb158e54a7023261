"""`python -m scripts.documents.accuracy`: the report of `weigh accuracy` as plots and a summary.

It asks for every measured row, which takes minutes; the page is made from what it writes,
``docs/accuracy-summary.json`` and ``docs/images/*.svg``. ``scripts/accuracy --check``, which has
the figures at hand, holds those files to them (``stale``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import floor, isclose, log10
from typing import Any

from scripts.report import ROOT
from weighbridge.measure.accuracy.everything import collect
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.figures import SETS
from weighbridge.measure.accuracy.report import Group, Report, group_of

SUMMARY = ROOT / "docs" / "accuracy-summary.json"
IMAGES = ROOT / "docs" / "images"
SIDE, EDGE = 300, 46
STYLE = (
    "<style>text{font:11px sans-serif;fill:#555}.d{fill:#2a6fbb;fill-opacity:.5}.f{fill:#c77a1a;"
    "fill-opacity:.5}line{stroke:#999}.h{stroke:#444;stroke-dasharray:3}</style>"
)


def main() -> None:
    """Collect, draw, write."""
    made = collect(list(SETS))
    IMAGES.mkdir(exist_ok=True)
    for name, text in pictures(made.figures).items():
        (IMAGES / name).write_text(text, encoding="utf-8")
    data = {
        **summary(made),
        "peers": [
            {key: round(v, 6) if isinstance(v, float) else v for key, v in peer.to_dict().items()}
            for peer in made.peers
        ],
    }
    SUMMARY.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def pictures(figures: Iterable[Figure]) -> dict[str, str]:
    """Every plot by the name of its file."""
    by_set: dict[str, list[Figure]] = {}
    for figure in figures:
        by_set.setdefault(figure.set, []).append(figure)
    drawn = {f"accuracy-{name}.svg": scatter(mine) for name, mine in sorted(by_set.items())}
    everything = [figure for mine in by_set.values() for figure in mine]
    return {**drawn, "coverage.svg": bars(by_engine(everything))}


def summary(made: Report) -> dict[str, Any]:
    """What the page says in figures, but for the peers, whose answers take minutes."""
    return {
        "sets": sorted({figure.set for figure in made.figures}),
        "engines": [group.to_dict() for group in by_engine(made.figures)],
        "worst": [
            {"set": f.set, "id": f.id[:60], "quantity": f.quantity, "error": round(f.error, 4),
             "source": f.source[:120]}
            for f in made.worst(20)
        ],
    }  # fmt: skip


def stale(made: Report) -> list[str]:
    """The files that are not what these figures make."""
    found = [
        f"docs/images/{name}"
        for name, text in pictures(made.figures).items()
        if not (IMAGES / name).exists() or not alike(text, (IMAGES / name).read_text("utf-8"))
    ]
    held = json.loads(SUMMARY.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(summary(made)))
    return found if close(now, {key: held.get(key) for key in now}) else [*found, SUMMARY.name]


def alike(one: str, other: str) -> bool:
    """Whether two plots are the same; a dot in two hundred may be rounded to the next place."""
    left, right = one.splitlines(), other.splitlines()
    dots = [{line for line in each if line.startswith("<circle")} for each in (left, right)]
    rest = [[line for line in each if not line.startswith("<circle")] for each in (left, right)]
    return rest[0] == rest[1] and len(dots[0] ^ dots[1]) <= len(dots[0]) // 100


def close(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for the last places of their floats."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=1e-6, abs_tol=1.1e-4)
    return bool(one == other)


def by_engine(figures: Iterable[Figure]) -> list[Group]:
    """The rows that nothing was fitted on: memory by set, speed by engine."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        if figure.use == "report":
            engine = figure.engine.partition("==")[0]
            name = f"speed, {engine}" if figure.set == "speed" else f"memory, {figure.set}"
            found.setdefault(name, []).append(figure)
    return [group_of(name, found[name]) for name in sorted(found)]


def bars(groups: list[Group]) -> str:
    """How many of the measured rows lie inside the bounds, where bounds are stated."""
    shown = [group for group in groups if group.covered is not None]
    height = 20 * len(shown) + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 {height}" width="520">',
        STYLE,
    ]
    for row, group in enumerate(shown):
        share = group.covered or 0.0
        parts.append(f'<text x="168" y="{20 * row + 14}" text-anchor="end">{group.name}</text>')
        parts.append(f'<rect class="d" x="174" y="{20 * row + 4}" width="{share * 250:.0f}" '
                     'height="13"/>')  # fmt: skip
        parts.append(f'<text x="{180 + share * 250:.0f}" y="{20 * row + 14}">{share:.0%} of '
                     f"{group.bounded:,}</text>")  # fmt: skip
    parts.append(f'<line class="h" x1="399" y1="0" x2="399" y2="{height - 22}"/>')
    parts.append(f'<text x="399" y="{height - 6}" text-anchor="middle">90 %</text></svg>')
    return "\n".join(parts) + "\n"


def scatter(figures: Iterable[Figure]) -> str:
    """Predicted against measured on two logarithmic axes; a point stands for all that fall on it.

    Quantities of several units share the picture, since only the ratio counts; rows that were
    fitted on are orange.
    """
    points = [(f.measured, f.predicted, f.use) for f in figures if f.measured > 0 < f.predicted]
    if not points:
        return f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="20"></svg>\n'
    values = [value for point in points for value in point[:2]]
    low, high = floor(log10(min(values))), floor(log10(max(values))) + 1

    def place(value: float) -> int:
        return round((log10(value) - low) / (high - low) * SIDE)

    dots = sorted({(place(m), SIDE - place(p), use == "fit") for m, p, use in points})
    ticks = range(low, high + 1, max(1, (high - low) // 5))
    size = SIDE + EDGE + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}">',
        STYLE,
        f'<g transform="translate({EDGE},10)">',
        f'<line x1="0" y1="{SIDE}" x2="{SIDE}" y2="{SIDE}"/>',
        f'<line x1="0" y1="0" x2="0" y2="{SIDE}"/>',
        f'<line class="h" x1="0" y1="{SIDE}" x2="{SIDE}" y2="0"/>',
    ]
    for tick in ticks:
        at = round((tick - low) / (high - low) * SIDE)
        parts.append(f'<text x="{at}" y="{SIDE + 14}" text-anchor="middle">1e{tick}</text>')
        parts.append(f'<text x="-4" y="{SIDE - at + 4}" text-anchor="end">1e{tick}</text>')
    parts += [
        f'<circle class="{"f" if fit else "d"}" cx="{x}" cy="{y}" r="2.2"/>' for x, y, fit in dots
    ]
    parts.append(f'<text x="{SIDE // 2}" y="{SIDE + 30}" text-anchor="middle">measured</text>')
    parts.append('<text transform="rotate(-90)" x="-150" y="-34" text-anchor="middle">'
                 "predicted</text></g></svg>")  # fmt: skip
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
