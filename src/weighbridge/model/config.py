"""config.json, read with checked look-ups that remember which key answered.

A family asks for a fact by the names that configs have used for it; the first key that is
present answers, a value that no model can have is refused with its key and place, and
:attr:`Config.answers` keeps ``fact → "key = value"`` for ``--why``.

A key that is present and null is an answer of its own ("there is none"), never the same as a
missing key: Mistral-7B-v0.3 says ``"sliding_window": null`` where the class default is 4096.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import ConfigError

MISSING: Any = object()
LAYERS, WIDTH, COUNT, VOCABULARY, POSITIONS = 2**14, 2**20, 2**17, 2**25, 2**31


class Config:
    """A config.json (or a section of one) with the place it came from.

    ``raw`` is the parsed object, ``where`` names it in errors, and ``answers`` collects which key
    answered each fact, across all sections.
    """

    def __init__(
        self, raw: Mapping[str, Any], where: str, answers: dict[str, str] | None = None
    ) -> None:
        self.raw = raw
        self.where = where
        self.answers: dict[str, str] = {} if answers is None else answers

    def has(self, key: str) -> bool:
        """Whether the key is present, even with null."""
        return key in self.raw

    def section(self, *keys: str) -> Config | None:
        """The first nested object under one of ``keys``, sharing this config's answers."""
        for key in keys:
            value = self.raw.get(key)
            if isinstance(value, Mapping):
                return Config(value, f"{self.where} → {key}", self.answers)
        return None

    def sections(self, key: str) -> tuple[Config, ...] | None:
        """A list of nested objects, such as ``block_configs``; None where it is missing."""
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise self.refuse(key, "is not a list of objects")
        if len(value) > LAYERS:
            raise self.refuse(key, f"has more than {LAYERS:,} entries")
        return tuple(
            Config(item, f"{self.where} → {key}[{place}]", self.answers)
            for place, item in enumerate(value)
        )

    def refuse(self, key: str, problem: str) -> ConfigError:
        """An error that names the key, its value and the place."""
        shown = repr(self.raw.get(key))
        shown = shown if len(shown) <= 60 else shown[:57] + "…"
        return ConfigError(f"{self.where}: {key} = {shown} {problem}")

    def _find(self, fact: str, keys: tuple[str, ...], default: Any) -> tuple[str, Any]:
        for key in keys:
            if key in self.raw:
                value = self.raw[key]
                self.answers[fact] = f"{key} = {_short(value)}"
                return key, value
        if default is MISSING:
            names = " or ".join(keys)
            raise ConfigError(f"{self.where}: {names} is missing, and {fact} cannot be known")
        self.answers[fact] = f"{keys[0]} absent, default {_short(default)}"
        return keys[0], default

    def integer(
        self, fact: str, *keys: str, default: Any = MISSING, low: int = 1, high: int = WIDTH
    ) -> int:
        """A whole number between ``low`` and ``high``; null counts as missing."""
        present = tuple(key for key in keys if self.raw.get(key) is not None)
        key, value = self._find(fact, present or keys, default)
        if value is None and default is not MISSING:
            value = default
        return self._checked(key, value, low, high)

    def optional_integer(
        self, fact: str, *keys: str, default: int | None = None, low: int = 0, high: int = WIDTH
    ) -> int | None:
        """A whole number, or None where the key says null; a missing key gives ``default``."""
        key, value = self._find(fact, keys, default)
        return None if value is None else self._checked(key, value, low, high)

    def _checked(self, key: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, "is not a whole number")
        if not low <= value <= high:
            raise self.refuse(key, f"is outside {low:,} … {high:,}")
        return value

    def number(self, fact: str, key: str, *, high: float = 1e6) -> float:
        """A finite number above 0, such as a width's multiple."""
        _, value = self._find(fact, (key,), MISSING)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, "is not a number")
        if not 0 < value <= high:
            raise self.refuse(key, f"is outside 0 … {high:,.0f}")
        return float(value)

    def boolean(self, fact: str, *keys: str, default: bool) -> bool:
        """True or false; null counts as the default."""
        key, value = self._find(fact, keys, default)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, "is not true or false")
        return value

    def text(self, fact: str, *keys: str, default: str | None = None) -> str | None:
        """A string, or the default where the key is missing or null."""
        key, value = self._find(fact, keys, default)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 200:
            raise self.refuse(key, "is not a short text")
        return value

    def names(self, fact: str, *keys: str) -> tuple[str, ...] | None:
        """A list of strings, such as ``layer_types``; None where it is missing or null."""
        key, value = self._find(fact, keys, None)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refuse(key, "is not a list of names")
        if len(value) > LAYERS:
            raise self.refuse(key, f"has more than {LAYERS:,} entries")
        return tuple(value)

    def integers(self, fact: str, *keys: str) -> tuple[int, ...] | None:
        """A list of whole numbers of 0 or more; None where it is missing or null."""
        key, value = self._find(fact, keys, None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) > LAYERS:
            raise self.refuse(key, "is not a list of whole numbers")
        return tuple(self._checked(key, item, 0, WIDTH) for item in value)

    def dtype(self) -> str | None:
        """The dtype the config states (``dtype``, older ``torch_dtype``), as fp32/bf16/fp16."""
        stated = self.text("dtype", "dtype", "torch_dtype")
        return None if stated is None else DTYPES.get(stated.removeprefix("torch."))


DTYPES = {
    "float32": "fp32",
    "float": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
}


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) > 4:
        return f"[{value[0]!r}, … {len(value)} entries]"
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"
