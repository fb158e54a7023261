"""Replicas under a traffic: one simulation, and what it says."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.fleet.engines import Engine
from weighbridge.fleet.metrics import Measures, Objective, Use, measure, use_of
from weighbridge.fleet.replica import Replica
from weighbridge.fleet.router import router_named
from weighbridge.fleet.simulate import Fleet, Front, Progress, Stage, Transfer
from weighbridge.fleet.workload import Traffic, ask

WARM = 0.1
# Between machines: InfiniBand NDR of one port a card, as in DGX H100 (NVIDIA DGX H100 data sheet).
NETWORK = 50e9


class Layout(NamedTuple):
    """How many replicas, who gets a request, and how many of them only read prompts."""

    replicas: int = 1
    router: str = "least-loaded"
    prefill: int = 0

    @property
    def total(self) -> int:
        """Replicas of either role."""
        return self.replicas + self.prefill


ONE, NOTHING = Layout(), Objective()


class Run(NamedTuple):
    """One simulation: what was measured, and what the cards did.

    ``use`` is of all replicas, or of those that decode where prompts have replicas of their own;
    ``prefill_use`` is of those.
    """

    layout: Layout
    cards: int
    measures: Measures
    use: Use
    prefill_use: Use | None
    hits: float
    events: int

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON prints it."""
        measures = self.measures._asdict()
        for name in ("ttft", "tpot", "itl", "e2e"):
            measures[name] = measures[name]._asdict()
        return {
            **self.layout._asdict(),
            "cards": self.cards,
            **measures,
            "use": self.use._asdict(),
            "prefill_use": None if self.prefill_use is None else self.prefill_use._asdict(),
            "prefix_hits": self.hits,
            "events": self.events,
        }


def simulate(
    engine: Engine, traffic: Traffic, layout: Layout = ONE, objective: Objective = NOTHING, *,
    scale: float = 1.0, warm: float = WARM, progress: Progress | None = None,
) -> Run:  # fmt: skip
    """Serve a traffic (at ``scale`` times its load) with this many replicas."""
    block = engine.policy.block
    room = engine.limits.blocks * block - block
    asked = ask(traffic, min(room, _longest(engine)), scale)
    lanes = engine.lanes
    role = "decode" if layout.prefill else "both"
    replicas = [
        Replica(
            i,
            engine.clock,
            engine.policy,
            engine.limits,
            asked.requests,
            role=role,
            late=engine.known.wait,
        )
        for i in range(layout.replicas * lanes)
    ]
    serving = Stage(replicas, router_named(layout.router))
    first: Stage | None = None
    if layout.prefill:
        readers = [
            Replica(len(replicas) + i, engine.clock, engine.policy, engine.limits, asked.requests,
                    role="prefill", late=engine.known.wait)
            for i in range(layout.prefill * lanes)
        ]  # fmt: skip
        first = Stage(readers, router_named(layout.router))
    transfer = Transfer(engine.cache_bytes, NETWORK * engine.tensor)
    fleet = Fleet(
        asked.requests, first or serving, Front(engine.known.request), serving if first else None,
        transfer, asked.closed,
    )  # fmt: skip
    end = fleet.run(progress)
    if fleet.ended < len(asked.requests):
        raise RequestError(
            f"{len(asked.requests) - fleet.ended:,} requests found no room in a cache of "
            f"{engine.limits.blocks * block:,} tokens"
        )
    everyone = [*replicas, *(first.replicas if first else [])]
    asked_prefix = sum(r.prefixes.asked for r in everyone)
    return Run(
        layout, engine.cards * layout.total, measure(asked.requests, everyone, objective, warm),
        use_of(replicas, end), use_of(first.replicas, end) if first else None,
        sum(r.prefixes.found for r in everyone) / asked_prefix if asked_prefix else 0.0,
        fleet.serial,
    )  # fmt: skip


def _longest(engine: Engine) -> int:
    context = engine.plan.request.deployment.max_model_len
    return context if context else 10**9
