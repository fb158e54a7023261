"""The answer of ``weigh fleet``: cards, what users see, what cards do, what it costs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.errors import RequestError
from weighbridge.fleet.engines import Engine, Unfit, engine_of
from weighbridge.fleet.fleet import Layout, Run, alone, simulate
from weighbridge.fleet.metrics import Objective
from weighbridge.fleet.options import Asking, settle
from weighbridge.fleet.search import Found, fewest_cards, meets, possible
from weighbridge.fleet.simulate import Cancelled
from weighbridge.fleet.workload import means_of
from weighbridge.hardware.machine import parse_machine
from weighbridge.hardware.prices import Price, price_of, price_table
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model

SPLITS = (1, 2, 4, 8)
LOADS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
OnProgress = Callable[[str, float], bool | None]
HOUR = 3600


class Cost(NamedTuple):
    """What a fleet costs: an hour, and a million tokens of answers, as ranges in ``currency``."""

    low: float
    high: float
    million_low: float
    million_high: float
    currency: str
    dates: str

    @classmethod
    def of(cls, price: Price, run: Run) -> Cost:
        """At the tokens a second that the run reached."""
        low, high = price.times(run.cards)
        each = 1e6 / max(run.measures.tokens_per_second, 1e-9) / HOUR
        dates = (
            price.oldest if price.oldest == price.newest else f"{price.oldest} to {price.newest}"
        )
        return cls(low, high, low * each, high * each, price.currency, dates)


class Choice(NamedTuple):
    """A fleet that was found or given: its engine, its run, its cost where a price is known."""

    engine: Engine
    run: Run
    cost: Cost | None

    @property
    def name(self) -> str:
        """The fleet in words: ``6 × 4 H100 SXM``."""
        layout = self.run.layout
        extra = f" + {layout.prefill} for prompts" if layout.prefill else ""
        return f"{layout.replicas}{extra} × {self.engine.cards} {self.engine.card.name}"

    def to_dict(self) -> dict[str, Any]:
        """The choice as JSON prints it."""
        limits = self.engine.limits
        return {
            "tensor_parallel_size": self.engine.tensor,
            "cards_per_replica": self.engine.cards,
            "data_parallel_size": self.engine.lanes,
            "cache_tokens_per_replica": limits.blocks
            * self.engine.policy.block
            * self.engine.lanes,
            "max_num_seqs": limits.sequences,
            "max_num_batched_tokens": limits.tokens,
            **self.run.to_dict(),
            "cost": None if self.cost is None else self.cost._asdict(),
        }


class Alone(NamedTuple):
    """What a request that meets nobody takes on the layout that answers it soonest, in seconds."""

    cards: int
    card: str
    ttft: float
    tpot: float
    e2e: float


class FleetAnswer(NamedTuple):
    """All of it; ``best`` is None where no fleet meets the objective, ``alone`` then says why."""

    asking: Asking
    model: Model
    best: Choice | None
    others: tuple[Choice, ...]
    unfit: tuple[Unfit, ...]
    answers: tuple[tuple[float, Choice | None], ...]
    met: bool
    notes: tuple[str, ...]
    weights: str
    alone: Alone | None = None

    def __str__(self) -> str:
        from weighbridge.show.fleet import fleet_to_text

        return fleet_to_text(self)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import text_to_html

        return text_to_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        """The answer as ``--json`` prints it."""
        asking = self.asking
        return {
            "schema": 1,
            "version": __version__,
            "model": {"id": self.model.id, "parameters": self.model.parameters},
            "request": {**asking.request.to_dict(), **asking.traffic.to_dict(),
                        "warmup": asking.warm, "router": asking.layout.router},
            "objective": asking.objective._asdict(),
            "met": self.met,
            "fleet": None if self.best is None else self.best.to_dict(),
            "others": [choice.to_dict() for choice in self.others],
            "unfit": [each._asdict() for each in self.unfit],
            "alone": None if self.alone is None else self.alone._asdict(),
            "answer_times": [
                {"seconds": seconds, "fleet": None if choice is None else choice.to_dict()}
                for seconds, choice in self.answers
            ],
            "assumed": list(self.notes),
        }  # fmt: skip


def answer_of(
    model: str | os.PathLike[str], *, on_progress: OnProgress | None = None, **options: Any
) -> FleetAnswer:
    """The answer for a model and the options of ``weigh fleet`` by name."""
    return fleet_of(settle(os.fspath(model), options), on_progress)


def fleet_of(asking: Asking, on_progress: OnProgress | None = None) -> FleetAnswer:
    """Answer a request of a fleet; ``on_progress`` (what, share) returns true to cancel."""
    model = load_model(asking.request.model)
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, so it serves no answers")
    asker = _Asker(asking, model, on_progress)
    engines, unfit = asker.engines()
    if not engines:
        raise RequestError(f"{model.id} fits in no layout of these cards: {unfit[-1].because}")
    prices = price_table(asking.prices)
    price = price_of(engines[0].card, prices=prices)

    def choice(found: Found) -> Choice:
        return Choice(found.engine, found.run, None if price is None else Cost.of(price, found.run))

    if asking.search:
        choices = [choice(each) for each in asker.fewest(engines, asking.objective)]
    else:
        run = asker.tried(asking.objective)(engines[0], asking.layout.replicas)
        choices = [choice(Found(engines[0], run))]
    answers = []
    for seconds in asking.answers:
        objective = asking.objective._replace(e2e=seconds)
        least = asker.fewest(engines, objective)
        answers.append((seconds, choice(least[0]) if least else None))
    met = bool(choices) and meets(choices[0].run, asking.objective)
    notes = tuple(dict.fromkeys(note for engine in engines for note in engine.plan.assumptions))
    weights = engines[0].plan.settings.get("weights", asking.request.deployment.weights)
    return FleetAnswer(
        asking, model, choices[0] if choices else None, tuple(choices[1:]), tuple(unfit),
        tuple(answers), met, (*notes, *asker.notes()), weights,
        None if choices else asker.soonest(engines),
    )  # fmt: skip


class _Asker:
    """What runs have in common: the request, its progress, and simulations already done."""

    def __init__(self, asking: Asking, model: Model, on_progress: OnProgress | None) -> None:
        self.asking, self.model, self.on_progress = asking, model, on_progress
        self.known: dict[tuple[int, int, Objective, float], Run] = {}

    def engines(self) -> tuple[list[Engine], list[Unfit]]:
        """Layouts that hold a request, the smallest first; only the one asked for, if any."""
        asking, deployment = self.asking, self.asking.request.deployment
        means = means_of(asking.traffic)
        longest = self.longest(means)
        wanted = deployment.tensor_parallel_size
        heads = max(
            (getattr(layer.mixer, "heads", 1) or 1 for layer in self.model.layers), default=1
        )
        splits = (wanted,) if wanted else tuple(n for n in SPLITS if heads % n == 0)
        made = [engine_of(asking.request, n, means, longest, self.model) for n in splits]
        fit = [each for each in made if isinstance(each, Engine)]
        unfit = [each for each in made if isinstance(each, Unfit)]
        return (fit if asking.search or asking.answers else fit[:1]), unfit

    def longest(self, means: tuple[int, int]) -> int:
        """The context that the longest request needs, up to what the model has."""
        traffic = self.asking.traffic
        if traffic.trace is not None:
            most = max(map(sum, zip(traffic.trace.input, traffic.trace.output, strict=True)))
        else:
            spread = [each.high if each.kind == "uniform" else each.mean * (1 + 8 * each.cv)
                      for each in (traffic.input, traffic.output)]  # fmt: skip
            most = round(sum(spread))
        return min(max(most, sum(means)) + 1, self.model.max_positions or 10**7)

    def fewest(self, engines: list[Engine], objective: Objective) -> tuple[Found, ...]:
        """The fewest cards, of the layouts that are fast enough for one request alone."""
        means = means_of(self.asking.traffic)
        quick = [each for each in engines if possible(alone(each, means), objective)]
        return fewest_cards(quick, self.tried(objective), objective)

    def soonest(self, engines: list[Engine]) -> Alone:
        """The layout that answers a mean request soonest, and how soon."""
        means = means_of(self.asking.traffic)
        found = [Alone(each.cards, each.card.name, *alone(each, means)) for each in engines]
        return min(found, key=lambda each: each.e2e)

    def tried(self, objective: Objective, scale: float = 1.0) -> Callable[[Engine, int], Run]:
        """Simulate an engine with so many replicas, once."""

        def run(engine: Engine, replicas: int) -> Run:
            key = (engine.tensor, replicas, objective, scale)
            if key not in self.known:
                layout = self.asking.layout._replace(replicas=replicas)
                self.known[key] = self._run(engine, layout, objective, scale)
            return self.known[key]

        return run

    def _run(self, engine: Engine, layout: Layout, objective: Objective, scale: float) -> Run:
        what = f"{layout.total} × {engine.cards} {engine.card.name}"

        def progress(ended: int, count: int) -> bool | None:
            return self.on_progress(what, ended / count) if self.on_progress else None

        if self.on_progress is not None and self.on_progress(what, 0.0):
            raise Cancelled("the simulation was cancelled")
        return simulate(engine, self.asking.traffic, layout, objective, scale=scale,
                        warm=self.asking.warm, progress=progress)  # fmt: skip

    def notes(self) -> tuple[str, ...]:
        """What was taken for granted of the traffic."""
        workload, notes = self.asking.request.workload, []
        named = parse_machine(str(self.asking.request.deployment.on)).devices
        if len(named) > 1:
            notes.append(
                f"of {len(named)} cards named with --on the first is the kind of which the fleet "
                "is made; how many is what is answered, or set --replicas"
            )
        if self.asking.assumed:
            asked = self.asking.objective
            notes.append(
                f"at most {asked.ttft:g} s to the first token and {asked.tpot:g} s for each "
                f"further one, for {asked.share:g} % of the requests, are assumed; set "
                "--slo-ttft and --slo-tpot, or --replicas"
            )
        if self.asking.traffic.trace is None:
            for name, value in (
                ("input", workload.input_tokens),
                ("output", workload.output_tokens),
            ):
                if value is None:
                    mean = getattr(self.asking.traffic, name).mean
                    notes.append(f"{mean:,.0f} {name} tokens assumed; set --{name}-tokens")
        return tuple(notes)


def load_curve(asking: Asking, choice: Choice) -> list[tuple[float, Run]]:
    """The same fleet at parts and multiples of the load, for a plot of latency against load."""
    return [
        (scale, simulate(choice.engine, asking.traffic, choice.run.layout, asking.objective,
                         scale=scale, warm=asking.warm))
        for scale in LOADS
    ]  # fmt: skip
