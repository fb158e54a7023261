"""What articles say of bytes, where a sentence and not a formula is quoted."""

from __future__ import annotations

from weighbridge.formats.table import find_format
from weighbridge.memory.cache import cache_elements
from weighbridge.memory.weights import weigh_parameters
from weighbridge.planner import Plan
from weighbridge.rules.claim import Claim
from weighbridge.rules.subject import subject_of
from weighbridge.rules.words import both, off, times
from weighbridge.units import GB, format_bytes

PRECISIONS = (
    ("fp32", "FP32", 32),
    ("bf16", "16 bit", 16),
    ("int8", "INT8", 8),
    ("nf4", "4 bit", 4),
)
LONG = 131_072
FILLED, CLAIMED_TOKENS = 14 * GB, 28_000
USERS, GPUS = 1000, 50


def weights_in(plan: Plan, name: str) -> int:
    """Bytes of the plan's model in a format."""
    storage = find_format(name).for_model(plan.model)
    return weigh_parameters(plan.model.every_parameter(), storage).total


def cache_at(plan: Plan, tokens: int) -> int:
    """Bytes of one sequence's cache of ``tokens`` tokens, windows kept as windows."""
    elements = int(cache_elements(plan.model.layer_groups(), tokens))
    return elements * plan.cache.element_bytes


def precisions(plan: Plan) -> Claim:
    """4, 2, 1 and half a byte."""
    found = [(said, bits, weights_in(plan, name)) for name, said, bits in PRECISIONS]
    count = plan.model.parameters
    each = "; ".join(
        f"{said} {both(size)}, {size * 8 / count:.3g} bits per parameter" for said, _, size in found
    )
    right = all(abs(size * 8 / count / bits - 1) < 0.01 for _, bits, size in found)
    return Claim(
        "bytes-per-precision",
        "a parameter takes 4, 2, 1 and 0.5 bytes in FP32, 16 bit, INT8 and 4 bit",
        right,
        f"of this model: {each}",
        "in 32 and 16 bit, exactly; in 8 and 4 bit for large models, whose embeddings and scales "
        "weigh little",
        "the formats' own layouts, see formats/table.py (int8 and nf4 of bitsandbytes here)",
    )


def quarter(plan: Plan) -> Claim:
    """INT8 against FP16."""
    ratio = weights_in(plan, "bf16") / weights_in(plan, "int8")
    wide = weights_in(plan, "fp32") / weights_in(plan, "int8")
    return Claim(
        "int8-quarter",
        "INT8 is four times smaller than FP16",
        ratio > 3.5,
        f"it is {times(ratio)} smaller for this model; four times is said of FP32, and "
        f"{times(wide)} is what comes of it here",
        "never of FP16; of FP32 it is",
        "arithmetic: 16 / 8 bits, scales and 16-bit embeddings counted",
    )


def tokens_in_14_gb(plan: Plan) -> Claim:
    """28,000 tokens."""
    per_token = plan.cache.bytes_per_token
    said = "28,000 tokens of cache fill 14 GB (0.5 MB a token)"
    if not per_token:
        return Claim(
            "tokens-28k", said, False, "this model keeps no cache that grows", NEAR_MHA, KV
        )
    ratio = FILLED / CLAIMED_TOKENS / per_token
    return Claim(
        "tokens-28k",
        said,
        0.9 < ratio < 1.1,
        f"a token takes {format_bytes(per_token)} here ({per_token:,} bytes), so "
        f"{FILLED // per_token:,} tokens fill 14 GB; 0.5 MB a token is {off(ratio)}",
        NEAR_MHA,
        KV,
    )


NEAR_MHA = (
    "for LLaMA-7B and Llama-2-7B in 16 bit; not for a model whose heads share keys and values"
)
KV = "2 × layers × KV heads × head dim × bytes, or what the mixer keeps instead"


def long_cache(plan: Plan) -> Claim:
    """40 GB at 128k."""
    size = cache_at(plan, LONG)
    return Claim(
        "cache-40gb",
        "a 70B model's cache takes 40 GB at a context of 128k",
        abs(size / (40 * GB) - 1) < 0.1,
        f"this model's takes {both(size)} for one sequence of {LONG:,} tokens in "
        f"{plan.cache.dtype}; ten sequences take ten times that",
        "for 80 layers of 8 KV heads of 128 in 16 bit (Llama-2-70B, Llama-3-70B), where it is "
        "40 GiB to the byte; not GB",
        KV,
    )


def squared_memory(plan: Plan) -> Claim:
    """Scores that are stored, and scores that are not."""
    subject = subject_of(plan)
    tokens = max(int(plan.tokens.prompt), 1)
    heads = subject.heads.heads if subject.heads else 0
    scores, sums = heads * tokens * tokens * 2, heads * tokens * 4
    if not heads:
        ours = "this model has no attention"
    else:
        ours = (
            f"scores of one layer, stored as in 2017, take {both(scores)} for {tokens:,} tokens "
            f"({heads} heads × {tokens:,}² × 2 bytes); FlashAttention and torch's SDPA keep one "
            f"sum per row, {both(sums)}, which grows linearly"
        )
    return Claim(
        "squared-memory",
        "attention needs memory with the square of the length",
        False,
        ours,
        "then (2017 to 2021) and with eager attention now; the time of attention's pairs is still "
        "squared",
        "FlashAttention, arXiv:2205.14135, section 3.1",
    )


def users(plan: Plan) -> Claim:
    """1,000 users on 50 cards."""
    room, devices = plan.capacity, len(plan.devices)
    says = "1,000 users need 50 GPUs"
    near = (
        "where 20 users at once share a card; 1,000 users who subscribe are not 1,000 who wait at "
        "the same time"
    )
    source = "room of the plan ÷ cache of a sequence; queues and latency are a further limit"
    if room is None or not room.sequences or float(room.sequences) < 1:
        ours = "no card was named, or this model has no room on it: the answer depends on both"
        return Claim("users-50", says, False, ours, near, source)
    each = int(float(room.sequences))
    cards = -(-USERS // each) * devices
    length = plan.tokens.prompt + plan.tokens.output
    return Claim(
        "users-50",
        says,
        0.8 * GPUS <= cards <= 1.25 * GPUS,
        f"{each:,} sequences of {length:,} tokens fit at once here on {devices} "
        f"card{'s' if devices > 1 else ''}, so {USERS:,} at once need {cards:,} of them for memory "
        f"alone; if one user in ten is at work, {-(-USERS // 10 // each) * devices or devices:,}",
        near,
        source,
    )
