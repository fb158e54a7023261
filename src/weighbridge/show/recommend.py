"""A recommendation as text: the short list with reasons and commands, the front, and who lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.hardware.prices import RENT, dated, spoken
from weighbridge.search.choice import Choice
from weighbridge.search.models import Kept, Shelf
from weighbridge.search.recommend import Recommendation
from weighbridge.show.tables import table
from weighbridge.units import format_parameters

TARGETS = {"tensorrt-llm": "trtllm"}
MOST_OF_FRONT = 15
FRONT = ("on", "engine", "weights", "cache", "split", "tokens/s of one", "first token", "price",
         "per million tokens", "")  # fmt: skip
Write = Callable[[Choice], str]


def recommendation_to_text(found: Recommendation, write: Write) -> str:
    """The answer as a person reads it; ``write`` gives the command of a choice."""
    listed = found.listed
    tokens = listed[0].plan.tokens if listed else None
    users = found.request.workload.concurrency
    asked = f"{found.model.id} for {users:,} at once"
    if tokens is not None:
        asked += f", {tokens.prompt:,} tokens in and {tokens.output:,} out"
    blocks = [asked]
    if listed:
        blocks += [_block(number, each, found, write) for number, each in enumerate(listed, 1)]
        blocks.append(_front(found, listed))
    else:
        blocks.append("nothing that was searched keeps to all of it")
    if found.losers:
        rows = [(each.candidate.said, each.what, each.because) for each in found.losers]
        blocks.append(table(("lost", "which is", "because"), rows, "lll"))
    blocks.append(_searched(found))
    blocks += [f"assumed: {each}" for each in found.assumptions]
    return "\n\n".join(blocks[: -len(found.assumptions) or None]) + "".join(
        f"\n{each}" for each in blocks[len(blocks) - len(found.assumptions) :]
    )


def _block(number: int, choice: Choice, found: Recommendation, write: Write) -> str:
    pace = choice.pace
    head = (
        f"{number}. {choice.candidate.said}: {1 / pace.tpot:.3g} tokens/s for each, first token "
        f"after {seconds(pace.ttft)}, {cost(choice)}"
    )
    lines = [*found.reasons(choice), *_bare(write(choice))]
    return "\n".join([head, *(f"   {each}" for each in lines)])


def _front(found: Recommendation, listed: Sequence[Choice]) -> str:
    """The front from the cheapest on: one line for each rig at its best weights, and the listed."""
    places = {choice.candidate: str(n) for n, choice in enumerate(listed, 1)}
    firsts = {choice.candidate.rig.name: choice.candidate for choice in reversed(found.front)}
    shown = [
        each for each in found.front
        if each.candidate in places or firsts[each.candidate.rig.name] == each.candidate
    ]  # fmt: skip
    rows = [_row(each, places.get(each.candidate, "")) for each in shown[:MOST_OF_FRONT]]
    head = (
        "no other of those searched is as cheap, as well kept and as fast as one of these "
        f"({len(found.front)} in all, the best kept of each rig shown):"
    )
    return head + "\n" + table(FRONT, rows, "lllllrrrrr")


def _row(choice: Choice, place: str) -> tuple[str, ...]:
    candidate = choice.candidate
    split = " ".join(
        f"{name} {size}"
        for name, size in zip(("tp", "pp", "dp"), candidate.layout[:3], strict=True)
        if size > 1
    )
    million = choice.per_million
    return (
        candidate.rig.name, candidate.engine, choice.plan.settings["weights"], candidate.cache,
        split, f"{1 / choice.pace.tpot:.3g}", seconds(choice.pace.ttft), cost(choice, short=True),
        "–" if million is None else spoken(*million), place,
    )  # fmt: skip


def cost(choice: Choice, *, short: bool = False) -> str:
    """The range of its price, with its dates unless ``short``."""
    if choice.candidate.rig.owned:
        return "yours"
    if choice.cost is None or choice.price is None:
        return "–" if short else "price not known"
    unit = ("/h" if short else " an hour") if choice.price.kind == RENT else ""
    dates = "" if short else f" ({dated(choice.price)})"
    return f"{spoken(*choice.cost)}{unit}{dates}"


def seconds(value: float) -> str:
    """``0.35 s``, ``26 s``."""
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def _searched(found: Recommendation) -> str:
    rows = [(f"{number:,}", why) for why, number in
            sorted(found.left_out.items(), key=lambda item: -item[1])]  # fmt: skip
    head = f"searched {found.considered:,} candidates, planned {found.planned:,}; left out:"
    return head + "\n" + table(("", ""), rows, "rl")


def command_of(choice: Choice) -> str:
    """The command, with the plan's numbers and the check in a comment."""
    from weighbridge.launch import write

    engine = choice.candidate.engine.partition("==")[0]
    return write(choice.plan, TARGETS.get(engine, engine))


def _bare(command: str) -> list[str]:
    """The command itself, and what of its comment must be known to run it."""
    lines = [line for line in command.splitlines() if line]
    notes = [line for line in lines if line.startswith("# weights in")]
    own = [line for line in lines if not line.startswith("#")]
    return [*notes, *(f"$ {own[0]}" if n == 0 else f"  {line}" for n, line in enumerate(own))]


def shelf_to_text(found: Shelf) -> str:
    """The models of each group as tables."""
    limits = found.limits
    blocks = [
        f"models that run well on {found.rig.name} with {found.engine}: at least "
        f"{limits.tokens_per_second:g} tokens/s for each of "
        f"{found.request.workload.concurrency:,}, {limits.margin:.0%} of the card free, weights of "
        f"{limits.least_bits:g} bits or more"
    ]
    for (use, size), rows in found.groups.items():
        blocks.append(f"{use}, {size}\n" + table(MODELS, [_model(each) for each in rows], "lrllrr"))
    if not found.groups:
        blocks.append("none of the catalogue does")
    left = ", ".join(f"{number:,} {why}" for why, number in found.left_out.items())
    blocks.append("\n".join([f"left out: {left}" if left else "nothing was left out",
                             *(f"assumed: {each}" for each in found.assumptions)]))  # fmt: skip
    return "\n\n".join(blocks)


MODELS = ("model", "parameters", "released", "weights", "free", "tokens/s of one")


def _model(kept: Kept) -> tuple[str, ...]:
    active = kept.model.active_parameters
    parameters = format_parameters(kept.model.parameters)
    if active and active != kept.model.parameters:
        parameters += f" ({format_parameters(active)} active)"
    return (kept.id, parameters, kept.released or "–", kept.weights, f"{kept.free:.0%}",
            f"{1 / kept.pace.tpot:.3g}")  # fmt: skip
