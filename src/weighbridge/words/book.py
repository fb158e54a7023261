"""One language's catalogue: English phrases with places, and what they are in that language."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files

from weighbridge.words.numbers import NUMBER, Writing, writing_of

PAGE = "page."
_PLACE = re.compile(r"\{(\w+)\}")
_JOINTS = (" · ", "; ", ": ", ", ")
_DEEPEST = 4
_LONGEST = 2000
_RIGHT_TO_LEFT = {"fa"}
_ISOLATE, _POP = "\u2068", "\u2069"
# Words of a place stay within their part of a row.
_WORDS = "(?:(?! · ).)+?"
_LATIN = re.compile("[A-Za-z0-9]")
_LETTER = re.compile("[A-Za-z]{2}")
_ARABIC = re.compile("[\u0600-\u06ff]")


class Book:
    """Looks phrases up; what it has found it remembers."""

    def __init__(self, language: str, *, native: bool = False) -> None:
        self.writing: Writing = writing_of(language, native=native)
        self.rtl = language in _RIGHT_TO_LEFT
        self.plain: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.changed: set[str] = set()
        templates = []
        for english, words in catalogue(language).items():
            if english.startswith(PAGE):
                continue
            if _PLACE.search(english):
                templates.append((english, words))
            else:
                self.plain[english] = words
        templates.sort(key=lambda each: -len(_PLACE.sub("", each[0])))
        self.patterns = [
            (pattern(english), not _LETTER.search(_PLACE.sub("", english)), words)
            for english, words in templates
        ]

    def say(self, text: str) -> str:
        """``text`` in this language; itself where nothing of it is known."""
        found = self.said.get(text)
        if found is None:
            found = self._look_up(text, 0)
            if found is None:
                found = self.writing.numbers(text)
            if len(self.said) < 20_000:
                self.said[text] = self.said[found] = found
                if found != text:
                    self.changed.add(found)
        return found

    def knows(self, text: str) -> bool:
        """Whether the whole of ``text`` is in the catalogue, or needs no translation."""
        return self._look_up(text, 0) is not None

    def _look_up(self, text: str, depth: int) -> str | None:
        core = text.strip(" ")
        if not core or len(core) > _LONGEST:
            return None
        if core != text:
            found = self._look_up(core, depth)
            return None if found is None else text.replace(core, found)
        if core in self.plain:
            return self.plain[core]
        if NUMBER.fullmatch(core):
            return self.writing.number(core)
        if depth >= _DEEPEST:
            return None
        return self._by_pattern(core, depth) or self._by_parts(core, depth)

    def _by_pattern(self, text: str, depth: int) -> str | None:
        for each, bare, words in self.patterns:
            match = each.fullmatch(text)
            if match:
                # A row of phrases is no phrase; its parts are looked up one by one.
                if bare and ("; " in text or not self._all_known(match, depth)):
                    continue
                values = {
                    name: self._value(value, depth) for name, value in match.groupdict().items()
                }
                return words.format_map(values)
        return None

    def _all_known(self, match: re.Match[str], depth: int) -> bool:
        return all(self._look_up(value, depth + 1) is not None for value in match.groups())

    def _value(self, text: str, depth: int) -> str:
        """What stands in a place: looked up in turn, isolated from the direction around it."""
        found = self._look_up(text, depth + 1)
        if found is not None and found != text:
            text = found
        foreign = self.rtl and _LATIN.search(text) and not _ARABIC.search(text)
        return f"{_ISOLATE}{text}{_POP}" if foreign else text

    def _by_parts(self, text: str, depth: int) -> str | None:
        """A row of phrases: each is looked up; at least one must be known."""
        for joint in _JOINTS:
            if joint in text:
                parts = text.split(joint)
                known = [self._look_up(part, depth + 1) for part in parts]
                if any(found not in {None, part} for found, part in zip(known, parts, strict=True)):
                    joined = [self._value(part, depth) if found is None else found
                              for part, found in zip(parts, known, strict=True)]  # fmt: skip
                    return self.writing.joint(joint).join(joined)
        return None


def pattern(english: str) -> re.Pattern[str]:
    """The phrase as an expression: ``{n}`` takes a number with its unit, other places any words."""
    parts, seen, end = [], set(), 0
    for place in _PLACE.finditer(english):
        parts.append(re.escape(english[end : place.start()]))
        name, end = place[1], place.end()
        kind = NUMBER.pattern if name.rstrip("0123456789") == "n" else _WORDS
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
        seen.add(name)
    return re.compile("".join([*parts, re.escape(english[end:])]))


@lru_cache(maxsize=8)
def book(language: str, *, native: bool = False) -> Book:
    """The catalogue of a language, read once."""
    return Book(language, native=native)


def catalogue(language: str) -> dict[str, str]:
    """Every key of a language with its words, those of the page included."""
    text = files("weighbridge.words").joinpath(f"{language}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found
