"""A row of the store: one document, its digest, and what lists of rows show of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from os.path import basename
from typing import Any, NamedTuple, NoReturn

from weighbridge.errors import StoreError
from weighbridge.measure.record import from_dict
from weighbridge.model.bounded import json_fault, unique_keys
from weighbridge.term import NAMES

SCHEMA = 1
LONGEST = 64 * 2**20


class Row(NamedTuple):
    """One document: ``text`` is its JSON as it was written; ``digest`` names its content."""

    digest: str
    kind: str
    text: str
    engine: str = ""
    model: str = ""
    card: str = ""
    source: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """The document."""
        found: dict[str, Any] = json.loads(self.text)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The row without its document."""
        return {name: value for name, value in self._asdict().items() if name != "text"}


def digest_of(record: Mapping[str, Any]) -> str:
    """SHA-256 of a document, whatever the order of its keys and the spaces of its text."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def row_of(record: Mapping[str, Any], source: str) -> Row:
    """The row of a document. Raises StoreError where it is of no kind, or not whole."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{source}: a record is no JSON: {error}") from None
    return parse_row(text, source, source)


def parse_row(text: str, where: str, source: str) -> Row:
    """The row of a line. Raises StoreError that begins with ``where``."""
    if len(text) > LONGEST:
        raise StoreError(f"{where} is longer than {LONGEST >> 20} MiB")
    try:
        text.encode()
        record = json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where} is not JSON: {json_fault(error)}") from None
    try:
        kind = kind_of(record)
        engine, model, card = KINDS[kind](record)
    except ValueError as error:
        raise StoreError(f"{where}: {str(error)[:300]}") from None
    # A benchmark is its content: the same file under another name is the same row.
    named = {k: v for k, v in record.items() if k != "name"} if kind == "benchmark" else record
    shown = (each[:200].replace("\0", "") for each in (engine, model, card, basename(source)))
    return Row(digest_of(named), kind, text, *shown)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def kind_of(record: Any) -> str:
    """The kind of a document; ValueError where it has none, or is newer than this program."""
    if not isinstance(record, dict):
        raise ValueError("a record is an object")
    if record.get("kind") not in KINDS:
        raise ValueError(f"its kind is none of {', '.join(KINDS)}")
    schema = record.get("schema")
    if isinstance(schema, bool) or schema != SCHEMA:
        raise ValueError(f"its schema is {str(schema)[:20]}, and {SCHEMA} is what is known here")
    return str(record["kind"])


Shown = tuple[str, str, str]


def _measurement(record: dict[str, Any]) -> Shown:
    found = from_dict(record)
    names = ("transformers", "torch")
    engine = next((f"{name}=={found.versions[name]}" for name in names if name in found.versions),
                  "")  # fmt: skip
    return engine, str(found.point.get("model", "")), str(found.machine.get("card") or "")


def _log(record: dict[str, Any]) -> Shown:
    """An observation of a log, as ``weigh log`` writes it."""
    for name in ("engine", "version", "model"):
        if not isinstance(record.get(name), str):
            raise ValueError(f"{name} is no text")
    if not isinstance(record.get("settings"), dict) or not isinstance(record.get("cards"), list):
        raise ValueError("settings are no object, or cards no list")
    terms = record.get("terms")
    if not isinstance(terms, list):
        raise ValueError("terms are no list")
    for term in terms:
        _check_term(term)
    version = record["version"]
    engine = record["engine"] + (f"=={version}" if version else "")
    return engine, record["model"], ", ".join(str(each) for each in record["cards"])


def _check_term(term: Any) -> None:
    if not isinstance(term, dict) or term.get("name") not in NAMES:
        raise ValueError("a term has a name that no ledger has")
    sizes = [term.get(key) for key in ("low", "bytes", "high", "device")]
    if any(isinstance(size, bool) or not isinstance(size, int) for size in sizes):
        raise ValueError(f"a size of {term['name']} is no whole number")
    if not sizes[0] <= sizes[1] <= sizes[2]:  # type: ignore[operator]
        raise ValueError(f"the bounds of {term['name']} do not hold its bytes")


def _benchmark(record: dict[str, Any]) -> Shown:
    from weighbridge.measure.store.benchmarks import identity

    return identity(record)


KINDS: dict[str, Callable[[dict[str, Any]], Shown]] = {
    "measurement": _measurement,
    "log": _log,
    "benchmark": _benchmark,
}
