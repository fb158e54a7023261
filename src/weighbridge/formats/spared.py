"""Modules that a quantized checkpoint leaves in 16 bit, where its config names them by pattern.

ModelOpt writes shell patterns (``model.layers.*.self_attn*``), compressed-tensors names or, behind
``re:``, regular expressions. A config is not to be trusted with a regular expression: only the
parts that configs use (``.*``, ``\\.`` and alternatives in brackets) are understood, and an entry
with anything else is not applied. Nor is one that names single layers, such as
``model.layers.0.mlp.gate_proj``: a predicted tensor stands for all of its layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from weighbridge.formats.format import StorageFormat
from weighbridge.model.facts import Parameter
from weighbridge.records import fields_of, record

LEFT_ALONE = ("ignore", "exclude_modules", "modules_to_not_convert")
MAX_ENTRIES, MAX_PATTERNS, MAX_LENGTH, MAX_CHOICES = 4096, 128, 200, 32
_SHELL = re.compile(r"[\w.*{}-]+", re.ASCII)
_IN_LAYER = re.compile(r"^.*?(?:layers|blocks|h)\.(?:\*\.?|(\d+)\.)", re.ASCII)
_CHOICES = re.compile(r"\(([\w|]+)\)", re.ASCII)


@record(kw_only=True)
class Sparing(StorageFormat):
    """``inner`` for all that it touches but the modules that match one of ``patterns``."""

    inner: StorageFormat
    patterns: tuple[str, ...]

    def stores(self, parameter: Parameter) -> bool:
        """Whether the format stores it and no pattern spares it."""
        return self.inner.stores(parameter) and not self._spares(parameter)

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes of the parameter with all its copies."""
        if self._spares(parameter):
            return -(-parameter.elements * self.rest_bits // 8)
        return self.inner.bytes_of(parameter)

    def value_bytes(self, parameter: Parameter) -> int:
        """Bytes of the largest tensor that stores it: the values, without scales beside them."""
        if self._spares(parameter):
            return -(-parameter.elements * self.rest_bits // 8)
        return self.inner.value_bytes(parameter)

    def _spares(self, parameter: Parameter) -> bool:
        module = parameter.name.removesuffix(".weight").removesuffix(".bias")
        return any(
            fnmatchcase(module, pattern) or fnmatchcase(module, f"{pattern}.*")
            for pattern in self.patterns
        )


def sparing(storage: StorageFormat, quantization: Mapping[str, Any]) -> StorageFormat:
    """The format without the modules that the config leaves alone in all layers."""
    patterns = tuple(dict.fromkeys(_patterns(quantization)))[:MAX_PATTERNS]
    if not patterns:
        return storage
    own = {name: getattr(storage, name) for name in fields_of(StorageFormat)}
    return Sparing(**own, inner=storage, patterns=patterns)


def _patterns(quantization: Mapping[str, Any]) -> Iterator[str]:
    for key in LEFT_ALONE:
        listed = quantization.get(key)
        for entry in listed[:MAX_ENTRIES] if isinstance(listed, list) else ():
            if isinstance(entry, str) and len(entry) <= MAX_LENGTH:
                yield from _relative(entry)


def _relative(entry: str) -> Iterator[str]:
    """An entry as shell patterns over names inside a layer; none where it is not understood."""
    for pattern in _without_regex(entry):
        if not _SHELL.fullmatch(pattern):
            continue
        inside = _IN_LAYER.match(pattern)
        if inside is not None and inside[1] is not None:
            continue
        relative = pattern if inside is None else pattern[inside.end() :]
        if relative.strip("*."):
            yield relative


def _without_regex(entry: str) -> Iterator[str]:
    if not entry.startswith("re:"):
        yield entry
        return
    text = entry.removeprefix("re:").removeprefix("^").removesuffix("$")
    text = text.replace(".*", "*").replace("\\.", ".")
    choices = [each.split("|") for each in _CHOICES.findall(text)]
    several = 1
    for each in choices:
        several *= len(each)
    if several > MAX_CHOICES:
        return
    form = _CHOICES.sub("\0", text)
    for chosen in product(*choices):
        made = form
        for each in chosen:
            made = made.replace("\0", each, 1)
        yield made
