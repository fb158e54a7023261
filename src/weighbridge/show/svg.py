"""The stacked bars as SVG: no script, nothing fetched, readable on light and on dark."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.planner import Plan, Weighing
from weighbridge.show.bar import FREE, Bar, Piece
from weighbridge.show.labels import label, look, phase_label
from weighbridge.show.ledger import (
    Group,
    Unit,
    common_scale,
    group_devices,
    ordered,
    unit_for,
)
from weighbridge.show.summary import verdict_head
from weighbridge.show.width import clean, display_width, truncate
from weighbridge.words import say

WIDTH, BAR, TITLE, NOTE, GAP, LINE = 720, 26, 22, 18, 12, 20
BAD = "#d64545"
MOST_BARS = 16
_TITLE_CELLS, _CELL = 62, 7.2
_SHADES = (
    "<style>svg{color:#1f2328;font:13px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"
)


def plan_to_svg(plan: Plan) -> str:
    """A standalone picture: a bar per device against its usable line, with a legend."""
    return bars_to_svg(plan, group_devices(plan), unit_for(plan), standalone=True)


def bars_to_svg(plan: Weighing, groups: Sequence[Group], unit: Unit, *, standalone: bool) -> str:
    """The bars of these groups; inline, text takes the page's colour and the legend is left out."""
    shown, scale = groups[:MOST_BARS], common_scale(groups)
    parts, top = [], 0
    for group in shown:
        drawn, height = _bar(group, group.bar(WIDTH, scale), unit, top, len(groups) > 1)
        parts.append(drawn)
        top += height + GAP
    if standalone:
        drawn, height = _legend(shown, top)
        parts.append(drawn)
        top += height
    head = verdict_head(plan)
    title = escaped(f"{plan.model.id}: {say(head.word)}; {say(head.detail)}")
    extra = _SHADES if standalone else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 0 {WIDTH + 4} {top}" width="100%" '
        f'style="max-width:{WIDTH}px" role="img" aria-label="{title}" font-size="13" '
        f'fill="currentColor"><title>{title}</title>{extra}{"".join(parts)}</svg>'
    )


def _bar(group: Group, bar: Bar, unit: Unit, top: int, numbered: bool) -> tuple[str, int]:
    """One bar with its title above it, and what stands beyond its limit below it."""
    name = group.numbered if numbered else group.title
    if group.count > 1:
        name = say(name + ", each")
    short = truncate(name, _TITLE_CELLS)
    parts = [
        _text(0, top + 15, short, 'font-weight="600"'),
        _text(WIDTH, top + 15, say(group.numbers(unit)), 'text-anchor="end"'),
    ]
    edge = top + TITLE
    parts += [_piece(piece, group, bar, unit, edge) for piece in bar.pieces]
    if bar.limit is not None:
        parts.append(_limit(bar, bar.limit, unit, edge))
    return "".join(parts), TITLE + BAR + (NOTE if bar.overflow else 0)


def _limit(bar: Bar, limit: int, unit: Unit, edge: int) -> str:
    """The line that a card's usable memory draws, and a frame around what lies beyond it."""
    at, end = (_number(each / bar.scale * WIDTH) for each in (limit, limit + bar.overflow))
    colour = BAD if bar.overflow else "currentColor"
    line = (
        f'<line x1="{at}" x2="{at}" y1="{edge - 3}" y2="{edge + BAR + 3}" '
        f'stroke="{colour}" stroke-width="2"/>'
    )
    if not bar.overflow:
        return line
    words = say(
        f"{unit.text(limit)} {unit.name} usable · {unit.text(bar.overflow)} {unit.name} beyond"
    )
    frame = (
        f'<path d="M{at} {edge}H{end}V{edge + BAR}H{at}Z" fill="{BAD}" fill-opacity="0.18" '
        f'stroke="{BAD}" stroke-width="2" pointer-events="none"/>'
    )
    anchor = ' text-anchor="end"' if limit * 2 > bar.scale else ""
    place = limit / bar.scale * WIDTH
    return frame + line + _text(place, edge + BAR + 16, words, f'fill="{BAD}"{anchor}')


def _piece(piece: Piece, group: Group, bar: Bar, unit: Unit, edge: int) -> str:
    """A rectangle of exact length; what is free is faint, and past the card nothing is free."""
    if piece.name == FREE and piece.beyond:
        return ""
    start, length = (each / bar.scale * WIDTH for each in (piece.start, piece.bytes))
    if piece.name == FREE:
        looks = 'fill="currentColor" fill-opacity="0.07"'
        words = say(f"free: {unit.text(piece.bytes)} {unit.name}")
    else:
        looks = f'fill="{look(piece.name).colour}"'
        words = _words(piece.name, group, unit)
    gap = 1 if length > 3 else 0
    return (
        f'<rect x="{_number(start)}" y="{edge}" width="{_number(length - gap)}" height="{BAR}" '
        f"{looks}><title>{escaped(words)}</title></rect>"
    )


def _words(name: str, group: Group, unit: Unit) -> str:
    terms = [term for term in group.first.terms if term.name == name]
    size = sum(term.bytes for term in terms)
    phase = phase_label(terms[0].phase)
    return say(f"{label(name, group.vendor)}: {unit.text(size)} {unit.name}, {phase}")


def _legend(groups: Sequence[Group], top: int) -> tuple[str, int]:
    names = {term.name: group.vendor for group in groups for term in ordered(group.first.terms)}
    parts, across, down = [], 0.0, top
    for name, vendor in names.items():
        words = say(label(name, vendor))
        wide = 20 + _CELL * display_width(words) + 16
        if across and across + wide > WIDTH:
            across, down = 0.0, down + LINE
        parts.append(
            f'<rect x="{_number(across)}" y="{down}" width="12" height="12" '
            f'fill="{look(name).colour}"/>' + _text(across + 18, down + 11, words)
        )
        across += wide
    return "".join(parts), down - top + LINE


def _text(across: float, down: float, words: str, looks: str = "") -> str:
    space = " " if looks else ""
    return f'<text x="{_number(across)}" y="{down}"{space}{looks}>{escaped(words)}</text>'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def escaped(text: str) -> str:
    """Text that HTML and SVG show as it is, in content and in quoted attributes."""
    from html import escape

    return escape(clean(text), quote=True)
