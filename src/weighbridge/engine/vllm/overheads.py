"""What lies beside weights, activations and cache: NCCL and other bytes outside torch, graphs.

Figures are medians and ranges of published logs by version and number of ranks (GiB in hundredths;
n is small everywhere). No closed form is known: NCCL's buffers depend on the links, and a graph's
size is a difference of free memory.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.estimate import Estimate
from weighbridge.engine.vllm.setup import Setup
from weighbridge.engine.vllm.versions import Version
from weighbridge.units import GIB

LOGS = "published vLLM logs, lines 'non_torch_memory' and 'Graph capturing finished'"


class Row(NamedTuple):
    """From which version and number of ranks on, hundredths of a GiB: typical, low, high."""

    version: Version
    ranks: int
    typical: int
    low: int
    high: int


# Later rows of one version are for more ranks; the last row that applies counts.
OUTSIDE_TORCH: tuple[Row, ...] = (
    Row((0, 0, 0), 1, 179, 26, 190),
    Row((0, 0, 0), 2, 358, 130, 380),
    Row(versions.CLEAN_PROFILER, 1, 5, 2, 16),
    Row(versions.CLEAN_PROFILER, 2, 80, 20, 145),
    Row(versions.CLEAN_PROFILER, 8, 210, 15, 270),
    Row(versions.V1, 1, 13, 1, 20),
    Row(versions.V1, 2, 55, 20, 145),
    Row(versions.V1, 4, 100, 20, 200),
    Row(versions.V1, 8, 210, 15, 270),
    Row(versions.GRAPHS_SUBTRACTED, 1, 25, 2, 65),
    Row(versions.GRAPHS_SUBTRACTED, 2, 55, 20, 145),
    Row(versions.GRAPHS_SUBTRACTED, 4, 100, 20, 250),
    Row(versions.GRAPHS_SUBTRACTED, 8, 210, 15, 350),
)
GRAPHS: tuple[Row, ...] = (
    Row((0, 0, 0), 1, 45, 0, 120),
    Row((0, 0, 0), 2, 100, 0, 250),
)
GRAPHS_ESTIMATED: tuple[Row, ...] = (
    Row(versions.GRAPHS_SUBTRACTED, 1, 40, 10, 120),
    Row(versions.GRAPHS_SUBTRACTED, 2, 80, 10, 250),
    Row(versions.GRAPHS_SUBTRACTED, 4, 150, 10, 500),
)


def outside_torch(setup: Setup) -> Estimate:
    """``non_torch_memory``: NCCL, cuBLAS and the allocations of kernels."""
    own = _own(setup, "outside")
    if own is not None:
        return own
    version = setup.version if setup.v1 else min(setup.version, (0, 7, 99))
    return _estimate(OUTSIDE_TORCH, version, _world(setup), "outside torch, by version and ranks")


def graphs(setup: Setup) -> Estimate:
    """What the captured graphs really take."""
    if setup.eager or not setup.model.generates:
        return _nothing("eager: no graphs")
    own = _own(setup, "graphs")
    return own or _estimate(GRAPHS, setup.version, _world(setup), "captured graphs, by ranks")


def graphs_estimated(setup: Setup) -> Estimate:
    """What the profiler takes off the cache for graphs; nothing before 0.21 and where eager."""
    if setup.eager or setup.version < versions.GRAPHS_SUBTRACTED:
        return _nothing("graphs are not subtracted")
    return _estimate(GRAPHS_ESTIMATED, setup.version, _world(setup), "estimate of graphs, by ranks")


def _own(setup: Setup, name: str) -> Estimate | None:
    """The figure of one's own rows."""
    card = setup.cards[0] if setup.cards else None
    mine = setup.question.own.of(name, card, _world(setup))
    if mine is None:
        return None
    return Estimate(mine.typical, mine.low, mine.high, "calibrated", f"{name}, as calibrated",
                    {"ranks": _world(setup)}, mine.source)  # fmt: skip


def _world(setup: Setup) -> int:
    return setup.layout.tensor * setup.layout.pipeline


def _estimate(table: tuple[Row, ...], version: Version, ranks: int, formula: str) -> Estimate:
    typical, low, high = (value * GIB // 100 for value in _row(table, version, ranks)[2:])
    return Estimate(typical, low, high, "calibrated", formula, {"ranks": ranks}, LOGS)


def _row(table: tuple[Row, ...], version: Version, ranks: int) -> Row:
    return max(
        (row for row in table if row.version <= version and row.ranks <= ranks),
        key=lambda row: (row.version, row.ranks),
    )


def published(table: tuple[Row, ...], version: Version, ranks: int) -> int:
    """The typical figure of a table, in bytes."""
    return _row(table, version, ranks).typical * GIB // 100


def _nothing(formula: str) -> Estimate:
    return Estimate(0, 0, 0, "config", formula, {}, LOGS)
