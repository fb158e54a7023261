"""A served load → time per token and time to the first token, in steady state.

Every sequence that ends makes room for one that brings its prompt: ``sequences / output`` prompts
enter at each decode step, and those who generate wait for them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.speed.offload import Tier, crossing_seconds
from weighbridge.speed.shape import Shape
from weighbridge.speed.step import Cost, Split, decode_split, prefill_split, prompt_cost
from weighbridge.speed.work import Cached, Work, decode_work, part_of, prefill_work
from weighbridge.units import ceil_div, maximum, minimum, where


class Offloaded(NamedTuple):
    """The part of the layers' weights that is elsewhere, where, and how well copies overlap."""

    share: float
    tier: Tier
    overlap: str = "none"


class Load(NamedTuple):
    """``sequences`` at once over all replicas, each ``input`` and ``output`` tokens long.

    ``chunk`` is the largest number of prompt tokens in a pass; ``drafts`` tokens are proposed in
    each step, of which ``accepted`` come out on average, the next one included. Any may be arrays.
    """

    sequences: Any = 1
    input: Any = 1024
    output: Any = 256
    chunk: Any = 8192
    drafts: Any = 0
    accepted: Any = 1.0


class Setting(NamedTuple):
    """What is timed: a rank's shape, what it costs, the load, and what is kept where."""

    shape: Shape
    cost: Cost
    load: Load = Load()
    cached: Cached = Cached()
    offloaded: Offloaded | None = None


class Pace(NamedTuple):
    """The split of a token's time and that of a prompt by itself, and the works behind both.

    ``alone`` is the time to the first token of a request that waits for nobody, ``first`` where
    others are being served, ``burst`` the mean of a closed loop of ten waves that all begin at once
    (num_prompts = 10 × concurrency), of which only the first queues.
    """

    decode: Split
    prefill: Split
    alone: Any
    first: Any
    burst: Any
    step: Work
    prompt: Work

    @property
    def tokens_per_second(self) -> Any:
        """Of one user."""
        return 1 / self.decode.seconds


def pace_of(setting: Setting) -> Pace:
    """Time per token and to the first token of a setting."""
    step, prompt = works_of(setting)
    return timed(
        setting.load, setting.cost, step, prompt, setting.shape.layout.data, setting.offloaded
    )


def works_of(setting: Setting) -> tuple[Work, Work]:
    """What a decode step in the middle of the output does, and one prompt's passes together."""
    load, shape, cached = setting.load, setting.shape, setting.cached
    middle = load.input + load.output // 2
    return (
        decode_work(shape, load.sequences, middle, cached, load.drafts),
        prefill_work(shape, 1, load.input, load.input, cached),
    )


def timed(
    load: Load,
    cost: Cost,
    step: Work,
    prompt: Work,
    replicas: Any = 1,
    offloaded: Offloaded | None = None,
) -> Pace:
    """The pace of a load whose works are known; everything may be arrays."""
    each = (1 + load.drafts / step.layers) / load.accepted
    plain = _away(decode_split(step, cost), step, offloaded).scaled(each)
    decode = plain.plus(interference=interference(load, cost, prompt, replicas))
    passes = ceil_div(load.input, load.chunk)
    split = prefill_split(prompt, cost, minimum(load.input, load.chunk) * 1.0, passes)
    prefill = _away(split, prompt, offloaded, passes)
    alone = cost.constants.request + prefill.seconds
    busy: Any = load.sequences > 1
    first = alone + where(busy, cost.constants.wait * decode.seconds, 0.0)
    queue = prefill.seconds * maximum(load.sequences / replicas - 1, 0.0)
    return Pace(decode, prefill, alone, first, first + cost.constants.burst * queue, step, prompt)


def interference(load: Load, cost: Cost, prompt: Work, replicas: Any = 1) -> Any:
    """Seconds that prompts of others add to a step.

    Launches are paid once for all prompts in a pass, arithmetic for each.
    """
    own = (
        part_of(load.sequences, replicas)
        if isinstance(replicas, int)
        else (load.sequences / replicas)
    )
    arriving = own / load.output
    tokens = minimum(load.input * maximum(arriving, 1.0), load.chunk * 1.0)
    one = prompt_cost(prompt, cost, tokens)
    passes = maximum(minimum(arriving, 1.0), arriving * load.input / load.chunk)
    others = maximum(own - 1, 0)
    busy: Any = others > 0
    arithmetic = (one.compute + one.communicate) * others / load.output
    return cost.constants.interference * (arithmetic + where(busy, passes, 0.0) * one.launches)


def _away(split: Split, work: Work, away: Offloaded | None, passes: Any = 1) -> Split:
    """With the wait for what is not on the device; its weights are then read elsewhere."""
    if away is None or not away.share:
        return split
    moved = away.share * (work.dense_bytes + work.expert_bytes) * passes
    kept = split._replace(weights=split.weights * (1 - away.share))
    return kept.plus(offload=crossing_seconds(moved, away.tier, kept.seconds, away.overlap))
