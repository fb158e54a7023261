"""The terms of Transformers, each with its formula, the numbers put in, and its source."""

from __future__ import annotations

from typing import Any

from weighbridge.engine.transformers import versions
from weighbridge.engine.transformers.liveness import TRACED
from weighbridge.engine.transformers.moments import (
    Moment,
    decode_extra,
    masks,
    prefill_moments,
    shared_by_all,
)
from weighbridge.engine.transformers.setup import Setup
from weighbridge.engine.transformers.share import Share
from weighbridge.hardware.host import KIND as HOST_KIND
from weighbridge.memory.allocator import UNSPLIT
from weighbridge.memory.cache import every_token, state_bytes
from weighbridge.memory.context import hoard, process_context
from weighbridge.model.facts import CacheStream
from weighbridge.term import Basis, Phase, Term, exact
from weighbridge.units import maximum, where

CACHE_UTILS = "transformers cache_utils.py"
SAMPLING_VECTORS = 30
GREEDY_VECTORS = 4
FEWER_HEADS = 8
UNTRACED = 2


def facts_basis(setup: Setup) -> Basis:
    """``assumed`` where the architecture is, else ``config``."""
    return "assumed" if setup.model.basis == "assumed" else "config"


def traced_basis(setup: Setup) -> Basis:
    """``traced`` where the family's own class was; else the form of its kin, from its config."""
    traced = setup.model.family in TRACED and setup.model.basis != "assumed"
    return "traced" if traced else facts_basis(setup)


def cache(setup: Setup, share: Share, phase: Phase) -> list[Term]:
    """KV cache and recurrent state of the sequences at once, in this phase."""
    if not setup.model.generates:
        return []
    tokens, batch = setup.question.tokens, setup.question.concurrency
    implementation = setup.question.deployment.cache_implementation
    held = tokens.prompt if phase == "prefill" and implementation != "static" else tokens.cached
    layers = share.grouped(setup.model)
    each = setup.cached_elements(layers, held) * setup.element
    if implementation == "offloaded":
        return [_offloaded(setup, share, phase, held)]
    found = [
        Term(
            "kv_cache",
            share.device,
            phase,
            batch * each,
            batch * each // _guessed(setup, FEWER_HEADS),
            batch * each * _guessed(setup, _sharing(setup)) + _unsplit(share, batch * each),
            facts_basis(setup),
            "sequences × Σ layers × elements per token × min(tokens, window) × bytes; at most "
            "1 MiB more per tensor, where its block is not split",
            {
                "sequences": batch,
                "tokens": held,
                "bytes per element": setup.element,
                **_streams_by_kind(setup, share),
            },
            f"{CACHE_UTILS}: prompt + output − 1 positions; {setup.model.source}",
        )
    ]
    state = state_bytes(layers, setup.element)
    if state:
        found.append(
            exact(
                "state",
                batch * state,
                device=share.device,
                phase=phase,
                basis=facts_basis(setup),
                formula="sequences × Σ layers × state elements × bytes",
                inputs={"sequences": batch, "bytes per sequence": state},
                source=f"{CACHE_UTILS}, LinearAttentionLayer",
            )
        )
    return [*found, *_cache_copies(setup, share, phase, held, batch * each)]


def _guessed(setup: Setup, factor: int) -> int:
    """``factor`` where the architecture is assumed, else 1."""
    return factor if setup.model.basis == "assumed" else 1


