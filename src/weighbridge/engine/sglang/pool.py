"""How SGLang sizes its pools from what is free after loading.

``rest = free after loading − free before loading × (1 − mem_fraction_static)``, both in GiB and
taken as the least among the ranks; states take their share of it, and the tokens are what is left
over the bytes of one (``profile_max_num_token``, ``_profile_available_bytes``,
``handle_max_mamba_cache``, ``HybridSWAPoolConfigurator``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.engine.sglang.cells import Cells, Slot
from weighbridge.engine.sglang.setup import Setup
from weighbridge.units import ceil_div, minimum

SLIDING_RATIO = 0.8
SLIDING_RATIO_V4 = 0.1
STATE_RATIO = 0.9
# Slots of the state pool for each running request: three, and a pair of buffers to swap where
# speculation or a page above 1 needs them (MAMBA_CACHE_SIZE_MAX_RUNNING_REQUESTS_RATIO).
SLOTS_PER_REQUEST = 3
EXTRA_SLOTS = 2
FEWEST_REQUESTS, MOST_REQUESTS = 2048, 4096
SPECULATIVE_REQUESTS = 48
PREFILL_TOKENS = 16384


class Budget(NamedTuple):
    """Free bytes of the tightest rank before and after loading."""

    before: int
    after: int


class Pool(NamedTuple):
    """Tokens of the pools of one rank, and the slots and bytes of its states.

    ``rest`` is what was to be shared; ``windowed`` tokens are those of layers with a window;
    ``verify`` are the bytes of the intermediate states of speculation.
    """

    rest: int
    tokens: int
    windowed: int = 0
    slots: int = 0
    state: int = 0
    verify: int = 0
    requests: int = 0


def rest_bytes(budget: Budget, fraction: float) -> int:
    """What the fraction leaves for the pools."""
    return int(budget.after - budget.before * (1 - fraction))


def size_pool(setup: Setup, budget: Budget, found: Cells, slot: Slot) -> Pool:
    """The pools of one rank; ``tokens`` is 0 where nothing is left."""
    rest = rest_bytes(budget, setup.fraction)
    if rest <= 0:
        return Pool(rest, 0)
    slots, verify = (0, 0) if not slot.total else _slots(setup, rest, slot)
    left = rest - slots * slot.total - verify
    tokens = _tokens(setup, left, found)
    requests = running_requests(setup, tokens, slots)
    state = (slots + 1) * slot.total if slots else 0
    if verify and setup.speculation is not None:
        verify = (requests + 1) * setup.speculation.tokens * slot.total
    return Pool(rest, tokens, _windowed(setup, tokens, found), slots, state, verify, requests)


def _tokens(setup: Setup, left: int, found: Cells) -> int:
    cell = found.full_bytes + sliding_ratio(setup) * found.windowed_bytes
    if not found.full_bytes:
        cell = found.windowed_bytes
    tokens = int(left // cell) if cell and left > 0 else 0
    asked = setup.own.get("max_total_tokens")
    if asked is not None:
        tokens = min(tokens, asked)
    if not cell and left > 0:
        tokens = asked or setup.question.deployment.max_model_len or setup.model.max_positions or 0
    return tokens // setup.page * setup.page


def _windowed(setup: Setup, tokens: int, found: Cells) -> int:
    if not found.windowed_bytes:
        return 0
    if not found.full_bytes:
        return tokens
    return int(tokens * sliding_ratio(setup)) // setup.page * setup.page


def sliding_ratio(setup: Setup) -> float:
    """Tokens of layers with a window for each token of the others."""
    asked = setup.own.get("swa_full_tokens_ratio")
    if asked is not None:
        return float(asked)
    return SLIDING_RATIO_V4 if setup.model.family == "deepseek_v4" else SLIDING_RATIO


def sequence_bytes(setup: Setup, found: Cells, tokens: Any) -> Any:
    """Keys and values of one sequence in whole pages; a window's pool gives back what left it."""
    kept = ceil_div(tokens, setup.page) * setup.page
    size = kept * found.full_bytes
    if found.windowed:
        size = size + minimum(kept, found.window + setup.page) * found.windowed_bytes
    return size


def _slots(setup: Setup, rest: int, slot: Slot) -> tuple[int, int]:
    """Slots of the state pool and bytes kept for speculation's intermediate states."""
    draft = setup.speculation
    requests = asked_requests(setup)
    asked = setup.own.get("max_mamba_cache_size")
    if asked is not None:
        slots = asked // setup.data
        if draft is None:
            return slots, 0
        running = min(requests or SPECULATIVE_REQUESTS, slots // slots_per_request(setup))
        return slots, running * draft.tokens * slot.total
    ratio = setup.own.get("mamba_full_memory_ratio")
    share = STATE_RATIO if ratio is None else float(ratio)
    budget = rest * share / (1 + share)
    if draft is None:
        return int(budget // slot.total), 0
    per = slots_per_request(setup)
    slots = int(budget // (slot.total * (1 + draft.tokens / per)))
    running = min(requests or SPECULATIVE_REQUESTS, slots // per)
    return slots, running * draft.tokens * slot.total


def slots_per_request(setup: Setup) -> int:
    """Slots of the state pool that one running request needs."""
    extra = setup.speculation is not None or setup.page > 1
    return SLOTS_PER_REQUEST + (EXTRA_SLOTS if extra else 0)


def asked_requests(setup: Setup) -> int | None:
    """Running requests that were asked for, of one data parallel rank."""
    asked = setup.question.deployment.max_num_seqs
    if asked is None:
        return None
    return max(asked // setup.data, 1)


def running_requests(setup: Setup, tokens: int, slots: int = 0) -> int:
    """Requests that run at once: 512 for each context's worth of tokens, 2,048 to 4,096."""
    asked = asked_requests(setup)
    if asked is None and setup.speculation is not None:
        asked = max(SPECULATIVE_REQUESTS // setup.data, 1)
    context = context_length(setup)
    wanted = asked or min(max(int(tokens / context * 512), FEWEST_REQUESTS), MOST_REQUESTS)
    if slots:
        wanted = min(wanted, slots // slots_per_request(setup))
    return wanted


def context_length(setup: Setup) -> int:
    """Tokens that one request may hold."""
    named = setup.question.deployment.max_model_len
    if named is not None:
        return named
    longest = setup.model.max_positions
    if longest is not None:
        return longest
    return _largest(setup.question.tokens.context)


def _largest(value: object) -> int:
    largest = getattr(value, "max", None)
    return int(largest()) if callable(largest) else int(value)  # type: ignore[call-overload]


def fraction_that_holds(budget: Budget, needed: int) -> float | None:
    """The smallest fraction, in thousandths, under which ``needed`` bytes of pool are left."""
    if budget.before <= 0 or budget.after < needed:
        return None
    smallest = 1 - (budget.after - needed) / budget.before
    found = -(-smallest * 1000 // 1) / 1000
    return found if found < 1 else None
