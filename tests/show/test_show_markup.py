"""Markdown, HTML and SVG: complete, well-formed, and nothing of a hostile name gets through."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hand_made import CARD, EQUAL, PLANS, SEVERAL, device, model, plan, short

from weighbridge.planner import Plan, Remedy, Verdict
from weighbridge.show.html import plan_to_html
from weighbridge.show.labels import LOOKS, label
from weighbridge.show.markdown import plan_to_markdown
from weighbridge.show.svg import plan_to_svg

NAME = (
    "evil\x1b]0;t\x07\x1b[2J\u202e|`<script>alert('1')</script>\"><img src=x onerror=y>\n[a](j:x)"
)
RENDERINGS = {"html": plan_to_html, "svg": plan_to_svg, "markdown": plan_to_markdown}


def _hostile() -> Plan:
    cards = device(card=CARD._replace(name=NAME, visible_source=NAME))
    remedies = (Remedy(NAME, NAME, 1, NAME),)
    return plan((cards,), Verdict(False, True, NAME, remedies), model(NAME), (NAME,))


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("render", [plan_to_html, plan_to_svg], ids=["html", "svg"])
def test_well_formed_and_self_contained(render: Callable[[Plan], str], name: str) -> None:
    text = render(PLANS[name])
    ElementTree.fromstring(text)
    assert "<script" not in text
    assert not re.search(r"""(href|src|url\(|@import)""", text)
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("render", [plan_to_html, plan_to_svg], ids=["html", "svg"])
def test_a_hostile_name_stays_text(render: Callable[[Plan], str]) -> None:
    text = render(_hostile())
    tags = {element.tag.split("}")[-1] for element in ElementTree.fromstring(text).iter()}
    assert not tags & {"script", "img"}
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", text)


def test_a_hostile_name_stays_text_in_markdown() -> None:
    text = plan_to_markdown(_hostile())
    assert "<" not in text.replace("&lt;", "")
    assert "](" not in text.replace("\\](", "")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    for line in text.split("\n"):
        if line.startswith("|"):
            bare = re.sub(r"\\.", "", line)
            assert bare.count("|") in {4, 7}


@pytest.mark.parametrize("render", RENDERINGS.values(), ids=RENDERINGS)
@pytest.mark.parametrize("name", PLANS)
def test_every_rendering_says_the_verdict(render: Callable[[Plan], str], name: str) -> None:
    shown = PLANS[name]
    words = {True: "fits", False: "does not fit", None: "no card named"}
    assert words[shown.fits] in render(shown)


def test_the_bar_has_words_for_a_screen_reader() -> None:
    text = plan_to_svg(plan())
    assert 'role="img"' in text
    assert 'aria-label="org/Model-8B: fits; ' in text
    assert "<title>KV cache: 1.00 GiB, prefill</title>" in text
    assert "<title>free: 6.16 GiB</title>" in text


def test_the_pieces_of_the_picture_have_their_exact_lengths() -> None:
    root = ElementTree.fromstring(plan_to_svg(plan()))
    bars = [e for e in root.iter() if e.tag.endswith("rect") and e.get("height") == "26"]
    ends = float(bars[-1].get("x", "")) + float(bars[-1].get("width", ""))
    assert ends == pytest.approx(720, abs=1.01)
    assert float(bars[0].get("width", "")) == pytest.approx(720 * 15_317 / 24_081, abs=1.01)


def test_overflow_is_framed() -> None:
    assert "5.64 GiB beyond" in plan_to_svg(short())
    assert "beyond" not in plan_to_svg(plan())


def test_several_devices() -> None:
    assert plan_to_svg(SEVERAL).count("<line") == 3
    assert "8 × Card 24, each" in plan_to_html(EQUAL)


def test_ways_out_are_listed() -> None:
    assert "<code>--weights nf4</code>" in plan_to_html(PLANS["short_with_ways_out"])
    assert "no single option" in plan_to_html(short())
    assert "no single option" in plan_to_markdown(short())


def test_every_term_has_a_look_of_its_own() -> None:
    from weighbridge.term import NAMES

    assert set(LOOKS) == set(NAMES)
    for part in ("label", "glyph", "letter", "colour"):
        assert len({getattr(each, part) for each in LOOKS.values()}) == len(LOOKS)
    assert label("new_term") == "new term"
