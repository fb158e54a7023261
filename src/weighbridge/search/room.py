"""Which contexts and how many users a machine holds at once, without one waiting for another.

An engine that serves (vLLM, SGLang, TensorRT-LLM) takes its share of a device whatever is asked of
it, so that its total says nothing of the load. Here the pool that it took is replaced by what the
users would fill of it; with engines that take what they need, the need is the plan's own total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.engine import parse_engine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.request import Request
from weighbridge.search.sweep import check_grid, sweep

SHARES = frozenset({"vllm", "sglang", "tensorrt-llm"})
POOL = frozenset({"kv_cache", "state"})


class Room(NamedTuple):
    """Bytes that ``contexts[i]`` tokens of each of ``concurrencies[j]`` users need.

    ``needs[i][j]`` are those of the fullest device; ``holds[i][j]`` says whether all run at once
    (None without a card); ``usable`` is what the smallest device can hold.
    """

    model: Model
    contexts: tuple[int, ...]
    concurrencies: tuple[int, ...]
    needs: tuple[tuple[int, ...], ...]
    holds: tuple[tuple[bool, ...], ...] | None
    usable: int | None

    def to_dict(self) -> dict[str, Any]:
        """The grid as JSON prints it."""
        return {
            "schema": 1,
            "model": {"id": self.model.id, "parameters": self.model.parameters},
            "contexts": list(self.contexts),
            "concurrencies": list(self.concurrencies),
            "need_bytes": [list(row) for row in self.needs],
            "holds": None if self.holds is None else [list(row) for row in self.holds],
            "usable_bytes": self.usable,
        }


def room(request: Request, contexts: Sequence[int], concurrencies: Sequence[int]) -> Room:
    """The grid of ``contexts`` × ``concurrencies``; each context is a prompt that fills it."""
    if parse_engine(request.deployment.engine).name not in SHARES or request.deployment.on is None:
        found = sweep(request, contexts, concurrencies)
        return Room(found.model, found.contexts, found.concurrencies, found.totals, found.fits,
                    found.usable)  # fmt: skip
    check_grid(contexts, concurrencies)
    model = load_model(request.model)
    # What an engine sets aside does not depend on how many then come: one plan a context.
    plans = [plan_request(_at(request, context), model) for context in contexts]
    usable = min(device.usable or 0 for device in plans[0].devices)
    return Room(
        model,
        tuple(contexts),
        tuple(concurrencies),
        tuple(tuple(_need(plan, users) for users in concurrencies) for plan in plans),
        tuple(tuple(_holds(plan, users) for users in concurrencies) for plan in plans),
        usable,
    )


def _at(request: Request, context: int) -> Request:
    return request._replace(
        deployment=request.deployment._replace(max_model_len=context),
        workload=request.workload._replace(concurrency=1, input_tokens=None, output_tokens=None),
    )


def _need(plan: Plan, users: int) -> int:
    """Bytes of the fullest device with as much of the pool as ``users`` fill."""
    return max(_need_of(plan, index, users) for index in range(len(plan.devices)))


def _need_of(plan: Plan, index: int, users: int) -> int:
    device = plan.devices[index]
    pool = sum(term.bytes for term in device.terms if term.name in POOL)
    sequences = plan.capacity.sequences
    if not plan.fits or not sequences:
        # Where not even one fits, the ledger holds what that one would need.
        return device.total + (users - 1) * pool
    return device.total - pool + int(pool * users / sequences)


def _holds(plan: Plan, users: int) -> bool:
    sequences = plan.capacity.sequences
    return bool(plan.fits) and (sequences is None or sequences >= users)
