"""The peak of the profiling run: what vLLM keeps free for a forward pass and for sampling.

One law holds on 23 of 24 published runs of 0.6.5 to 0.13: the larger of a pass of
``max_num_batched_tokens`` and of a warm-up of the sampler with ``max_num_seqs`` rows of logits.
The sampler sorted in PyTorch until 0.16 (9.7 fp32 copies of the logits); its Triton kernel takes
2.9 (pull requests 33538 and 32558 measured 2.9 and 9.3; a Llama-8B on 0.30 shows 2.94).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from weighbridge.engine.vllm import versions
from weighbridge.engine.vllm.estimate import Estimate, spread
from weighbridge.engine.vllm.setup import Setup
from weighbridge.model.facts import FeedForward, Tower
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.term import Basis
from weighbridge.units import ceil_div

SORTING_TENTHS, TRITON_TENTHS = 97, 29
LOGIT = 4
# An encoder runs over at least one largest image: 16,384 tokens of four patches in Qwen's towers.
ENCODER_TOKENS = 16384
PATCHES = 4
SOURCE = "vllm v1/worker/gpu_model_runner.py, profile_run; constants fitted on published logs"


class Peak(NamedTuple):
    """One moment of the profiling run."""

    name: str
    bytes: int
    low: int
    high: int
    formula: str


def activation(setup: Setup, *, first: bool, last: bool, sampler: bool) -> Estimate:
    """The peak on one rank; ``sampler`` says whether this rank samples."""
    peaks = [_forward(setup)]
    if last and sampler and setup.model.generates:
        peaks.append(_sampler(setup))
    most = max(peaks, key=lambda peak: peak.bytes)
    size, low = most.bytes, max(peak.low for peak in peaks)
    high, formula = max(peak.high for peak in peaks), most.formula
    if first and _encodes(setup):
        encoder, outputs = _encoder(setup)
        if encoder > size:
            size, formula = encoder, "patches · bytes · (3·width + 4·hidden) of the tower"
        size, formula = size + outputs, f"{formula} + encoder outputs"
        high = max(high, size) * 8 // 5
    basis: Basis = "calibrated" if setup.version < versions.TRITON_SAMPLER else "assumed"
    return Estimate(
        size,
        min(low, size),
        max(high, size),
        basis,
        formula,
        {
            "max_num_batched_tokens": setup.step,
            "max_num_seqs": setup.sequences,
            "vocabulary": setup.model.vocab,
            "hidden (H)": setup.model.hidden,
            "width (W)": width(setup),
            "bytes": setup.element,
        },
        SOURCE,
    )


def _forward(setup: Setup) -> Peak:
    """Tokens of a step through the widest layer."""
    size = setup.step * setup.element * (width(setup) + 4 * setup.model.hidden)
    low, high = spread(size, 85, 130)
    return Peak("forward", size, low, high, "max_num_batched_tokens · bytes · (W + 4·H)")


def width(setup: Setup) -> int:
    """Elements of a token inside the widest feed-forward on one rank: 3·I / TP, or what the fused
    experts' two buffers take."""
    feeds = {id(layer.feed_forward): layer.feed_forward for layer in setup.model.layers}
    return max((_width(feed, setup) for feed in feeds.values()), default=0)


def _width(feed: FeedForward, setup: Setup) -> int:
    tensor = setup.layout.tensor
    if isinstance(feed, Dense):
        return ceil_div(3 * feed.intermediate, tensor)
    if not isinstance(feed, MixtureOfExperts):
        return 0
    shared = ceil_div(3 * feed.shared_intermediate, tensor)
    own = feed.intermediate if setup.layout.expert else ceil_div(feed.intermediate, tensor)
    routed = feed.top_k * (max(2 * own, setup.model.hidden) + own)
    return max(shared, routed)


def _sampler(setup: Setup) -> Peak:
    """Rows of logits of all sequences, gathered from all ranks."""
    triton = setup.v1 and setup.version >= versions.TRITON_SAMPLER
    tenths = TRITON_TENTHS if triton else SORTING_TENTHS
    size = tenths * LOGIT * setup.sequences * setup.model.vocab // 10
    low, high = spread(size, 60, 150) if triton else spread(size, 95, 108)
    formula = f"{tenths / 10:g} · 4 B · max_num_seqs · vocabulary"
    return Peak("sampler", size, low, high, formula)


def _encodes(setup: Setup) -> bool:
    off = setup.own.get("language_model_only") or setup.own.get("skip_mm_profiling")
    limits = str(setup.own.get("limit_mm_per_prompt") or "")
    none = bool(limits) and not re.search(r"[:=]\s*[1-9]", limits)
    return bool(setup.model.towers) and setup.model.generates and not off and not none


def _encoder(setup: Setup) -> tuple[int, int]:
    """Bytes of the widest tower's pass over one largest image, and of what it hands over."""
    tokens = max(setup.step, ENCODER_TOKENS)
    widest = max((_tower(tower) for tower in setup.model.towers), default=0)
    outputs = tokens * setup.model.hidden * setup.element
    return tokens * PATCHES * setup.element * widest, outputs


def _tower(tower: Tower) -> int:
    """3·I + 4·H of the tower's most common feed-forward matrix."""
    counted: dict[tuple[int, int], int] = {}
    for parameter in tower.parameters:
        if len(parameter.shape) == 2 and parameter.role == "linear":
            out, into = parameter.shape
            if out > into:
                shape = (out, into)
                counted[shape] = counted.get(shape, 0) + 1
    if not counted:
        return 0
    inner, hidden = max(counted, key=lambda shape: (counted[shape], shape))
    return 3 * min(inner, 4 * hidden) + 4 * hidden
