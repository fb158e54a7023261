"""The store: measurements, observations of logs and benchmark files, kept for the next prediction.

A row is one JSON document under the digest of its content, so that nothing is kept twice. Rows
live in SQLite (standard library) or behind any SQLAlchemy URL (extra ``store``), and travel as
lines of JSON, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.measure.store.lines import append
from weighbridge.measure.store.store import Added, Store, open_store

__all__ = ["Added", "Store", "append", "keep", "open_store"]


def keep(records: Sequence[Mapping[str, Any]], where: str = "", source: str = "") -> Added:
    """Keep records (dicts with ``schema`` and ``kind``) in the store at ``where``.

    ``where`` is a path or a URL, the user's own store where it is empty; ``source`` says what made
    them. They are on the disk when this returns; those that were there already count as known.
    """
    from weighbridge.measure.store.rows import row_of

    rows = [row_of(record, source or "a program") for record in records]
    with open_store(where, write=True) as store:
        return store.put(rows)
