"""A request → one replica: the cards it takes, its cache in blocks, its clock.

Memory is the plan's: what the engine would have left for its cache decides how many it admits.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.fleet.clock import Clock, Span
from weighbridge.fleet.constants import Scheduling, scheduling_of
from weighbridge.fleet.policy import Limits, Policy, policy_of
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import parse_machine
from weighbridge.model.facts import Model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.speed.ask import Answer

ENGINES = ("vllm", "sglang", "tensorrt-llm")


class Engine(NamedTuple):
    """One replica: ``cards`` of one kind, and what they do together.

    ``lanes`` are ranks of data parallelism, each with a scheduler and a cache of its own.
    """

    card: Card
    cards: int
    lanes: int
    clock: Clock
    policy: Policy
    limits: Limits
    known: Scheduling
    plan: Plan
    cache_bytes: float

    @property
    def tensor(self) -> int:
        """Cards that share each layer."""
        return self.clock.setting.shape.layout.tensor


class Unfit(NamedTuple):
    """Why a layout cannot run."""

    tensor: int
    because: str


def engine_of(
    request: Request, tensor: int, means: tuple[int, int], longest: int,
    model: Model | None = None, scheduling: Scheduling | None = None,
) -> Engine | Unfit:  # fmt: skip
    """One replica of ``tensor`` cards of the request's kind; Unfit where it holds no request."""
    deployment = request.deployment
    name = deployment.engine.partition("==")[0]
    if name not in ENGINES:
        raise RequestError(f"a fleet of {name} is not modelled; name one of {', '.join(ENGINES)}")
    if deployment.on is None:
        raise RequestError("no card was named; add --on CARD, of which the fleet is made")
    card = parse_machine(deployment.on).devices[0]
    lanes = deployment.data_parallel_size or 1
    cards = tensor * (deployment.pipeline_parallel_size or 1) * lanes
    on = f"{cards}x{card.id}"
    context = deployment.max_model_len or longest
    made = plan_request(
        request._replace(
            deployment=deployment._replace(
                on=on, tensor_parallel_size=tensor, max_model_len=context
            ),
            workload=request.workload._replace(
                concurrency=1, input_tokens=min(means[0], context - 1),
                output_tokens=min(means[1], context - min(means[0], context - 1)),
            ),
        ),
        model,
    )  # fmt: skip
    if made.fits is False or not made.capacity.tokens:
        return Unfit(tensor, made.verdict.because)
    if not isinstance(made.speed, Answer):
        raise RequestError(f"the speed of {name} on {card.name} is not known")
    return _built(made, card, cards, lanes, means, scheduling or scheduling_of(name))


def _built(
    made: Plan, card: Card, cards: int, lanes: int, means: tuple[int, int], known: Scheduling
) -> Engine:
    assert isinstance(made.speed, Answer)
    policy = policy_of(made.engine.name)
    blocks = int(made.capacity.tokens) // policy.block
    sequences = int(made.settings.get("max_num_seqs", 256))
    tokens = int(made.settings.get("max_num_batched_tokens", made.speed.subject.chunk))
    span = Span(means[0], sum(means))
    setting = made.speed.setting
    clock = Clock(setting, span, known.floor(setting.shape))
    return Engine(
        card, cards, lanes, clock, policy, Limits(blocks, sequences, tokens), known, made,
        float(made.cache.bytes_per_token),
    )  # fmt: skip
