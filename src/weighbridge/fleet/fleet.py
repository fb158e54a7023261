"""Replicas under a traffic: one simulation, and what it says."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.fleet.clock import Chunk, Clock
from weighbridge.fleet.engines import Engine
from weighbridge.fleet.metrics import Measures, Objective, Use, Window, measure, use_of
from weighbridge.fleet.replica import Replica
from weighbridge.fleet.router import router_named
from weighbridge.fleet.simulate import Fleet, Front, Mark, Progress, Stage, Transfer
from weighbridge.fleet.tally import Tally
from weighbridge.fleet.workload import Traffic, ask

WARM = 0.25
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
    skip = int(len(asked.requests) * warm)
    fleet.mark_at.add(skip)
    fleet.run(progress)
    if fleet.ended < len(asked.requests):
        raise RequestError(
            f"{len(asked.requests) - fleet.ended:,} requests found no room in a cache of "
            f"{engine.limits.blocks * block:,} tokens"
        )
    window, done = _steady(fleet, skip)
    asked_prefix = sum(r.prefixes.asked for r in fleet.replicas)
    count = len(replicas)
    return Run(
        layout, engine.cards * layout.total,
        measure(asked.requests, [tally for _, tally in done], objective, window),
        use_of(done[:count], window.end - window.begin),
        use_of(done[count:], window.end - window.begin) if first else None,
        sum(r.prefixes.found for r in fleet.replicas) / asked_prefix if asked_prefix else 0.0,
        fleet.serial,
    )  # fmt: skip


def _steady(fleet: Fleet, skip: int) -> tuple[Window, list[tuple[Clock, Tally]]]:
    """The time between the warm-up and the last request asked, and what was done in it."""
    first = fleet.marks.get(skip, Mark(0.0, [Tally() for _ in fleet.replicas]))
    last = fleet.marks[len(fleet.requests)]
    if last.time <= first.time:
        last = Mark(fleet.moment, [replica.tally for replica in fleet.replicas])
    pairs = zip(fleet.replicas, first.tallies, last.tallies, strict=True)
    done = [(replica.clock, after.since(before)) for replica, before, after in pairs]
    return Window(first.time, last.time, skip), done


def _longest(engine: Engine) -> int:
    context = engine.plan.request.deployment.max_model_len
    return context if context else 10**9


def alone(engine: Engine, means: tuple[int, int]) -> tuple[float, float, float]:
    """Seconds to the first token, per token and to the end of a mean request that meets nobody."""
    clock, known, (inputs, outputs) = engine.clock, engine.known, means
    whole, rest = divmod(inputs, engine.limits.tokens)
    parts = [engine.limits.tokens] * whole + [rest] * (rest > 0)
    reached, prompt = 0, 0.0
    for new in parts:
        reached += new
        prompt += clock.prompts(0, 0, [Chunk(new, reached)])
    steps = max(outputs - 1, 1)
    each = clock.run(1, inputs, steps) / steps
    return known.request + prompt, each, known.request + prompt + each * (outputs - 1)
