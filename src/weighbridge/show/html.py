"""Plan → HTML for a notebook: the verdict, the bars, the ledger; every text escaped."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.planner import Plan, Weighing
from weighbridge.show.labels import look
from weighbridge.show.ledger import (
    Group,
    Row,
    Unit,
    fullest,
    group_devices,
    headings,
    ledger_rows,
    unit_for,
)
from weighbridge.show.summary import (
    NO_WAY_OUT,
    Head,
    assumptions,
    bounds_note,
    facts,
    further_totals,
    logged,
    verdict_head,
    ways_out,
)
from weighbridge.show.svg import bars_to_svg, escaped
from weighbridge.words import say, say_lines

_TONES = {"good": "#2a9d5c", "warn": "#c58a00", "bad": "#d64545", "hint": "#3a86c8"}
_LINE = "1px solid rgba(128,128,128,.35)"
_TABLE = "border-collapse:collapse;margin:8px 0;font-size:inherit;color:inherit"
_CELL = "padding:2px 10px;border:0;background:none"


def plan_to_html(plan: Plan) -> str:
    """A fragment without scripts or references, in the page's own text colour."""
    return answer_to_html(plan, facts(plan), logged(plan))


def text_to_html(text: str) -> str:
    """An answer that is lines of text, as a notebook shows it: every column in its place."""
    lines = "\n".join(map(escaped, say_lines(text).split("\n")))
    return (
        '<pre class="weighbridge" style="font:13px/1.4 ui-monospace,monospace;white-space:pre;'
        f'overflow-x:auto;background:none;color:inherit">{lines}</pre>'
    )


def answer_to_html(
    plan: Weighing, said: Sequence[tuple[str, str]], log: tuple[str, list[str]] = ("", [])
) -> str:
    """Any answer, in the same blocks."""
    unit, groups = unit_for(plan), group_devices(plan)
    worst = fullest(groups)
    blocks = [
        _verdict(verdict_head(plan), bounds_note(plan)),
        bars_to_svg(plan, groups, unit, standalone=False),
        _ledger(worst, unit, named=len(groups) > 1),
        "".join(f"<p>{escaped(say(each))}</p>" for each in further_totals(plan, worst.first)),
        _way_out(plan),
        _facts(said),
        _listed(*log),
        _listed("Assumed", assumptions(plan)),
    ]
    return (
        '<div class="weighbridge" style="font:14px/1.45 system-ui,sans-serif;max-width:760px">'
        f"{''.join(blocks)}</div>"
    )


def _verdict(head: Head, note: str) -> str:
    details = "; ".join(say(each) for each in (head.detail, note) if each)
    return (
        f'<p style="margin:0 0 8px"><strong style="color:{_TONES[head.tone]};font-size:1.15em">'
        f"{head.mark} {escaped(say(head.word))}</strong> &#8194;{escaped(details)}</p>"
    )


def _facts(said: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="{_CELL};text-align:left;'
        f'font-weight:400;opacity:.7;vertical-align:top;white-space:nowrap">{escaped(say(name))}</th>'
        f'<td style="{_CELL};text-align:left"><bdi>{escaped(say(text))}</bdi></td></tr>'
        for name, text in said
    )
    return f'<table style="{_TABLE}">{rows}</table>'


def _ledger(group: Group, unit: Unit, *, named: bool) -> str:
    """The table of terms, each with the colour it has in the bar."""
    header = (f"peak, in {group.first.phase}", *headings(group, unit)[1:])
    caption = say(f"{group.numbered}, the fullest") if named else ""
    head = "".join(
        f'<th scope="col" style="{_CELL};text-align:{_side(column)};font-weight:400;opacity:.7;'
        f'border-bottom:{_LINE}">{escaped(say(name))}</th>'
        for column, name in enumerate(header)
    )
    body = "".join(_row(row) for row in ledger_rows(group, unit))
    top = (
        f'<caption style="text-align:left;padding:2px 10px">{escaped(caption)}</caption>'
        if caption
        else ""
    )
    return (
        f'<table style="{_TABLE};font-variant-numeric:tabular-nums">'
        f"{top}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _side(column: int) -> str:
    return "right" if column in {2, 3, 4} else "left"


def _row(row: Row) -> str:
    above = f";border-top:{_LINE}" if row.kind == "total" else ""
    weight = ";font-weight:600" if row.kind == "total" else ""
    cells = []
    for column, text in enumerate(row.cells):
        swatch = _swatch(row) if column == 0 else ""
        tag = 'th scope="row"' if column == 0 else "td"
        plain = "" if weight or column else ";font-weight:400"
        style = f"{_CELL};text-align:{_side(column)};white-space:nowrap{above}{weight}{plain}"
        cells.append(f'<{tag} style="{style}">{swatch}{escaped(say(text))}</{tag[:2]}>')
    return f'<tr style="background:none">{"".join(cells)}</tr>'


def _swatch(row: Row) -> str:
    """A square of the term's colour, or as much empty room."""
    colour = look(row.name).colour if row.kind == "term" else "transparent"
    return (
        '<span aria-hidden="true" style="display:inline-block;width:10px;height:10px;'
        f'margin-right:8px;background:{colour}"></span>'
    )


def _way_out(plan: Weighing) -> str:
    """What would make it fit; nothing where it fits."""
    if plan.fits is not False:
        return ""
    ways = ways_out(plan)
    if not ways:
        return f"<p>{escaped(say('To make it fit'))}: {escaped(say(NO_WAY_OUT))}</p>"
    takes, title = escaped(say("takes")), escaped(say("To make it fit"))
    rows = "".join(
        f"<li><code>{escaped(way.flag)}</code> {takes} {escaped(say(way.total))}: "
        f"{escaped(say(way.why))}</li>"
        for way in ways
    )
    return f"<p><strong>{title}</strong></p><ul>{rows}</ul>"


def _listed(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    rows = "".join(f"<li>{escaped(say(item))}</li>" for item in items)
    return f'<details open=""><summary>{escaped(say(title))}</summary><ul>{rows}</ul></details>'
