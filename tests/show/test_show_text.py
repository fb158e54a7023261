"""The terminal's answer: golden pages, widths, verdict words, several devices."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hand_made import CARD, EQUAL, NO_CARD, PLANS, SEVERAL, device, model, plan, short

from weighbridge.planner import Plan, Verdict
from weighbridge.show.markdown import plan_to_markdown
from weighbridge.show.text import MOST_BARS, plan_to_text
from weighbridge.show.width import clean, display_width

GOLDEN = Path(__file__).parent / "golden"
PAGES = {
    f"{name}.txt": (lambda p: plan_to_text(p, width=88) + "\n", p) for name, p in PLANS.items()
}
PAGES["fits_60.txt"] = (lambda p: plan_to_text(p, width=60) + "\n", PLANS["fits"])
PAGES["several_60.txt"] = (lambda p: plan_to_text(p, width=60) + "\n", SEVERAL)
PAGES["fits_why.txt"] = (lambda p: plan_to_text(p, why=True, width=88) + "\n", PLANS["fits"])
PAGES["several.md"] = (plan_to_markdown, SEVERAL)
PAGES["short_with_ways_out.md"] = (plan_to_markdown, PLANS["short_with_ways_out"])


@pytest.mark.parametrize("page", PAGES)
def test_page_is_as_kept(page: str) -> None:
    """``UPDATE_GOLDEN=1 pytest tests/show`` writes the pages anew; read the difference."""
    render, shown = PAGES[page]
    text, path = render(shown), GOLDEN / page
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_no_line_is_wider_than_asked(name: str, colour: bool) -> None:
    for width in (*range(60, 125), 160, 200):
        text = plan_to_text(PLANS[name], why=True, width=width, colour=colour)
        widest = max(display_width(clean(line)) for line in text.split("\n"))
        assert widest <= width, f"{widest} cells at {width}"


@pytest.mark.parametrize("name", PLANS)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    plain = plan_to_text(PLANS[name], why=True, width=90)
    coloured = plan_to_text(PLANS[name], why=True, width=90, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured).split("\n")
    assert [line.rstrip() for line in stripped] == plain.split("\n")


@pytest.mark.parametrize("name", PLANS)
def test_no_line_ends_in_spaces(name: str) -> None:
    assert not re.search(r" +$", plan_to_text(PLANS[name], why=True, width=90), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("fits", "✓ fits  "),
        ("short", "✗ does not fit"),
        ("no_card", "○ no card named  17.36 GiB at the peak in prefill"),
        ("unsure", "~ fits, but the upper bound does not"),
        ("nearly", "✗ does not fit, though the lower bound would"),
    ],
)
def test_verdict_comes_first(name: str, first: str) -> None:
    assert plan_to_text(PLANS[name], width=100).startswith(first)


def test_ways_out_name_the_flag_and_the_value() -> None:
    text = plan_to_text(PLANS["short_with_ways_out"], width=100)
    assert "--weights nf4" in text
    assert "--max-model-len 2048" in text


def test_no_way_out_is_said() -> None:
    assert "no single option" in plan_to_text(short(), width=100)
    assert "To make it fit" not in plan_to_text(plan(), width=100)


def test_no_card_asks_for_one_and_shows_no_limit() -> None:
    text = plan_to_text(NO_CARD, width=100)
    assert "--on CARD" in text
    assert "┃" not in text
    assert "usable" not in text
    assert "device context" in text


def test_the_context_is_named_after_the_maker() -> None:
    assert "CUDA context" in plan_to_text(plan(), width=100)
    other = plan((device(card=CARD._replace(vendor="AMD")),))
    assert "device context" in plan_to_text(other, width=100)


def test_devices_that_print_the_same_stand_together() -> None:
    text = plan_to_text(EQUAL, width=100)
    assert "8 × Card 24, each" in text
    assert "over all 8 devices: 89.5" in text
    assert "1–6: 6 × Card 24" in plan_to_text(SEVERAL, width=100)


def test_active_parameters_are_shown_where_they_differ() -> None:
    assert "active per token" in plan_to_text(SEVERAL, width=100)
    assert "active per token" not in plan_to_text(plan(), width=100)


def test_many_different_devices_are_cut_short() -> None:
    many = plan(tuple(device(n, weights=(1000 + 50 * n) << 20) for n in range(40)))
    text = plan_to_text(many, width=100)
    assert text.count("┃") == MOST_BARS
    assert "and 24 more devices" in text


def test_a_hostile_name_cannot_command_the_terminal() -> None:
    text = plan_to_text(_hostile(), why=True, width=70)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert max(map(display_width, text.split("\n"))) <= 70


def _hostile() -> Plan:
    name = "evil\x1b]0;title\x07\x1b[2J\u202egnp.exe|<script>alert(1)</script>\n模型" * 3
    shown = replace(model(name), answers={name: name}, source=name)
    hostile = device(card=CARD._replace(name=name, visible_source=name))
    return plan((hostile,), Verdict(True, True, name), shown, (name,))


def test_the_terminal_decides_the_width_up_to_100(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("40", 60), ("72", 72), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        assert plan_to_text(plan()) == plan_to_text(plan(), width=width)
