"""The lines that SGLang would log, and why it would not start.

It prints GB and means GiB.
"""

from __future__ import annotations

from weighbridge.engine import Refusal
from weighbridge.engine.served import printed_gib, together
from weighbridge.engine.sglang import terms, versions
from weighbridge.engine.sglang.cells import Cells, Slot
from weighbridge.engine.sglang.pool import (
    PREFILL_TOKENS,
    Budget,
    Pool,
    context_length,
    fraction_that_holds,
    rest_bytes,
)
from weighbridge.engine.sglang.setup import Setup
from weighbridge.units import format_bytes

TORCH = {"bf16": "torch.bfloat16", "fp16": "torch.float16", "fp32": "torch.float32",
         "fp8": "torch.float8_e4m3fn", "nvfp4": "torch.float4_e2m1fn_x2"}  # fmt: skip


def lines(
    setup: Setup, budget: Budget | None, pool: Pool, found: Cells, slot: Slot
) -> tuple[str, ...]:
    """What the first rank logs while it starts."""
    if budget is None:
        return ()
    page, free = setup.page, budget.after
    dtype = TORCH.get(setup.compute, setup.compute)
    said = [
        f"Load weight begin. avail mem={printed_gib(budget.before)} GB",
        f"Load weight end. type={setup.model.architecture}, dtype={dtype}, avail mem="
        f"{printed_gib(free)} GB, mem usage={printed_gib(budget.before - free)} GB.",
    ]
    if pool.slots:
        said.append(
            f"Mamba Cache is allocated. max_mamba_cache_size: {pool.slots}, conv_state size: "
            f"{printed_gib((pool.slots + 1) * slot.convolution)}GB, ssm_state size: "
            f"{printed_gib((pool.slots + 1) * slot.recurrence)}GB"
        )
        free -= pool.state + pool.verify
    prefix = "KV Cache is allocated. "
    if setup.version >= versions.LOG_STATES_DTYPE:
        prefix += f"dtype: {TORCH.get(setup.cache.name, setup.cache.name)}, "
    size = kv_bytes(pool, found, page)
    if found.windowed:
        said.append(
            f"Use sliding window memory pool. full_layer_tokens={pool.tokens}, "
            f"swa_layer_tokens={pool.windowed}"
        )
    if found.key and not found.windowed:
        key = (pool.tokens + page) * found.key
        value = (pool.tokens + page) * found.value
        said.append(
            f"{prefix}#tokens: {pool.tokens}, K size: {printed_gib(key)} GB, "
            f"V size: {printed_gib(value)} GB"
        )
    else:
        said.append(f"{prefix}#tokens: {pool.tokens}, KV size: {printed_gib(size)} GB")
    free -= size + terms.request_table(setup, 0, pool.requests, context_length(setup)).bytes
    said.append(f"Memory pool end. avail mem={printed_gib(free)} GB")
    free -= terms.attention_workspace(setup, 0).bytes
    if setup.graphs:
        said.append(f"Capture cuda graph begin. avail mem={printed_gib(free)} GB")
        captured = together(terms.graphs(setup, 0)).bytes
        free -= captured
        said.append(
            f"Capture cuda graph end. mem usage={printed_gib(captured)} GB. "
            f"avail mem={printed_gib(free)} GB."
        )
    said.append(
        f"max_total_num_tokens={pool.tokens}, chunked_prefill_size={setup.chunk}, "
        f"max_prefill_tokens={PREFILL_TOKENS}, max_running_requests={pool.requests}, "
        f"context_len={context_length(setup)}, available_gpu_mem={printed_gib(free)} GB"
    )
    return tuple(said)


def kv_bytes(pool: Pool, found: Cells, page: int) -> int:
    """Bytes of the pools of keys and values, the page that holds padding included."""
    full = (pool.tokens + page) * found.full_bytes if pool.tokens else 0
    windowed = (pool.windowed + page) * found.windowed_bytes if pool.windowed else 0
    return full + windowed


def refusal(
    setup: Setup, budget: Budget | None, pool: Pool, slot: Slot, needed: int
) -> Refusal | None:
    """Why SGLang would not start; ``needed`` are the bytes of one sequence's cache and state.

    A larger fraction must leave what graphs and workspaces take after the pools.
    """
    if budget is None:
        return None
    if budget.after <= 0:
        loaded = budget.before - budget.after
        return Refusal(
            f"SGLang would run out of memory while loading: a rank's weights take "
            f"{format_bytes(loaded)}, and {format_bytes(budget.before)} are free"
        )
    if pool.tokens > 0 and (not slot.total or pool.requests > 0):
        return None
    value = fraction_that_holds(budget, max(needed, 1))
    later = together(terms.after(setup, 0, 1)).bytes
    fits = value is not None and budget.before * (1 - value) >= later
    rest = rest_bytes(budget, setup.fraction)
    message = _message(setup, budget, rest, pool)
    if not fits or value is None:
        return Refusal(
            f"{message} No fraction holds a whole sequence beside the graphs; use more ranks, a "
            "smaller format or a shorter --context"
        )
    return Refusal(
        f"{message} --mem-fraction-static {value:.3f} holds one sequence",
        "gpu_memory_utilization",
        f"{value:.3f}",
        bytes=int(setup.question.cards[0].usable_bytes - budget.before * (1 - value) + later),
    )


def _message(setup: Setup, budget: Budget, rest: int, pool: Pool) -> str:
    fraction = f"{setup.fraction:.3f}"
    if rest > 0 and pool.slots <= 0 and pool.requests <= 0:
        return (
            "SGLang would stop: 'Not enough GPU memory for hybrid (mamba/linear-attention) state "
            f"cache', with {format_bytes(rest)} for the pools under mem_fraction_static={fraction}."
        )
    if setup.version < versions.DRAFT_COUNTED:
        return (
            "SGLang would stop: 'Not enough memory. Please try to increase --mem-fraction-static. "
            f"Current value: {fraction}'; {format_bytes(max(-rest, 0))} are missing after loading."
        )
    smallest = 1 - budget.after / budget.before
    return (
        "SGLang would stop: 'Loaded weights leave no GPU memory for the KV cache under "
        f"--mem-fraction-static={fraction}'; the smallest that leaves any is {smallest:.4f}."
    )
