"""A sweep as a grid: contexts down, concurrencies across, totals in GiB."""

from __future__ import annotations

from weighbridge.search.sweep import Sweep
from weighbridge.show.tables import table
from weighbridge.units import format_bytes
from weighbridge.words import say


def sweep_rows(grid: Sweep) -> tuple[list[str], list[list[str]]]:
    """Header and rows; a total that does not fit carries a cross."""
    header = ["context", *(f"× {n:,}" for n in grid.concurrencies)]
    rows = []
    for i, context in enumerate(grid.contexts):
        cells = [
            format_bytes(total) + ("" if grid.fits is None or grid.fits[i][j] else " ✗")
            for j, total in enumerate(grid.totals[i])
        ]
        rows.append([f"{context:,}", *cells])
    return header, rows


def sweep_to_text(grid: Sweep) -> str:
    """The grid with a line on what it shows."""
    header, rows = sweep_rows(grid)
    said = f"{grid.model.id}: total at the peak by context and sequences at once"
    if grid.usable is not None:
        said += f"; ✗ is more than the {format_bytes(grid.usable)} usable"
    return f"{say(said)}\n\n{table(header, rows, 'r' * len(header))}"
