"""Every entry planned and judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.check.entries import Entry, read_entries
from weighbridge.check.expectations import Outcome, judge
from weighbridge.errors import InputError
from weighbridge.planner import SCHEMA


class Checked(NamedTuple):
    """An entry with its outcomes; ``error`` is why it could not be planned at all."""

    entry: Entry
    outcomes: tuple[Outcome, ...]
    because: str
    error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether all that was expected is so."""
        return self.error is None and all(each.holds for each in self.outcomes)


class Report(NamedTuple):
    """What became of a file."""

    source: str
    checked: tuple[Checked, ...]

    @property
    def holds(self) -> bool:
        """Whether every entry holds."""
        return all(each.holds for each in self.checked)

    @property
    def broken(self) -> bool:
        """Whether an entry could not be planned."""
        return any(each.error is not None for each in self.checked)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON prints it."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "source": self.source,
            "holds": self.holds,
            "entries": [
                {
                    "kind": each.entry.kind,
                    "name": each.entry.name,
                    "holds": each.holds,
                    "because": each.because,
                    "error": each.error,
                    "expected": [dict(outcome._asdict()) for outcome in each.outcomes],
                }
                for each in self.checked
            ],
        }


def check_file(path: Path) -> Report:
    """Every entry of ``path``, planned and judged; a file that cannot be read is an error."""
    return Report(str(path), check_entries(read_entries(path)))


def check_entries(entries: Sequence[Entry]) -> tuple[Checked, ...]:
    """Each entry on its own: one that cannot be planned does not keep the others from it."""
    return tuple(_checked(entry) for entry in entries)


def _checked(entry: Entry) -> Checked:
    try:
        answer = _train(entry) if entry.kind == "train" else _plan(entry)
    except InputError as error:
        return Checked(entry, (), "", str(error))
    outcomes = tuple(judge(name, wanted, answer) for name, wanted in entry.expect.items())
    return Checked(entry, outcomes, answer["verdict"]["because"])


def _plan(entry: Entry) -> dict[str, Any]:
    from weighbridge.planner import plan_request
    from weighbridge.request import make_request

    model, options = entry.model, dict(entry.options)
    if entry.command is not None:
        model, options = _launched(entry.command, model, options)
    return plan_request(make_request(model or "", options)).to_dict()


def _launched(
    command: str, model: str | None, options: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    from weighbridge.launch import read_command
    from weighbridge.launch.settle import settle, words_of

    name, asked, _ = settle(read_command(words_of(command)), model, options)
    return name, asked


def _train(entry: Entry) -> dict[str, Any]:
    from weighbridge.request import make_training
    from weighbridge.training.planner import plan_training

    return plan_training(make_training(entry.model or "", dict(entry.options))).to_dict()
