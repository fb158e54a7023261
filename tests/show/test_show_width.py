"""Display width, cutting, padding and cleaning."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.show.width import clean, clusters, display_width, pad, truncate, wrap

TEXTS = st.text(max_size=60) | st.text(
    st.sampled_from("aB 中文模型é\u0301\u200c\u200d\ufe0f👩💻🏽🇮🇷می‌خواهم█·ﷺ"), max_size=40
)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("GiB", 3),
        ("模型权重", 8),
        ("ＧＰＵ", 6),
        ("ｶﾅ", 2),
        ("e\u0301", 1),
        ("a\u0300\u0316\u20dd", 1),
        ("حافظه", 5),
        ("می‌خواهم", 7),
        ("كِتَاب", 4),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),
        ("🦙", 2),
        ("👍🏽", 2),
        ("👩‍💻", 2),
        ("🇮🇷", 2),
        ("❤\ufe0f", 2),
        ("❤", 1),
        ("1\ufe0f\u20e3", 2),
        ("█▓▒░·┃×–✓✗", 10),
        ("a\x07b\n", 2),
    ],
)
def test_width(text: str, cells: int) -> None:
    assert display_width(text) == cells


@pytest.mark.parametrize(
    ("dirty", "text"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07name", "name"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jname", "name"),
        ("\x1b]unended", "unended"),
        ("\x1b(Bname\x1bc", "name"),
        ("a\u202eb\u2066c\u200ed", "abcd"),
        ("a\tb\nc\r", "a b c "),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("می‌خواهم", "می‌خواهم"),
        ("👩‍💻", "👩‍💻"),
        ("\ud800", "\ufffd"),
        ("tag\U000e0041", "tag"),
    ],
)
def test_clean(dirty: str, text: str) -> None:
    assert clean(dirty) == text


@given(TEXTS | st.text("\x1b[]0;mA\x9b\x9d\x07\\ c", max_size=80))
def test_clean_leaves_nothing_that_commands(text: str) -> None:
    cleaned = clean(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", cleaned)
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(TEXTS)
def test_clusters_are_the_text(text: str) -> None:
    assert "".join(cluster for cluster, _ in clusters(text)) == text


@given(TEXTS, st.integers(0, 30))
def test_truncate_keeps_within(text: str, width: int) -> None:
    cut = truncate(text, width)
    assert display_width(cut) <= width
    assert cut == text if display_width(text) <= width else cut.endswith("…") or width == 0


@given(TEXTS, st.integers(0, 80), st.sampled_from(["left", "right"]))
def test_pad_fills_exactly(text: str, width: int, align: str) -> None:
    padded = pad(text, width, align)
    assert display_width(padded) == max(width, display_width(text))


@given(TEXTS, st.integers(2, 30))
def test_wrap_keeps_within_and_loses_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(display_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_cleaning_is_linear() -> None:
    for start in ("\x1b]", "\x9d", "\x1b[", "\x9b0", "\x1bP"):
        assert len(clean(start * 200_000)) <= 400_000
