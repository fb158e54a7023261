"""The store itself: rows go in once, in one transaction, and come out in order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from weighbridge.errors import StoreError
from weighbridge.measure.store import database, schema
from weighbridge.measure.store.rows import Row

BATCH = 500
TRIALS = 6


class Added(NamedTuple):
    """Rows that are new to the store, and rows that it had."""

    new: int
    known: int


class Kept(NamedTuple):
    """A row as the store has it, and since when."""

    row: Row
    added: str


class Store:
    """Rows in a database. Every method raises StoreError where the database fails."""

    def __init__(self, base: database.Database | None) -> None:
        self._base = base
        self.name = "" if base is None else base.name
        if base is not None:
            try:
                with self._said():
                    _migrate(base)
            except BaseException:
                base.close()
                raise

    def put(self, rows: Sequence[Row]) -> Added:
        """Keep all of the rows or, where anything fails, none."""
        assert self._base is not None, "a store that is only read"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        unique = {row.digest: (place, row) for place, row in reversed([*enumerate(rows)])}
        # In one order of digests, so that writers of the same rows wait and do not deadlock.
        values = [
            {"digest": digest, "kind": row.kind, "body": row.text, "engine": row.engine,
             "model": row.model, "card": row.card, "source": row.source, "added": now,
             "place": place}
            for digest, (place, row) in sorted(unique.items())
        ]  # fmt: skip
        statement = schema.INSERT + schema.KNOWN.get(self._base.dialect, "")
        new = 0
        with self._said(), self._base.writing():
            for start in range(0, len(values), BATCH):
                new += self._base.insert(statement, values[start : start + BATCH])
        return Added(new, len(rows) - new)

    def rows(self, kind: str | None = None) -> list[Kept]:
        """Every row, or those of a kind, in the order in which they came."""
        if self._base is None:
            return []
        where = "" if kind is None else " WHERE kind = :kind"
        columns = "digest, kind, body, engine, model, card, source, added"
        order = " ORDER BY kind, added, place, digest"
        with self._said():
            found = self._base.query(f"SELECT {columns} FROM records{where}{order}",
                                     {} if kind is None else {"kind": kind})  # fmt: skip
        return [Kept(Row(*each[:7]), each[7]) for each in found]

    @property
    def version(self) -> int:
        """The version of its tables."""
        if self._base is None:
            return 0
        with self._said():
            return _version(self._base)

    def close(self) -> None:
        """Let go of the database."""
        if self._base is not None:
            self._base.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _said(self) -> Iterator[None]:
        assert self._base is not None
        try:
            yield
        except self._base.errors as error:
            raise StoreError(f"the store {self.name} fails: {database.reason_of(error)}") from None


def open_store(where: str = "", *, write: bool = False) -> Store:
    """The store at a path or URL, the user's own by default; made where it is to be written."""
    return Store(database.connect(where or database.default_place(), write=write))


def _version(base: database.Database) -> int:
    found: Any = base.query("SELECT MAX(version) FROM weighbridge_schema")[0][0]
    return int(found or 0)


def _migrate(base: database.Database) -> None:
    """Bring the tables to the newest version, one step at a time, beside others who do the same."""
    for trial in range(TRIALS):
        try:
            version = _version(base)
        except base.errors:
            version = -1
        if version > len(schema.STEPS):
            raise StoreError(
                f"the store {base.name} is of version {version}, and this program knows up to "
                f"{len(schema.STEPS)}; use a newer weighbridge"
            )
        if version == len(schema.STEPS):
            return
        try:
            _step(base, version)
        except base.errors:
            if trial == TRIALS - 1:
                raise
            time.sleep(0.05 * trial)  # another process was first, or is at it


def _step(base: database.Database, version: int) -> None:
    """One step; a store without tables (version -1) gets the table of versions first."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with base.writing():
        if base.dialect == "postgresql":
            base.query("SELECT pg_advisory_xact_lock(:lock)", {"lock": database.LOCK})
        if version < 0:
            base.query(schema.VERSIONS)
            return
        if _version(base) != version:
            return
        for statement in schema.STEPS[version]:
            base.query(statement.format(text=schema.TEXT.get(base.dialect, "TEXT")))
        base.query("INSERT INTO weighbridge_schema (version, applied) VALUES (:version, :now)",
                   {"version": version + 1, "now": now})  # fmt: skip