def _sharing(setup: Setup) -> int:
    """Query heads per KV head of the assumed shape: so much larger without sharing."""
    mixer = setup.model.layers[0].mixer
    return max(mixer.query_width // max(mixer.key_width, 1), 1)


def _unsplit(share: Share, size: Any) -> Any:
    """The most that the blocks of the cache's tensors, two a layer, take beside them."""
    tensors = 2 * max(len(share.layers), 1)
    return where(size > tensors * UNSPLIT, tensors * UNSPLIT, 0 * size)


def _offloaded(setup: Setup, share: Share, phase: Phase, held: Any) -> Term:
    """The layer at work and the one being fetched; the rest waits in host memory."""
    batch = setup.question.concurrency
    sizes = [setup.cached_elements([(layer, 1)], held) for layer, _ in share.grouped(setup.model)]
    largest = sizes[0] if sizes else 0
    for size in sizes[1:]:
        largest = maximum(largest, size)
    return exact(
        "kv_cache",
        2 * batch * largest * setup.element,
        device=share.device,
        phase=phase,
        basis=facts_basis(setup),
        formula="sequences × 2 layers × elements per token × tokens × bytes",
        inputs={"sequences": batch, "tokens": held, "bytes per element": setup.element},
        source=f"{CACHE_UTILS}: an offloaded cache keeps this layer and prefetches the next",
    )


def _cache_copies(setup: Setup, share: Share, phase: Phase, held: Any, size: Any) -> list[Term]:
    """What stands beside the cache for a while: old copies, and prompts longer than a window."""
    family, version = setup.model.family, setup.version
    layers, batch = share.grouped(setup.model), setup.question.concurrency
    if phase == "decode" and versions.doubles_cache(family, version):
        return [
            exact(
                "workspace",
                size,
                device=share.device,
                phase=phase,
                basis=facts_basis(setup),
                formula="the old cache, held beside the new one through each step",
                inputs={"bytes": size},
                source="transformers generation/utils.py before 4.42.4: outputs keep their tuple",
            )
        ]
    dynamic = setup.question.deployment.cache_implementation == "dynamic"
    windowed = any(s.window for layer, _ in layers for s in setup.streams(layer))
    if dynamic and windowed and version >= versions.BOUNDED_WINDOWS:
        # The first decode step begins with the whole prompt's, the last one ends with the longest.
        prompt = setup.question.tokens.prompt if phase == "decode" else held
        full = setup.cached_elements(layers, prompt, kept=every_token)
        kept = setup.cached_elements(layers, held)
        full = maximum(full, kept)
        return [
            exact(
                "workspace",
                batch * (full - kept) * setup.element,
                device=share.device,
                phase=phase,
                basis=facts_basis(setup),
                formula="sequences × Σ sliding layers × elements × (prompt − window) × bytes",
                inputs={"sequences": batch, "prompt": held, "bytes per element": setup.element},
                source=f"{CACHE_UTILS}, DynamicSlidingWindowLayer: the window is a view of the "
                "whole prompt's keys and values until the first decode step",
            )
        ]
    return []


def _streams_by_kind(setup: Setup, share: Share) -> dict[str, str]:
    """What each kind of layer keeps, for ``--why``."""
    kinds: dict[str, tuple[int, str]] = {}
    for layer, count in share.grouped(setup.model):
        said = " + ".join(_described(stream) for stream in setup.streams(layer))
        if said:
            before, _ = kinds.get(layer.mixer.kind, (0, ""))
            kinds[layer.mixer.kind] = (before + count, said)
    return {kind: f"{count} layers × {said}" for kind, (count, said) in kinds.items()}


def _described(stream: CacheStream) -> str:
    window = f", window {stream.window:,}" if stream.window else ""
    whose = "encoder position" if stream.tokens_of == "encoder" else "token"
    return f"{stream.width:,} elements per {whose}{window}"


def forward(setup: Setup, share: Share, phase: Phase) -> list[Term]:
    """Activations and logits at the moment of the phase at which most is alive."""
    model, batch, tokens = setup.model, setup.question.concurrency, setup.question.tokens
    new = maximum(tokens.prompt, setup.encoder_tokens) if phase == "prefill" else 1
    keys = new if phase == "prefill" else tokens.cached
    moments: list[Moment] = []
    for layer, _ in share.grouped(model):
        if phase == "decode":
            moments.append(decode_extra(setup, layer, batch, keys))
        moments += prefill_moments(setup, layer, batch, new)
    always = shared_by_all(setup, batch, new) + masks(setup, batch, new, keys)
    size, low, high = (
        _widest([getattr(moment, field) for moment in moments]) + always
        for field in ("bytes", "low", "high")
    )
    if traced_basis(setup) != "traced":
        low, high = low // UNTRACED, high * UNTRACED
    formula = max(moments, key=lambda moment: _first(moment.bytes)).formula if moments else "none"
    logits = _logits(setup, share, phase, new)
    if logits is None:
        return [_activations(setup, share, phase, size, low, high, formula)]
    stream = batch * new * model.hidden * setup.element
    at_head = stream + logits[0] > size if phase == "prefill" else False
    if phase == "decode":
        return [
            _activations(setup, share, phase, size, low, high, formula),
            _logits_term(setup, share, phase, *logits),
        ]
    return [
        _activations(
            setup,
            share,
            phase,
            where(at_head, stream + always, size),
            where(at_head, stream, low),
            # generate() copies the last row to fp32, which may reach above the layers' peak.
            where(
                at_head,
                maximum(stream + always, high - logits[0]),
                maximum(high, stream + always + logits[2]),
            ),
            formula,
        ),
        _logits_term(
            setup,
            share,
            phase,
            where(at_head, logits[0], 0 * logits[0]),
            where(at_head, logits[1], 0 * logits[1]),
            where(at_head, logits[2], 0 * logits[2]),
            logits[3],
        ),
    ]


def _logits(setup: Setup, share: Share, phase: Phase, new: Any) -> tuple[Any, Any, Any, str] | None:
    """Bytes of logits with bounds and formula; None where this device computes and gets none."""
    model, batch = setup.model, setup.question.concurrency
    if not model.generates:
        return None
    family, vocab, element = model.family, model.vocab, setup.element
    whole = phase == "prefill" and versions.whole_prompt_logits(family, setup.version)
    if not share.last:
        if not (share.first and whole):
            return None
        size = batch * new * vocab * 4
        return size, 0 * size, size, "sequences × prompt × vocabulary × 4, sent back to the first"
    if whole:
        copy = 4 if versions.upcasts_logits(family, setup.version) and element < 4 else 0
        size = batch * new * vocab * (element + copy)
        return size, size, size, "sequences × prompt × vocabulary × (bytes + fp32 copy)"
    row = batch * vocab * (new * 0 + 1)
    if phase == "prefill":
        return row * element, row * element, row * (element + 4), "sequences × vocabulary × bytes"
    return (
        row * SAMPLING_VECTORS,
        row * GREEDY_VECTORS,
        row * SAMPLING_VECTORS,
        "sequences × vocabulary × 30: 7.5 fp32 vectors of sampling with penalty, top-k and top-p",
    )


def _logits_term(
    setup: Setup, share: Share, phase: Phase, size: Any, low: Any, high: Any, formula: str
) -> Term:
    return Term(
        "logits",
        share.device,
        phase,
        size,
        low,
        high,
        facts_basis(setup),
        formula,
        {"sequences": setup.question.concurrency, "vocabulary": setup.model.vocab,
         "bytes": setup.element},
        "transformers models/*/modeling_*.py and generation/utils.py, _sample",
    )  # fmt: skip


def _activations(
    setup: Setup, share: Share, phase: Phase, size: Any, low: Any, high: Any, formula: str
) -> Term:
    tokens = setup.question.tokens
    return Term(
        "activations",
        share.device,
        phase,
        size,
        low,
        high,
        traced_basis(setup),
        f"{formula}, with what a whole pass holds",
        {
            "sequences (b)": setup.question.concurrency,
            "new tokens (T)": tokens.prompt if phase == "prefill" else 1,
            "positions": tokens.prompt if phase == "prefill" else tokens.cached,
            "hidden (H)": setup.model.hidden,
            "bytes (e)": setup.element,
            "attention": setup.attention,
        },
        "live storages of the real classes under fake tensors, transformers models/*/modeling_*.py",
    )


def _widest(values: list[Any]) -> Any:
    result: Any = 0
    for value in values:
        result = maximum(result, value)
    return result


def _first(value: Any) -> int:
    """One number to choose a formula by: the last of an array."""
    return int(value) if isinstance(value, int) else int(value.reshape(-1)[-1])


def context(setup: Setup, share: Share) -> Term:
    """The process's own part of the device."""
    cards = setup.question.cards
    size = process_context(cards[share.device] if cards else None)
    return Term(
        "context",
        share.device,
        "resident",
        size.typical,
        size.low,
        size.high,
        "calibrated",
        "one process on the device",
        {"typical": size.typical, "low": size.low, "high": size.high},
        size.source,
    )


def reserve(setup: Setup, share: Share, phase: Phase, held: list[Term]) -> Term:
    """What the caching allocator keeps beyond what is in use."""
    moving = sum(term.bytes for term in held)
    cards = setup.question.cards
    card = cards[share.device] if cards else None
    own = setup.question.own.of("reserve", card)
    if own is not None:
        rising = moving * own.share // 10**6
        return Term(
            "reserve", share.device, phase, own.typical + rising, own.low, own.high + rising,
            "calibrated", "typical hoard + share of what comes and goes",
            {"comes and goes": moving, "share": own.share / 10**6}, own.source,
        )  # fmt: skip
    size = hoard(moving, card)
    host = card is not None and card.kind == HOST_KIND
    return Term(
        "reserve",
        share.device,
        phase,
        size.typical,
        size.low,
        size.high,
        "calibrated",
        f"typical hoard; at most {'64' if host else '700'} MiB and a quarter of what comes and "
        "goes",
        {"comes and goes": moving},
        size.source,
    )
