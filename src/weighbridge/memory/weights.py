"""Weights: parameters × their storage format, or the bytes that the files' headers state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from weighbridge.formats.table import StorageFormat
from weighbridge.model.facts import Parameter


class Weighed(NamedTuple):
    """Bytes of parameters under a format, split by whether the format stores them."""

    in_format: int
    left_alone: int
    elements_in_format: int
    elements_left_alone: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.in_format + self.left_alone


def weigh_parameters(
    parameters: Iterable[tuple[Parameter, int]], storage: StorageFormat
) -> Weighed:
    """Bytes of ``parameters`` (each with the number of layers that hold it) in ``storage``."""
    inside = outside = inside_elements = outside_elements = 0
    for parameter, count in parameters:
        size = storage.bytes_of(parameter) * count
        if storage.stores(parameter):
            inside += size
            inside_elements += parameter.elements * count
        else:
            outside += size
            outside_elements += parameter.elements * count
    return Weighed(inside, outside, inside_elements, outside_elements)
