"""Two ways to a database with one set of statements: sqlite3, and SQLAlchemy for every other.

Both read ``:name`` as a parameter. ``errors`` are what a caller may expect to go wrong.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from weighbridge.errors import StoreError

PATIENCE = 60.0
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
LOCK = 0x77656967  # of PostgreSQL: those who make the tables take turns
Parameters = Mapping[str, Any]


class Database(Protocol):
    """A connection: transactions that write, and statements."""

    dialect: str
    errors: tuple[type[Exception], ...]
    name: str

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """A transaction that is committed at its end, and undone where that is not reached."""

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """The rows of a question; none of a command."""

    def insert(self, sql: str, rows: Sequence[Parameters]) -> int:
        """How many of the rows went in."""

    def close(self) -> None:
        """Let go of it."""


class Sqlite:
    """A file of SQLite; one writer at a time, the others wait."""

    dialect = "sqlite"
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        # A kept row is on the disk; the journal is that of a single file, which any file system
        # has (a write-ahead log needs shared memory, which home folders of clusters lack).
        self._connection.execute("PRAGMA synchronous = FULL")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """``IMMEDIATE``: the lock is taken before anything is read."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """The rows of a question; none of a command."""
        return self._connection.execute(sql, parameters or {}).fetchall()

    def insert(self, sql: str, rows: Sequence[Parameters]) -> int:
        """How many of the rows went in."""
        return self._connection.executemany(sql, rows).rowcount

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class Alchemy:
    """A database behind a URL of SQLAlchemy."""

    errors: tuple[type[Exception], ...]

    def __init__(self, url: str) -> None:
        sqlalchemy = _sqlalchemy()
        try:
            made = sqlalchemy.engine.make_url(url)
            made = made.set(drivername=DRIVERS.get(made.drivername, made.drivername))
            self.name = str(made.render_as_string(hide_password=True))
            self._engine = sqlalchemy.create_engine(made)
        except (sqlalchemy.exc.ArgumentError, ValueError):
            raise StoreError(
                "the store's URL cannot be read; it is like postgresql://user@host/name"
            ) from None
        except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise StoreError(f"the database's driver is not installed: {error}") from None
        self.dialect = str(self._engine.dialect.name)
        self.errors = (sqlalchemy.exc.SQLAlchemyError, OSError)
        self._text, self._taken = sqlalchemy.text, sqlalchemy.exc.IntegrityError
        try:
            self._connection = self._engine.connect()
        except self.errors as error:
            self._engine.dispose()
            raise StoreError(f"{self.name} cannot be reached: {reason_of(error)}") from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """What was begun by reading ends first."""
        self._connection.rollback()
        with self._connection.begin():
            yield

    def query(self, sql: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """The rows of a question; none of a command."""
        result = self._connection.execute(self._text(sql), dict(parameters or {}))
        return [tuple(row) for row in result] if result.returns_rows else []

    def insert(self, sql: str, rows: Sequence[Parameters]) -> int:
        """How many of the rows went in."""
        if " ON " in sql:
            result = self._connection.execute(self._text(sql), [dict(row) for row in rows])
            return int(result.rowcount)
        return sum(self._insert_one(sql, row) for row in rows)

    def _insert_one(self, sql: str, row: Parameters) -> int:
        """A row of a database whose words for a known row are not in the table."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(self._text(sql), dict(row))
        except self._taken:
            return 0
        return 1

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
        self._engine.dispose()


def _sqlalchemy() -> Any:
    try:
        import sqlalchemy
        import sqlalchemy.exc
    except ImportError:
        raise StoreError(
            "a store behind a URL needs SQLAlchemy; pip install 'weighbridge[store]', or name a "
            "file, which is then SQLite"
        ) from None
    return sqlalchemy


def reason_of(error: Exception) -> str:
    """The first line of what a driver says, without SQLAlchemy's own remarks."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0][:300] if said else type(error).__name__


def connect(where: str, *, write: bool) -> Database | None:
    """The database at a path or URL; None where it is a file that is not there and not asked for.

    Raises StoreError where it cannot be reached.
    """
    if "://" in where and not where.startswith("sqlite:///"):
        return Alchemy(where)
    path = Path(where.removeprefix("sqlite:///") or "store.db").expanduser()
    try:
        if not path.exists():
            if not write:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise StoreError(f"the store {str(path)[:200]!r} is no file")
        return Sqlite(path)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise StoreError(f"the store {str(path)[:200]!r} cannot be opened: {error}") from None


def default_place() -> str:
    """``$WEIGHBRIDGE_STORE``, or a file in the folder where a user's data live."""
    named = os.environ.get("WEIGHBRIDGE_STORE")
    if named:
        return named
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    folder = Path(home) if home and os.path.isabs(home) else Path.home() / ".local" / "share"
    return str(folder / "weighbridge" / "store.db")
