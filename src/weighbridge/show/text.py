"""Plan → the terminal's answer: verdict, what was weighed, bars, ledger, the way out."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.planner import Plan, Weighing
from weighbridge.show.bar import FREE, Bar
from weighbridge.show.labels import FREE as FREE_LOOK
from weighbridge.show.labels import LIMIT, label, look
from weighbridge.show.ledger import (
    Group,
    Row,
    Unit,
    common_scale,
    fullest,
    group_devices,
    headings,
    ledger_rows,
    ordered,
    unit_for,
)
from weighbridge.show.page import INDENT, Page, page_width
from weighbridge.show.style import painter
from weighbridge.show.summary import (
    NO_WAY_OUT,
    assumptions,
    bounds_note,
    facts,
    further_totals,
    logged,
    verdict_head,
    ways_out,
)
from weighbridge.show.tables import HEADER, RULE, Touch, table
from weighbridge.show.width import clean, display_width, pad, truncate
from weighbridge.term import spoken
from weighbridge.words import say

MOST_BARS = 16
_LEAST_BAR = 24
_COLUMNS_FROM = ((76, (0, 1, 2, 3, 4, 5)), (68, (0, 2, 3, 4, 5)), (0, (0, 2, 3, 5)))


def plan_to_text(
    plan: Plan, *, why: bool = False, colour: bool = False, width: int | None = None
) -> str:
    """The plan as a person reads it, within ``width`` columns (the terminal's up to 100).

    ``why`` opens every number: its formula, what was put in, and where it comes from.
    """
    page = Page(page_width(width), painter(colour))
    return answer_to_text(plan, facts(plan), page, log=logged(plan), why=why)


def answer_to_text(
    plan: Weighing,
    said: Sequence[tuple[str, str]],
    page: Page,
    *,
    log: tuple[str, list[str]] = ("", []),
    why: bool = False,
) -> str:
    """Any answer: verdict, what was weighed, the devices, the way out, what was assumed; ``log``
    is a title and lines that an engine would print."""
    unit, groups = unit_for(plan), group_devices(plan)
    blocks = [
        _verdict(plan, page),
        page.fields(list(said)),
        _devices(groups, unit, page) + "\n" + _further(plan, groups, page),
        _way_out(plan, page),
        page.bullets(*log),
        page.bullets("assumed", assumptions(plan)),
    ]
    if why:
        from weighbridge.show.why import why_to_text

        blocks.append(why_to_text(plan, groups, page))
    return "\n\n".join(block.rstrip("\n") for block in blocks if block)


def _verdict(plan: Weighing, page: Page) -> str:
    head = verdict_head(plan)
    word = f"{head.mark} {say(head.word)}"
    details = [say(each) for each in (head.detail, bounds_note(plan)) if each]
    shown = page.paint(word, head.tone)
    if len(details) == 1 and display_width(f"{word}  {details[0]}") <= page.width:
        return f"{shown}  {details[0]}"
    return "\n".join([shown, *(page.paragraph(each) for each in details)])


def _devices(groups: Sequence[Group], unit: Unit, page: Page) -> str:
    if len(groups) == 1:
        return _one_group(groups[0], unit, page)
    shown = groups[:MOST_BARS]
    lines = _bar_rows(shown, common_scale(groups), unit, page)
    if len(groups) > len(shown):
        left = sum(group.count for group in groups[len(shown) :])
        lines.append(INDENT + say(f"and {left:,} more devices"))
    lines += _legend(groups, page)
    worst = fullest(groups)
    title = say(f"{worst.numbered}, the fullest")
    return "\n".join(lines) + "\n\n" + _ledger(worst, title, unit, page)


def _one_group(group: Group, unit: Unit, page: Page) -> str:
    title = say(clean(group.title) + (", each" if group.count > 1 else ""))
    right = say(group.numbers(unit))
    left = truncate(title, page.inner - len(right) - 2)
    heading = INDENT + page.paint(pad(left, page.inner - len(right)), "strong") + right
    bar = group.bar(page.inner - 1)
    lines = [heading, INDENT + _drawn(bar, page), *_overflow_line(group, bar, unit, page)]
    return "\n".join(lines) + "\n\n" + _ledger(group, "", unit, page)


def _overflow_line(group: Group, bar: Bar, unit: Unit, page: Page) -> list[str]:
    """Under an overflowing bar: where the usable memory ends and how much stands beyond."""
    if not bar.overflow or bar.limit_cells is None:
        return []
    usable = say(f"{unit.text(group.first.usable)} {unit.name} usable")
    before = f"{usable} ↑"
    beyond = say(f"{unit.text(bar.overflow)} {unit.name} beyond")
    end = bar.limit_cells + 1
    after = f"↑ {usable} · {beyond}"
    if len(before) <= end and end + 2 + len(beyond) <= page.inner:
        line = f"{before:>{end}}  {beyond}"
    elif end + len(after) <= page.inner + 1:
        line = " " * (end - 1) + after
    else:
        line = f"{beyond} · {before}".rjust(end)
    return [INDENT + page.paint(line, "bad")]


def _drawn(bar: Bar, page: Page) -> str:
    """The cells of a bar with the limit as a line between them; without a limit, no line."""
    before = "".join(_cells(bar, page, beyond=False))
    after = "".join(_cells(bar, page, beyond=True))
    if bar.limit_cells is None:
        return before
    line = page.paint(LIMIT, "bad" if bar.overflow else "strong")
    return f"{before}{line}{after}"


def _cells(bar: Bar, page: Page, *, beyond: bool) -> list[str]:
    drawn = []
    for piece in bar.pieces:
        if piece.beyond != beyond:
            continue
        if piece.name == FREE and beyond:
            drawn.append(" " * piece.cells)
        else:
            style = FREE_LOOK if piece.name == FREE else look(piece.name)
            drawn.append(page.paint(style.glyph * piece.cells, style.ansi))
    return drawn


def _bar_rows(groups: Sequence[Group], scale: int, unit: Unit, page: Page) -> list[str]:
    """Per group its name, its bar on the common scale, its numbers; on two lines where narrow."""
    titles = [group.numbered for group in groups]
    numbers = [say(group.numbers(unit)) for group in groups]
    marks = ["" if group.free is None or group.free >= 0 else " ✗" for group in groups]
    names, most = max(map(display_width, titles)), max(map(display_width, numbers))
    cells = page.inner - names - most - max(map(len, marks)) - 2 - 1 - 2
    tight = cells < _LEAST_BAR
    lines = []
    for group, title, number, mark in zip(groups, titles, numbers, marks, strict=True):
        drawn = _drawn(group.bar(page.inner - 1 if tight else cells, scale), page)
        each = f"{pad(number, most, 'right')}{page.paint(mark, 'bad')}"
        if tight:
            room = page.inner - most - 2 - 2
            lines += [
                f"{INDENT}{pad(truncate(title, room), room)}  {each}",
                (INDENT + drawn).rstrip(),
            ]
        else:
            lines.append(f"{INDENT}{pad(title, names)}  {drawn}  {each}")
    return lines


def _legend(groups: Sequence[Group], page: Page) -> list[str]:
    names = {term.name: group.vendor for group in groups for term in ordered(group.first.terms)}
    entries = [(look(name), say(label(name, vendor))) for name, vendor in names.items()]
    if groups[0].first.usable is not None:
        entries.append((FREE_LOOK, say(FREE_LOOK.label)))
    lines, used = [""], 0
    for style, words in entries:
        cells = display_width(words) + 4
        if used and used + cells > page.inner:
            lines.append("")
            used = 0
        lines[-1] += f"{page.paint(style.glyph, style.ansi)} {words}  "
        used += cells
    return [INDENT + line.rstrip() for line in lines]


def _ledger(group: Group, title: str, unit: Unit, page: Page) -> str:
    """The table of the terms at the peak, with swatches that explain the bar."""
    rows = ledger_rows(group, unit)
    columns = next(chosen for least, chosen in _COLUMNS_FROM if page.width >= least)
    names = (f"peak, in {spoken(group.first.phase)}", *headings(group, unit)[1:])
    body: list[Sequence[str]] = [
        (_swatch(row), *(row.cells[column] for column in columns)) for row in rows
    ]
    total = sum(row.kind == "term" for row in rows)
    body.insert(total, RULE)
    header = ("", *(names[column] for column in columns))
    align = "l" + "".join("llrrrl"[column] for column in columns)
    text = table(header, body, align, page.inner, touch=_touch(group, total, page))
    lines = [INDENT + page.paint(truncate(title, page.inner), "strong")] if title else []
    lines.append(page.indented(text))
    return "\n".join(lines)


def _further(plan: Weighing, groups: Sequence[Group], page: Page) -> str:
    return "\n".join(page.paragraph(each) for each in further_totals(plan, fullest(groups).first))


def _swatch(row: Row) -> str:
    return look(row.name).glyph if row.kind == "term" else ""


def _touch(group: Group, total: int, page: Page) -> Touch:
    """Colours of the table: swatches in their own, the header faint, the total strong."""
    terms = ordered(group.first.terms)
    tone = "bad" if (group.free or 0) < 0 else "good"

    def touch(row: int, column: int, text: str) -> str:
        if row == HEADER:
            return page.paint(text, "faint")
        if row < total:
            return page.paint(text, look(terms[row].name).ansi) if column == 0 else text
        if row == total + 1:
            return page.paint(text, "strong")
        return page.paint(text, tone) if row == total + 3 else text

    return touch


def _way_out(plan: Weighing, page: Page) -> str:
    """What would make it fit; nothing where it fits."""
    if plan.fits is None:
        return page.paragraph("add --on CARD to see whether it fits", style="hint")
    if plan.fits:
        return ""
    ways = ways_out(plan)
    if not ways:
        return page.paragraph(f"{say('To make it fit')}: {say(NO_WAY_OUT)}")
    rows = [(way.flag, way.total, way.why) for way in ways]

    def touch(row: int, column: int, text: str) -> str:
        return page.paint(text, "hint") if row != HEADER and column == 0 else text

    text = table(("To make it fit", "takes", "because"), rows, "lrl", page.inner, touch=touch)
    return page.indented(text)
