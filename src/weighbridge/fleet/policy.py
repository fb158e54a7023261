"""How engines schedule, one row each.

``mixed``: prompts share a step with those who decode; else prompts go first and the others wait.
``poll``: new requests are looked at every so many decode steps (SGLang
``--scheduler-recv-interval``).
``hold``: prompts wait up to so many decode steps for ``hold_tokens`` of them to be there
(TensorRT-LLM ``batch_wait_timeout_iters`` and ``batch_wait_max_tokens_ratio``).
``reserve``: a request is admitted only where its whole output has room, and none is put back.
Sources: vLLM ``v1/core/sched/scheduler.py`` (running first, then the queue within the token budget;
a prompt is admitted if all of it fits; the youngest is put back and computed again), SGLang
``managers/schedule_policy.py`` (prefill first unless ``--enable-mixed-chunk``), TensorRT-LLM
``batch_manager`` (in-flight batching, ``GUARANTEED_NO_EVICT``).
"""

from __future__ import annotations

from typing import NamedTuple


class Policy(NamedTuple):
    """What a scheduler does; the sizes are the engine's defaults."""

    mixed: bool = True
    reserve: bool = False
    block: int = 16
    poll: int = 1
    hold: int = 0
    hold_tokens: int = 0


POLICIES = {
    "vllm": Policy(),
    "sglang": Policy(mixed=False, block=1),
    "tensorrt-llm": Policy(reserve=True, block=32),
}


def policy_of(engine: str) -> Policy:
    """The policy of an engine; vLLM's where it has no row."""
    return POLICIES.get(engine, Policy())


class Limits(NamedTuple):
    """What a replica may hold: blocks of the cache, sequences, prompt and decode tokens a step."""

    blocks: int
    sequences: int
    tokens: int
