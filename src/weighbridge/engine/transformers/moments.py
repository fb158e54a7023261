"""The moments of a forward pass at which most can be alive, in bytes, KV cache apart.

With H hidden, A = heads × head dim, K = KV heads × head dim, I the feed-forward's width, e bytes
per element, T new tokens of b sequences that see S positions. Every count is stated in
:mod:`weighbridge.engine.transformers.liveness`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from weighbridge.engine.transformers import versions
from weighbridge.engine.transformers.liveness import Liveness, liveness
from weighbridge.engine.transformers.setup import Setup
from weighbridge.model.facts import Layer, Mixer
from weighbridge.model.feed_forward import Dense, MixtureOfExperts
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.units import maximum

POSITION_IDS = 8
BUSIEST_EXPERT = 2


class Moment(NamedTuple):
    """Bytes alive at one moment, with bounds where the split over experts decides."""

    name: str
    bytes: Any
    low: Any
    high: Any
    formula: str


def prefill_moments(setup: Setup, layer: Layer, batch: Any, tokens: Any) -> Iterator[Moment]:
    """The moments of one layer while the prompt passes through it."""
    live = liveness(setup.model.family)
    rows = batch * tokens
    yield from _feed_forward(setup, layer, live, rows)
    hidden, element = setup.model.hidden, setup.element
    yield _certain(
        "norm", rows * hidden * (3 * element + 8), "b·T·(3H·e + fp32 input and product 8H)"
    )
    if type(layer.mixer).__name__ == "Mamba":  # by name: other models need not import it
        from weighbridge.engine.transformers.scan import FORMULA, scan

        found = scan(layer.mixer, hidden, element, rows)
        yield Moment("scan", found.plain, found.fused, found.plain, FORMULA)
        return
    yield from _attention(setup, layer.mixer, live, batch, tokens, tokens)


def shared_by_all(setup: Setup, batch: Any, tokens: Any) -> Any:
    """Cosines, sines and position ids, held for the whole pass."""
    live = liveness(setup.model.family)
    if versions.rotary_tables(setup.model.family, setup.version):
        return tokens * POSITION_IDS + 0 * batch
    pair = 2 * setup.model.rotary_width * setup.element
    learned = live.shared * setup.model.hidden * setup.element
    return tokens * (live.rotary * pair + learned + POSITION_IDS) + 0 * batch


def masks(setup: Setup, batch: Any, tokens: Any, keys: Any) -> Any:
    """Eager attention's additive masks, made once for all layers; other kernels need none."""
    if setup.attention != "eager" or not setup.model.generates:
        return 0 * batch * tokens
    count = liveness(setup.model.family).masks
    return count * tokens * keys * setup.element + 0 * batch


def _certain(name: str, size: Any, formula: str) -> Moment:
    return Moment(name, size, size, size, formula)


def _feed_forward(setup: Setup, layer: Layer, live: Liveness, rows: Any) -> Iterator[Moment]:
    feed, hidden, element = layer.feed_forward, setup.model.hidden, setup.element
    if isinstance(feed, MixtureOfExperts):
        yield _experts(setup, feed, rows)
        if feed.shared_intermediate:
            size = rows * element * (4 * hidden + 3 * feed.shared_intermediate)
            yield _certain("shared expert", size, "b·T·e·(4H + 3·shared I)")
    elif isinstance(feed, Dense):
        size = rows * element * (live.residuals * hidden + live.widths * feed.intermediate)
        yield _certain("feed-forward", size, f"b·T·e·({live.residuals}H + {live.widths}I)")


def _experts(setup: Setup, feed: MixtureOfExperts, rows: Any) -> Moment:
    """Grouped from version 5 on; before that one expert after the other over its own tokens."""
    hidden, element, k = setup.model.hidden, setup.element, feed.top_k
    if setup.version >= versions.GROUPED_EXPERTS:
        return _certain(*_grouped(setup, feed, rows))
    index = 8 * feed.experts * k

    def loop(share: float) -> Any:
        busy = hidden + 3 * feed.intermediate
        return rows * index + rows * element * 6 * hidden + _part(rows, share) * element * busy

    even = k / feed.experts
    return Moment(
        "experts",
        loop(min(1.0, BUSIEST_EXPERT * even)),
        loop(even),
        loop(1.0),
        "b·T·(e·6H + 8·experts·k) + the busiest expert's tokens·e·(H + 3I), taken as "
        f"{BUSIEST_EXPERT} × its even share, between even and all",
    )


def _part(rows: Any, share: float) -> Any:
    return rows * int(share * 10**6) // 10**6


