"""What other estimators get wrong, and by how much: our figure is the true one in every row."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.measure.accuracy.peers import ours, peer_rows

ROWS = peer_rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['peer']}: {row['model']}")
def test_our_figure_is_the_true_one(row: dict[str, Any]) -> None:
    assert ours(row) == row["true_bytes"]
    assert row["peer_bytes"] != row["true_bytes"]


def test_every_row_says_where_it_is_from() -> None:
    assert len(ROWS) == 31
    assert all(row["source"] and row["how"] in {"executed", "derived"} for row in ROWS)
