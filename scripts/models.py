"""The catalogue as a document: `python -m scripts.models` writes docs/models.md.

The published total of a checkpoint counts every element in its files. It is reproduced where our
parameters, and what the row says that the files hold beside them, make exactly that number.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from scripts.report import ROOT, table, write, write_part
from weighbridge.model.catalog import Row, rows
from weighbridge.model.load import load_model

REPORT = ROOT / "docs" / "models.md"


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue with the parameters that its config makes."""

    row: Row
    parameters: int

    @property
    def beside(self) -> int:
        """Elements in the files that are no parameter, as far as they are known."""
        return sum(self.row.also_stored.values())

    @property
    def difference(self) -> int | None:
        """Published, less what we account for; None where nothing is published."""
        published = self.row.published
        return None if published is None else published - self.parameters - self.beside

    @property
    def packed(self) -> bool:
        """Whether the files hold several values to an element, so that they are no parameters."""
        return any(name.startswith("two ") for name in self.row.also_stored)

    @property
    def verdict(self) -> str:
        """What the comparison with the published total says."""
        if self.difference is None:
            return "none published"
        if self.row.published_rounded:
            return "a rounded figure"
        return "exact" if self.difference == 0 else f"{self.difference:+,}"


def entries() -> list[Entry]:
    """Every row of the catalogue, in the order of its ids."""
    found = [Entry(row, load_model(row.id).parameters) for row in rows()]
    return sorted(found, key=lambda entry: entry.row.id.lower())


def figures(every: list[Entry]) -> dict[str, int]:
    """How many there are of what."""
    stated = [entry for entry in every if entry.difference is not None]
    published = [entry for entry in stated if not entry.row.published_rounded]
    exact = [entry for entry in published if entry.difference == 0]
    return {
        "models in the catalogue": len(every),
        "architectures (`model_type`) among them": len({e.row.config["model_type"] for e in every}),
        "published totals of the elements in their files": len(published),
        "of these reproduced exactly": len(exact),
        "… by the parameters alone": sum(not entry.beside for entry in exact),
        "… with what the files hold beside them": sum(
            bool(entry.beside) and not entry.packed for entry in exact
        ),
        "… with values that the files pack, two to an element": sum(e.packed for e in exact),
        "not reproduced": len(published) - len(exact),
        "published figures that are rounded, and counted nowhere above": len(stated)
        - len(published),
    }


def sentence(every: list[Entry]) -> str:
    """What the README says of the catalogue."""
    found = list(figures(every).values())
    return (
        f"The catalogue has {found[0]} models of {found[1]} architectures. Of {found[2]} published "
        f"totals of their files, {found[3]} are reproduced exactly; "
        "[docs/models.md](docs/models.md) has every row, and the cause where one is not."
    )


def report(every: list[Entry]) -> str:
    """docs/models.md."""
    noted = [entry for entry in every if entry.difference or entry.row.published_note]
    return "\n\n".join(
        [
            "# Models of the catalogue",
            "Written by `scripts/models`; do not edit. Parameters are counted from each model's "
            "config; the published total counts every element in its files, buffers and scales "
            "included. Where a config was reconstructed, or a class default taken, its agreement "
            "with the published total is also what speaks for that config.",
            table(("what", "count"), [(name, f"{n:,}") for name, n in figures(every).items()]),
            "## Not reproduced, or with a remark",
            table(
                ("model", "published", "parameters", "left over", "cause"),
                [_remark(entry) for entry in noted if not entry.row.published_rounded],
            ),
            "## Published figures that are no counts",
            table(
                ("model", "published", "parameters", "what the figure is"),
                [_figure(entry) for entry in every if entry.row.published_rounded],
            ),
            "## How the configs are known",
            table(("source of the config", "models"), _sources(every)),
            "## Every model",
            table(
                ("model", "type", "parameters", "published total", "compared", "also in the files"),
                [_line(entry) for entry in every],
            ),
            "",
        ]
    )


def _remark(entry: Entry) -> tuple[str, ...]:
    row = entry.row
    return (
        row.id,
        "" if row.published is None else f"{row.published:,}",
        f"{entry.parameters:,}",
        entry.verdict,
        _cell(row.published_note or "not known"),
    )


def _figure(entry: Entry) -> tuple[str, ...]:
    model, published, parameters, _, cause = _remark(entry)
    return model, published, parameters, cause


def _sources(every: list[Entry]) -> list[tuple[str, str]]:
    counted: dict[str, int] = {}
    for entry in every:
        known_by = entry.row.known_by.split(":")[0]
        known_by = "same shape as another row" if known_by.startswith("same shape") else known_by
        counted[known_by] = counted.get(known_by, 0) + 1
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return [(_cell(known_by), f"{count:,}") for known_by, count in ordered]


def _line(entry: Entry) -> tuple[str, ...]:
    row = entry.row
    also = [f"{name} {count:,}" for name, count in row.also_stored.items()]
    return (
        row.id,
        row.config["model_type"],
        f"{entry.parameters:,}",
        "" if row.published is None else f"{row.published:,}",
        "" if row.published is None else entry.verdict,
        _cell("; ".join(also)),
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Print the summary, and write or compare the document and the README's sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare with the files; change nothing"
    )
    check = parser.parse_args().check
    every = entries()
    for name, count in figures(every).items():
        print(f"{count:6,}  {name}")
    same = write(REPORT, report(every), check=check)
    same &= write_part("models", sentence(every), check=check)
    if not same:
        print("docs/models.md or the README's sentence is not what the program says; "
              "run scripts/models", file=sys.stderr)  # fmt: skip
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
