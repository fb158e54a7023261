"""How a language writes numbers and joins phrases."""

from __future__ import annotations

import re
from typing import NamedTuple

_AMOUNT = r"[+\-−~<>≤≥±]?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?"
_UNIT = r"(?: ?(?:[KMGTPE]i?B(?:/s)?|bytes|B|kB|ms|µs|s|h|min|%|×|x|W|TFLOPS|TFLOP/s|GHz))?"
NUMBER = re.compile(rf"{_AMOUNT}{_UNIT}(?:[–-]{_AMOUNT}{_UNIT})?")
# Within a sentence that is not known: no versions, names or dates.
_LOOSE = re.compile(r"(?<![\w.:/=\-])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w.])|"
                    r"(?<![\w.:/=\-])\d+\.\d+(?![\w.\-])")  # fmt: skip
_PERCENT = re.compile(r"([\d.,]+) ?%")
_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


class Writing(NamedTuple):
    """The marks of decimals and thousands, words of units, and marks between phrases."""

    decimal: str = "."
    thousands: str = ","
    units: tuple[tuple[str, str], ...] = ()
    joints: tuple[tuple[str, str], ...] = ()
    digits: bool = False
    percent_first: bool = False

    def number(self, text: str) -> str:
        """A number with its unit: ``1,024.5 MiB`` is ``1.024,5 MiB`` in Turkish."""
        for unit, word in self.units:
            text = text.replace(unit, word)
        marks = str.maketrans({".": self.decimal, ",": self.thousands})
        text = text.translate(marks)
        if self.percent_first:
            text = _PERCENT.sub(r"%\1", text)
        return text.translate(_DIGITS) if self.digits else text

    def numbers(self, text: str) -> str:
        """The same for the numbers within other words, where they are surely numbers."""
        return _LOOSE.sub(lambda match: self.number(match[0]), text)

    def joint(self, english: str) -> str:
        """What stands between phrases."""
        return dict(self.joints).get(english, english)


_WRITINGS = {
    "tr": Writing(",", ".", (("bytes", "bayt"),), percent_first=True),
    "fa": Writing(units=(("bytes", "بایت"),), joints=((", ", "، "), ("; ", "؛ "))),
    "zh": Writing(units=(("bytes", "字节"),), joints=((", ", "，"), ("; ", "；"), (": ", "："))),
}


def writing_of(language: str, *, native: bool = False) -> Writing:
    """How the language writes; ``native`` asks for its own digits."""
    found = _WRITINGS.get(language, Writing())
    return found._replace(decimal="٫", thousands="٬", digits=True) if native else found