def _grouped(setup: Setup, feed: MixtureOfExperts, rows: Any) -> tuple[str, Any, str]:
    hidden, element, k, width = setup.model.hidden, setup.element, feed.top_k, feed.intermediate
    family = setup.model.family
    if family == "gpt_oss":
        return (
            "experts",
            rows * element * (4 * hidden + 9 * k * width + k * hidden),
            ("b·T·e·(4H + 9kI + kH)"),
        )
    if setup.model.family in {"deepseek_v2", "deepseek_v3", "kimi_k2"}:
        widest = max(element * (k * hidden + 4 * k * width), 12 * k * hidden)
        return (
            "experts",
            rows * (4 * element * hidden + widest),
            ("b·T·(4H·e + max(e·(kH + 4kI), fp32 weighted outputs 12kH))"),
        )
    kept = 4 + (1 if feed.shared_intermediate else 0)
    widest = max(k * hidden + 4 * k * width, 4 * k * hidden)
    return (
        "experts",
        rows * element * (kept * hidden + widest),
        (f"b·T·e·({kept}H + max(kH + 4kI, 4kH))"),
    )


def _attention(
    setup: Setup, mixer: Mixer, live: Liveness, batch: Any, tokens: Any, keys: Any
) -> Iterator[Moment]:
    rows, element, hidden = batch * tokens, setup.element, setup.model.hidden
    if isinstance(mixer, LatentAttention):
        width, formula = _latent(mixer), "3H + h·(dn+dv) + 3h·(dn+dr) + h·dr + r + dr"
        stream = live.stream
    else:
        queries, key = mixer.query_width, mixer.key_width
        stream, copies = _copies(setup, live)
        width, formula = copies * queries + live.keys * key, f"{stream}H + {copies}A"
        if live.keys:
            formula += f" + {live.keys}K"
    scores = _scores(setup, live, mixer, batch, tokens, keys)
    size = rows * element * (stream * hidden + width)
    if setup.attention == "eager":
        size = rows * element * (3 * hidden + (width if isinstance(mixer, LatentAttention) else
                                               3 * mixer.query_width)) + scores  # fmt: skip
        yield _certain("eager attention", size, "scores + b·T·e·(3H + 3A)")
    else:
        yield _certain("attention", size, f"b·T·e·({formula})")
    if live.normed and not isinstance(mixer, LatentAttention):
        size = rows * (
            3 * element * hidden
            + (element + 8) * mixer.query_width
            + 8 * mixer.score_heads
            - 2 * element * mixer.key_width
        )
        yield _certain("query norm", maximum(size, 0), "b·T·(3H·e + A·(e + 8) + 8h − 2K·e)")


def _copies(setup: Setup, live: Liveness) -> tuple[int, int]:
    """Copies of the hidden and of the query width during attention, by version and kernel."""
    family, version = setup.model.family, setup.version
    if not versions.repeats_heads(family, version, setup.attention):
        return live.stream, live.queries
    if setup.attention == "sdpa" and version >= versions.SDPA_CONTIGUOUS:
        return live.stream, live.queries + 2
    return live.stream + 1, live.queries


def _latent(mixer: LatentAttention) -> int:
    key = mixer.nope + mixer.rope
    return (
        mixer.heads * (mixer.nope + mixer.v_dim + 3 * key + mixer.rope) + mixer.latent + mixer.rope
    )


def score_element(setup: Setup, live: Liveness) -> int:
    """Bytes per score that eager attention holds at once.

    bf16 is copied to fp32 before the softmax (2 + 4 + 4); fp16 has a fused kernel on CUDA
    (2 + 4 + 2, ATen SoftMax.cpp), as has fp32 (4 + 4).
    """
    if live.scores == "model":
        return 2 * setup.element
    if live.scores == "sinks":
        return 3 * setup.element
    return 10 if setup.compute == "bf16" else 8


def _scores(setup: Setup, live: Liveness, mixer: Mixer, batch: Any, tokens: Any, keys: Any) -> Any:
    return batch * mixer.score_heads * tokens * keys * score_element(setup, live)


def decode_extra(setup: Setup, layer: Layer, batch: Any, positions: Any) -> Moment:
    """What one step needs beside the cache: the layer's K and V once more, or its concatenation."""
    mixer, element = layer.mixer, setup.element
    live = liveness(setup.model.family)
    held = 0 * positions
    for stream in setup.streams(layer):
        held = setup.kept(stream, positions)
    scores = 0 * batch * positions
    if setup.attention == "eager":
        scores = batch * mixer.score_heads * held * score_element(setup, live)
    if isinstance(mixer, LatentAttention):
        if versions.caches_latent(setup.version):
            width = mixer.heads * (2 * mixer.nope + mixer.rope + mixer.v_dim)
            formula = "sequences × positions × e·h·(2dn + dr + dv): the latent expanded for a layer"
        else:
            width = mixer.heads * (mixer.nope + mixer.rope)
            formula = "sequences × positions × e·h·(dn + dr): one layer's keys concatenated"
    elif versions.repeats_heads(setup.model.family, setup.version, setup.attention):
        width = 2 * mixer.query_width
        formula = "sequences × positions × e·2A: one layer's K and V repeated to all heads"
    else:
        width = mixer.key_width
        formula = "sequences × positions × e·K: one layer's keys concatenated"
    return _certain("decode", batch * held * width * element + scores, formula)
