"""A fleet as text: how many cards, what users wait, what the cards do, what it costs."""

from __future__ import annotations

from weighbridge.fleet.answer import Choice, FleetAnswer
from weighbridge.fleet.metrics import Objective, Spread
from weighbridge.fleet.workload import Traffic, means_of
from weighbridge.hardware.prices import spoken
from weighbridge.show.tables import table

WAITS = (
    ("ttft", "first token"),
    ("tpot", "each further token"),
    ("itl", "between tokens"),
    ("e2e", "whole answer"),
)


def fleet_to_text(found: FleetAnswer) -> str:
    """The answer as a person reads it."""
    asking = found.asking
    deployment = asking.request.deployment
    blocks = [
        f"{found.model.id} in {found.weights} on {deployment.on}, {deployment.engine}: "
        f"{_traffic(asking.traffic)}"
    ]
    if found.best is None:
        blocks.append(f"no number of these cards meets {_objective(asking.objective)}")
        if (alone := found.alone) is not None:
            blocks.append(
                f"a request that meets nobody takes {_seconds(alone.ttft)} to the first token and "
                f"{_seconds(alone.tpot)} for each further one on {alone.cards} {alone.card}, "
                f"{_seconds(alone.e2e)} for the whole answer: more of them do not make it faster"
            )
    else:
        blocks += [_headline(found, found.best), _waits(found.best), _use(found.best)]
    if found.others:
        blocks.append(table(("instead", "cards", "first token p95", "each token p95", "answer p95"),
                            [_other(each) for each in found.others], "lrrrr"))  # fmt: skip
    if found.answers:
        blocks.append(_answers(found))
    notes = [f"tensor parallel {each.tensor}: {each.because}" for each in found.unfit]
    notes += [f"assumed: {note}" for note in found.notes]
    return "\n\n".join([*blocks, *(["\n".join(notes)] if notes else [])])


def _traffic(traffic: Traffic) -> str:
    inputs, outputs = means_of(traffic)
    lengths = f"{inputs:,} tokens in and {outputs:,} out on average"
    if traffic.users is not None:
        pause = f" after {traffic.think:g} s" if traffic.think else " at once"
        return f"{traffic.users:,} users who ask again{pause}, {lengths}"
    if traffic.trace is not None:
        speed = f" at {traffic.rate:g} a second" if traffic.rate else ""
        return f"{traffic.requests:,} requests of a trace{speed}, {lengths}"
    return f"{traffic.rate:g} requests a second ({traffic.process}), {lengths}"


def _objective(objective: Objective) -> str:
    asked = [
        f"{name} within {_seconds(value)}"
        for name, value in (("first token", objective.ttft), ("each token", objective.tpot),
                            ("answer", objective.e2e))
        if value is not None
    ]  # fmt: skip
    return f"{', '.join(asked)} for {objective.share:g} % of the requests"


def _headline(found: FleetAnswer, best: Choice) -> str:
    objective = found.asking.objective
    run = best.run
    lines = [f"{run.cards} card{'s' * (run.cards != 1)}: {best.name}"]
    if objective.asked:
        verb = "meets" if found.met else "does not meet"
        lines.append(f"{verb} {_objective(objective)}: {run.measures.met:.1%} do")
    if best.cost is None:
        lines.append("no price of this card is known; name yours with --prices FILE")
    else:
        cost = best.cost
        lines.append(
            f"{spoken(cost.low, cost.high, cost.currency)} an hour, "
            f"{spoken(cost.million_low, cost.million_high, cost.currency)} per million tokens of "
            f"answers (prices of {cost.dates})"
        )
    return "\n".join(lines)


def _waits(choice: Choice) -> str:
    rows = []
    for name, title in WAITS:
        spread: Spread = getattr(choice.run.measures, name)
        rows.append((title, *(_seconds(value) for value in spread)))
    return table(("seconds a user waits", "mean", "p50", "p90", "p95", "p99"), rows, "lrrrrr")


def _use(choice: Choice) -> str:
    run = choice.run
    use, measures = run.use, run.measures
    cache = choice.engine.limits.blocks * choice.engine.policy.block
    lines = [
        f"{measures.requests_per_second:,.1f} answers and {measures.tokens_per_second:,.0f} tokens "
        f"a second; {use.batch:,.1f} sequences in a decode step; {measures.preempted:,} put back; "
        f"room for {cache:,} tokens in each replica",
        f"cards are busy {use.busy:.0%} of the time; the memory bus carries {use.bus:.0%} of what "
        f"it can, arithmetic does {use.arithmetic:.0%}; while a step runs, arithmetic waits for "
        f"memory {use.waiting:.0%} of the time",
    ]
    if run.prefill_use is not None:
        lines.append(f"replicas for prompts are busy {run.prefill_use.busy:.0%}, their arithmetic "
                     f"does {run.prefill_use.arithmetic:.0%}")  # fmt: skip
    if choice.engine and run.hits:
        lines.append(f"{run.hits:.0%} of the shared prefixes' tokens were there already")
    return "\n".join(lines)


def _other(choice: Choice) -> tuple[str, ...]:
    measures = choice.run.measures
    waits = (measures.ttft.p95, measures.tpot.p95, measures.e2e.p95)
    return (choice.name, f"{choice.run.cards}", *(_seconds(each) for each in waits))


def _answers(found: FleetAnswer) -> str:
    rows = []
    for seconds, choice in found.answers:
        if choice is None:
            rows.append((_seconds(seconds), "none is fast enough", "", "", ""))
            continue
        cost = choice.cost
        hour = "" if cost is None else spoken(cost.low, cost.high, cost.currency)
        million = "" if cost is None else spoken(cost.million_low, cost.million_high, cost.currency)
        rows.append((_seconds(seconds), choice.name, f"{choice.run.cards}", hour, million))
    return table(
        ("answer within", "fewest", "cards", "an hour", "per million tokens"), rows, "rlrrr"
    )


def _seconds(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:,.{0 if value >= 0.1 else 1}f} ms"
