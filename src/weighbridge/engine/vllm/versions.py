"""What changed between versions of vLLM, as far as memory sees it; one row each.

A version is the first that has the new behaviour, as far as its source, its pull requests or
published logs show. Paths are relative to ``vllm/``.
"""

from __future__ import annotations

from typing import NamedTuple

Version = tuple[int, int, int]

NEWEST: Version = (0, 33, 0)
OLDEST: Version = (0, 6, 0)

# The V1 core is the default from 0.8 on where it can run; V0 is gone from 0.11
# (engine/arg_utils.py, _is_v1_supported_oracle: compute capability 8.0 is needed before 0.10).
V1: Version = (0, 8, 0)
V1_ON_OLD_CARDS: Version = (0, 10, 0)
V0_GONE: Version = (0, 11, 0)
V1_CAPABILITY = (8, 0)

# config/cache.py: gpu_memory_utilization, 0.9 and later 0.92.
UTILIZATION_92: Version = (0, 21, 0)

# v1/worker/gpu_worker.py: VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS is on by default.
GRAPHS_SUBTRACTED: Version = (0, 21, 0)

# v1/core/kv_cache_utils.py: groups of layers by what they keep (pull request 17996).
HYBRID_MANAGER: Version = (0, 9, 1)
# VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE: off at first, on in later sources and in
# 0.32.0; the release between is not known, and this one is a guess.
HYBRID_CHUNKED: Version = (0, 15, 0)

# The same file: a group takes the larger count where it is less than this times the smaller one.
GROUP_SPREAD_FIRST: Version = (0, 9, 2)
GROUP_SPREAD = (5, 4)
GROUP_SPREAD_WIDER: Version = (0, 13, 0)
GROUP_SPREAD_WIDE = (3, 2)

# "GPU KV cache size" is concurrency × length instead of blocks // groups × block (vllm#40691).
TOKENS_BY_CONCURRENCY: Version = (0, 22, 0)

# Windows keep all tokens in flight, twice the step's under async scheduling (pull request 47728).
TOKENS_IN_FLIGHT: Version = (0, 26, 0)
ASYNC_SCHEDULING: Version = (0, 14, 0)

# The check of one request holds the null block back (v1/core/kv_cache_planning.py of 0.33).
NULL_BLOCK_HELD_BACK: Version = (0, 33, 0)

# Top-k and top-p by a Triton kernel instead of sorting (pull request 33538).
TRITON_SAMPLER: Version = (0, 17, 0)

# Multi-head latent attention caches its latent (V0 from 0.7.1 on).
LATENT_CACHE: Version = (0, 7, 1)

# Prefix caching keeps checkpoints of recurrent states: mamba_cache_mode "align".
STATE_CHECKPOINTS: Version = (0, 16, 0)
# One more page for Mamba-2, whose kernel leaves a checkpoint of its own (seen in 0.32.0).
MAMBA2_CHECKPOINT: Version = (0, 30, 0)

# Latent attention on Hopper: FlashMLA has blocks of 64; FlashAttention's MLA of 16.
FLASH_ATTENTION_MLA: Version = (0, 14, 0)

# FP8 caches are refused below compute capability 8.9 (seen in 0.32.0).
FP8_CACHE_CHECKED: Version = (0, 30, 0)
FP8_CACHE_CAPABILITY = (8, 9)

# The API server's defaults by card (engine/arg_utils.py, get_batch_defaults): from 70 GiB on,
# A100 apart (pull request 17885).
MANY_SEQUENCES: Version = (0, 8, 3)
A100_APART: Version = (0, 9, 0)

# "Model loading took" has two decimals instead of four, and says "memory".
SHORT_LINES: Version = (0, 11, 1)

# The profiler counts only what grew after the process had its context (pull request 10511, 12126).
CLEAN_PROFILER: Version = (0, 7, 0)


class SchedulerDefaults(NamedTuple):
    """``max_num_seqs`` and ``max_num_batched_tokens`` of the API server where none is given."""

    sequences: int
    batched_tokens: int


LARGE_CARD = SchedulerDefaults(1024, 8192)
OTHER_CARD = SchedulerDefaults(256, 2048)
V0_SEQUENCES = 256
V0_LONG_CONTEXT = 32768
V0_CHUNK = 2048


def scheduler_defaults(version: Version, memory: int, *, a100: bool) -> SchedulerDefaults:
    """The V1 core's, by the card's memory in bytes."""
    large = memory >= 70 * 2**30 and not (a100 and version >= A100_APART)
    if not large:
        return OTHER_CARD
    return LARGE_CARD if version >= MANY_SEQUENCES else LARGE_CARD._replace(sequences=256)


def v0_batched_tokens(length: int) -> int:
    """V0: a whole prompt in one step, but chunks where the context is long (arg_utils.py)."""
    return V0_CHUNK if length > V0_LONG_CONTEXT else max(length, V0_CHUNK)


def uses_v1(version: Version, capability: tuple[int, int] | None) -> bool:
    """Whether the V1 core runs."""
    if version >= V0_GONE:
        return True
    if version < V1:
        return False
    old = capability is not None and capability < V1_CAPABILITY
    return not old or version >= V1_ON_OLD_CARDS


def utilization(version: Version) -> float:
    """The share of a device that vLLM plans with by default."""
    return 0.92 if version >= UTILIZATION_92 else 0.9


def group_spread(version: Version) -> tuple[int, int]:
    """How many times the smallest bucket of layers the largest may be to set the group's size."""
    if version >= GROUP_SPREAD_WIDER:
        return GROUP_SPREAD_WIDE
    return GROUP_SPREAD if version >= GROUP_SPREAD_FIRST else (1, 1)


def in_flight(version: Version, step: int, *, asynchronous: bool, pipeline: int) -> int:
    """Tokens that may be computed before a window's blocks are freed (config/vllm.py)."""
    if version < TOKENS_IN_FLIGHT:
        return step
    batches = max(2 if asynchronous else 1, pipeline)
    return batches * step
