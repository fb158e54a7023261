"""When to colour, and what a poor terminal gets."""

from __future__ import annotations

import io

import pytest
from hand_made import PLANS

from weighbridge.show.style import encodable, painter, wants_colour
from weighbridge.show.text import plan_to_text
from weighbridge.show.width import display_width


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": "0"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm"}, True, True),
    ],
)
def test_wants_colour(environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_colour(Terminal() if terminal else io.StringIO(), environ) is wanted


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert wants_colour(stream, {}) is False


def test_painter() -> None:
    assert painter(colour=False)("x", "good") == "x"
    assert painter(colour=True)("x", "good") == "\x1b[1;32mx\x1b[0m"
    assert painter(colour=True)("", "good") == ""


@pytest.mark.parametrize(
    "encoding", ["ascii", "cp437", "cp1252", "latin-1", "gbk", "no-such", None]
)
@pytest.mark.parametrize("name", PLANS)
def test_every_terminal_can_print_it(name: str, encoding: str | None) -> None:
    text = plan_to_text(PLANS[name], why=True, width=80)
    poor = encodable(text, encoding)
    poor.encode("ascii" if encoding in {"no-such", None} else encoding)
    assert [display_width(a) for a in poor.split("\n")] == [
        display_width(b) for b in text.split("\n")
    ]


def test_what_can_be_printed_is_left_alone() -> None:
    text = plan_to_text(PLANS["fits"], width=80)
    assert encodable(text, "utf-8") == text


def test_a_bar_reads_in_letters() -> None:
    assert encodable("█▓▒┃·", "ascii") == "#KA|-"
