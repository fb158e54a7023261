"""The words of an answer in the reader's language.

The program speaks English; on its way out every sentence, label and heading passes :func:`say`,
which looks it up in the catalogue of the language in use: one JSON file per language, the English
words as keys. What stands in no catalogue stays English. In English nothing is looked up.

A key may have places: ``{n}``, ``{n2}`` stand for numbers with their units, which are written as
the language writes them; any other name stands for words, which are looked up in turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from weighbridge.errors import InputError

LANGUAGES = {"en": "English", "tr": "Türkçe", "fa": "فارسی", "zh": "中文"}
# What BCP 47 calls the digits of Persian: ``fa-u-nu-arabext``.
DIGITS = "u-nu-arabext"
_NATIVE = "fa-" + DIGITS
_spoken: ContextVar[str] = ContextVar("spoken", default="en")


def use(tag: str) -> None:
    """Speak the language of ``tag`` from here on: ``tr``, ``zh-CN``, ``fa-u-nu-arabext``."""
    found = language_of(tag)
    if found is None:
        known = ", ".join(f"{key} ({name})" for key, name in LANGUAGES.items())
        raise InputError(f"no catalogue of words for the language '{tag[:40]}'; there are {known}")
    _spoken.set(found)


def language() -> str:
    """The language in use, without what is said of its digits."""
    return _spoken.get()[:2]


def language_of(tag: str) -> str | None:
    """The catalogue that serves a tag such as ``zh_CN.UTF-8`` or ``tr-TR``; None where none does.

    >>> language_of("zh_CN.UTF-8"), language_of("fa-IR-u-nu-arabext"), language_of("xx")
    ('zh', 'fa-u-nu-arabext', None)
    """
    plain = tag.partition(".")[0].partition("@")[0].replace("_", "-").lower()
    short = plain.partition("-")[0]
    if short in {"c", "posix"}:
        return "en"
    if short not in LANGUAGES:
        return None
    return _NATIVE if short == "fa" and plain.endswith(DIGITS) else short


def of_environment(environ: Mapping[str, str]) -> str:
    """The language that the first of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` names, or English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return language_of(environ[name]) or "en"
    return "en"


def say(text: str) -> str:
    """``text`` in the language in use."""
    spoken = _spoken.get()
    if spoken == "en" or not text:
        return text
    from weighbridge.words.book import book

    return book(spoken[:2], native=spoken == _NATIVE).say(text)


def say_lines(text: str) -> str:
    """Each line of ``text`` in the language in use, behind its indent and its mark; commands that
    it shows stay as they are, and so does a line of which a part was said already."""
    spoken = _spoken.get()
    if spoken == "en":
        return text
    from weighbridge.words.book import book

    said = tuple(book(spoken[:2], native=spoken == _NATIVE).changed)
    return "\n".join(
        line if any(each in line for each in said) else _said_line(line)
        for line in text.split("\n")
    )


def _said_line(line: str) -> str:
    if _FLAG.match(line):
        return line
    body = line.lstrip(_BEFORE)
    number, dot, rest = body.partition(". ")
    if dot and number.isdecimal():
        body = rest
    if not body or body.startswith(_AS_IT_IS):
        return line
    return line[: len(line) - len(body)] + say(body)


_BEFORE, _AS_IT_IS = " ✓✗~○•-", ("$ ", "#", "{")
# The further lines of a command.
_FLAG = re.compile(" *--?[A-Za-z]")
_SENTENCES = ("because", "what", "why", "why_not", "assumes", "limit", "reason", "title", "detail",
              "note", "near", "fails")  # fmt: skip
_LISTS = ("here", "assumptions", "assumed", "notes", "reasons", "remarks")
# Counts whose names are reasons.
_COUNTED = ("left_out",)


def say_all(data: Any, key: str = "") -> Any:
    """The dicts of ``--json`` with their sentences in the language in use; numbers untouched."""
    if _spoken.get() == "en":
        return data
    if isinstance(data, Mapping):
        if key in _COUNTED:
            return {say(name): value for name, value in data.items()}
        return {name: say_all(value, name) for name, value in data.items()}
    if isinstance(data, list):
        return [say_all(value, key) for value in data]
    spoken = isinstance(data, str) and (key in _SENTENCES or key in _LISTS)
    return say(data) if spoken else data
