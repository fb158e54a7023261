"""The lines that TensorRT-LLM would log about memory, and why it would not start."""

from __future__ import annotations

from weighbridge.engine import Refusal
from weighbridge.engine.served import RankWeights, forward_bytes, printed_gib
from weighbridge.engine.tensorrt_llm import terms
from weighbridge.engine.tensorrt_llm.pool import Group, Pool
from weighbridge.engine.tensorrt_llm.setup import Setup
from weighbridge.term import Term
from weighbridge.units import MIB, format_bytes

SMALLEST_STEP = 256


def lines(
    setup: Setup,
    before: list[Term],
    held: RankWeights,
    free: int,
    pool: Pool,
    found: tuple[Group, ...],
) -> tuple[str, ...]:
    """What the first rank logs while it starts."""
    if setup.backend == "tensorrt":
        said = _engine(setup, before, held, free)
    else:
        said = _profiled(setup, before, held, pool, found)
    if pool.tokens < setup.length:
        said.append(
            f"Attention window size {setup.length} exceeds upper bound {pool.tokens} for available "
            f"blocks. Reducing to {pool.tokens}."
        )
    said.append(f"Number of tokens per block: {setup.block}.")
    for group, tokens in zip(found, pool.each, strict=False):
        size = printed_gib(tokens * group.bytes)
        said.append(
            f"[MemUsageChange] Allocated {size} GiB for max tokens in paged KV cache ({tokens})."
        )
    return tuple(said)


def _profiled(
    setup: Setup, before: list[Term], held: RankWeights, pool: Pool, found: tuple[Group, ...]
) -> list[str]:
    card = setup.question.cards[0]
    activations = terms.profiled(setup, 0).bytes
    peak = sum(term.bytes for term in before) + activations
    outside = peak - activations - held.size.bytes
    cell = sum(group.bytes for group in found)
    when = "in memory usage profiling"
    return [
        f"Memory used after loading model weights (inside torch) {when}: "
        f"{printed_gib(held.size.bytes)} GiB",
        f"Memory dynamically allocated during inference (inside torch) {when}: "
        f"{printed_gib(activations)} GiB",
        f"Memory used outside torch (e.g., NCCL and CUDA graphs) {when}: "
        f"{printed_gib(outside)} GiB",
        f"Peak memory during memory usage profiling (torch + non-torch): {printed_gib(peak)} GiB, "
        "available KV cache memory when calculating max tokens: "
        f"{printed_gib(pool.available)} GiB, fraction is set {setup.fraction:g}, kv size is "
        f"{cell}. device total memory {printed_gib(card.usable_bytes)} GiB",
        f"Estimated max memory in KV cache : {printed_gib(pool.available)} GiB",
    ]


def _engine(setup: Setup, before: list[Term], held: RankWeights, free: int) -> list[str]:
    named = {"execution": 0, "decoder": 0, "runtime buffers": 0}
    for term in before:
        if term.name == "activations":
            named["execution"] = term.bytes
        for part in ("decoder", "runtime buffers"):
            if term.formula.endswith(part):
                named[part] = term.bytes
    card = setup.question.cards[0]
    return [
        f"Loaded engine size: {held.size.bytes // MIB} MiB",
        f"[MemUsageChange] Allocated {named['execution'] / MIB:.2f} MiB for execution context "
        "memory.",
        f"[MemUsageChange] Allocated {named['runtime buffers'] / MIB:.2f} MB GPU memory for "
        "runtime buffers.",
        f"[MemUsageChange] Allocated {named['decoder'] / MIB:.2f} MB GPU memory for decoder.",
        "Memory usage when calculating max tokens in paged kv cache: total: "
        f"{printed_gib(card.usable_bytes)} GiB, available: {printed_gib(free)} GiB",
    ]


def refusal(setup: Setup, free: int, needed: int, pool: Pool, state: int) -> Refusal | None:
    """Why TensorRT-LLM would not start; ``needed`` are the bytes of one block of every layer."""
    if pool.tokens > 0:
        return None
    if free > needed and state:
        most = int((free * setup.fraction - needed) // state)
        message = (
            f"TensorRT-LLM keeps states of max_batch_size {setup.batch} sequences, "
            f"{format_bytes(state * setup.batch)}, and has {format_bytes(pool.available)} for them "
            "and the cache"
        )
        if most > 0:
            return Refusal(f"{message}; --max-num-seqs {most} leaves room", "max_num_seqs",
                           str(most))  # fmt: skip
        return Refusal(f"{message}; use more ranks or a smaller format of weights")
    message = (
        "TensorRT-LLM would run out of memory before it makes its cache: its weights and buffers "
        f"miss {format_bytes(max(needed - free, 0))} on {setup.question.cards[0].name}"
    )
    step = _smaller_step(setup, free, needed)
    if step is None:
        return Refusal(f"{message}; use more ranks or a smaller format of weights")
    return Refusal(f"{message}; --max-num-batched-tokens {step} leaves room",
                   "max_num_batched_tokens", str(step))  # fmt: skip


def _smaller_step(setup: Setup, free: int, needed: int) -> int | None:
    """The largest power of two of tokens a step under which one block is left."""

    def activations(step: int) -> int:
        if setup.backend == "tensorrt":
            return int(terms.execution(setup._replace(step=step), 0).bytes)
        return int(forward_bytes(setup.model, step, setup.feed.tensor, setup.element)[0])

    step, now = setup.step // 2, activations(setup.step)
    while step >= SMALLEST_STEP:
        if (free + now - activations(step)) * setup.fraction > needed:
            return step
        step //= 2
    return None
