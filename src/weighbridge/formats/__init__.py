"""Storage formats: how many bytes a weight of a given shape really takes.

One table row each (:mod:`weighbridge.formats.table`); the exact layouts of the formats that pack
scales beside the values are small pure functions in :mod:`weighbridge.formats.layouts`.
"""

from __future__ import annotations

from weighbridge.formats.table import FORMATS, StorageFormat, find_format

__all__ = ["FORMATS", "StorageFormat", "find_format"]
