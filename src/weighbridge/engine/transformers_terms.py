"""The terms of Transformers, each with its formula, the numbers put in, and its source."""

from __future__ import annotations

from typing import Any

from weighbridge.engine import transformers_versions as versions
from weighbridge.engine.transformers_setup import Setup
from weighbridge.memory import activations as live
from weighbridge.memory.cache import cache_elements, state_bytes
from weighbridge.memory.context import process_context
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Layer, Parameter
from weighbridge.term import Basis, Phase, Term, exact
from weighbridge.units import MIB, where

Layers = list[tuple[Layer, int]]
MODELING = "transformers models/*/modeling_*.py"


def facts_basis(setup: Setup) -> Basis:
    """``assumed`` where the architecture is, else ``config``."""
    return "assumed" if setup.model.basis == "assumed" else "config"


def weights(
    setup: Setup, device: int, outer: tuple[Parameter, ...], layers: tuple[int, ...]
) -> Term:
    """Parameters in their storage format; the headers' own bytes where the files are loaded."""
    model = setup.model
    if setup.as_stored and model.stored is not None and len(layers) == len(model.layers):
        return exact(
            "weights",
            model.stored.total_bytes,
            device=device,
            basis="header",
            formula="sum of the tensors' bytes in the files' headers",
            inputs={
                "tensors": len(model.stored),
                **{f"{k} bytes": t.total_bytes for k, t in model.stored.by_dtype().items()},
            },
            source=model.source,
        )
    parameters = [(parameter, 1) for parameter in outer]
    counts: dict[int, int] = {}
    for index in layers:
        counts[id(model.layers[index])] = counts.get(id(model.layers[index]), 0) + 1
    for layer, _ in model.layer_groups():
        if id(layer) in counts:
            parameters += [(each, counts[id(layer)]) for each in layer.parameters]
    weighed = weigh_parameters(parameters, setup.storage)
    inputs: dict[str, Any] = {
        f"parameters in {setup.storage.name}": weighed.elements_in_format,
        "bits per parameter": round(
            weighed.in_format * 8 / max(weighed.elements_in_format, 1), 4
        ),
    }
    if weighed.elements_left_alone:
        inputs["parameters left alone (embeddings, head, norms)"] = weighed.elements_left_alone
        inputs["their bits"] = setup.storage.rest_bits
    return exact(
        "weights",
        weighed.total,
        device=device,
        basis=facts_basis(setup),
        formula="parameters × bits / 8, scales included"
        + (" + parameters left alone × their bits / 8" if weighed.elements_left_alone else ""),
        inputs=inputs,
        source=setup.storage.source,
    )


def cache(setup: Setup, device: int, layers: Layers, phase: Phase) -> tuple[Term, ...]:
    """KV cache and recurrent state of the sequences at once, in this phase."""
    if not setup.model.generates:
        return ()
    tokens, batch = setup.question.tokens, setup.question.concurrency
    held = tokens.prompt if phase == "prefill" else tokens.cached
    elements = cache_elements(layers, held, kept=setup.kept, streams=setup.streams)
    found = [
        exact(
            "kv_cache",
            batch * elements * setup.cache_bytes,
            device=device,
            phase=phase,
            basis=facts_basis(setup),
            formula="sequences × Σ layers × elements per token × min(tokens, window) × bytes",
            inputs={
                "sequences": batch,
                "tokens": held,
                "bytes per element": setup.cache_bytes,
                **_streams_by_kind(setup, layers),
            },
            source=f"{layers[0][0].mixer.__class__.__module__}; transformers cache_utils.py"
            if layers
            else "no layers on this device",
        )
    ]
    state = state_bytes(layers, setup.element)
    if state:
        found.append(
            exact(
                "state",
                batch * state,
                device=device,
                phase=phase,
                basis=facts_basis(setup),
                formula="sequences × Σ layers × state elements × bytes",
                inputs={"sequences": batch, "bytes per sequence": state},
                source="transformers cache_utils.py, LinearAttentionLayer",
            )
        )
    return tuple(found)


def _streams_by_kind(setup: Setup, layers: Layers) -> dict[str, str]:
    """``12 layers`` → what each keeps, for ``--why``."""
    kinds: dict[str, str] = {}
    for layer, count in layers:
        for stream in setup.streams(layer):
            window = f", window {stream.window:,}" if stream.window else ""
            before = int(kinds.get(layer.mixer.kind, "0").split(" ")[0])
            kinds[layer.mixer.kind] = (
                f"{before + count} layers × {stream.width:,} elements per token{window}"
            )
    return kinds


def buffers(setup: Setup, device: int, layers: Layers) -> tuple[Term, ...]:
    """Tables that are no parameters: rotary cosines and sines, causal masks."""
    model = setup.model
    count = sum(number for _, number in layers)
    if not model.rotary_width or not versions.rotary_tables_per_layer(model, setup.version):
        return ()
    size = count * (model.max_positions or 0) * 2 * model.rotary_width * setup.element
    return (
        exact(
            "workspace",
            size,
            device=device,
            basis=facts_basis(setup),
            formula="layers × positions × (cosines + sines) × head dim × bytes",
            inputs={
                "layers": count,
                "positions": model.max_positions,
                "head dim": model.rotary_width,
                "bytes": setup.element,
            },
            source=f"{MODELING} before {'.'.join(map(str, versions.ROTARY_TABLES_UNTIL))}: "
            "cos_cached and sin_cached in every layer",
        ),
    )


def forward(
    setup: Setup, device: int, layers: Layers, phase: Phase, *, last: bool
) -> tuple[Term, ...]:
    """Activations and logits at the moment of the phase at which most is alive."""
    model, batch, tokens = setup.model, setup.question.concurrency, setup.question.tokens
    new = tokens.prompt if phase == "prefill" else 1
    keys = tokens.prompt if phase == "prefill" else tokens.cached
    rotary = live.rotary_elements(model, batch, new) * setup.element
    moments = [0]
    for layer, _ in layers:
        moments.append(live.feed_forward_elements(model, layer, batch, new) * setup.element)
        moments.append(
            live.attention_elements(model, layer, batch, new) * setup.element
            + _attention_extra(setup, layer, batch, new, keys)
        )
    inside = live.widest(moments) + rotary
    if not (last and model.generates):
        return (_activations(setup, device, phase, inside, new, keys),)
    whole = phase == "prefill" and versions.logits_for_whole_prompt(model, setup.version)
    positions = new if whole else 1
    logits = batch * positions * model.vocab * (setup.element + 4)
    stream = batch * new * 2 * model.hidden * setup.element
    at_head = stream + logits > inside
    return (
        _activations(setup, device, phase, where(at_head, stream, inside), new, keys),
        exact(
            "logits",
            where(at_head, logits, 0 * logits),
            device=device,
            phase=phase,
            basis=facts_basis(setup),
            formula="sequences × positions × vocabulary × (bytes + 4 for the fp32 copy)",
            inputs={
                "sequences": batch,
                "positions": positions,
                "vocabulary": model.vocab,
                "bytes": setup.element,
            },
            source=MODELING,
        ),
    )


def _attention_extra(setup: Setup, layer: Layer, batch: Any, new: Any, keys: Any) -> Any:
    if setup.attention == "eager":
        return live.score_bytes(layer, batch, new, keys, setup.element)
    return 0


def _activations(
    setup: Setup, device: int, phase: Phase, size: Any, new: Any, keys: Any
) -> Term:
    return exact(
        "activations",
        size,
        device=device,
        phase=phase,
        basis=facts_basis(setup),
        formula="widest of attention and feed-forward over the layers, with the residual stream",
        inputs={
            "sequences": setup.question.concurrency,
            "new tokens": new,
            "keys": keys,
            "attention": setup.attention,
            "bytes": setup.element,
        },
        source=MODELING,
    )


def workspace(setup: Setup, device: int) -> Term:
    """The matrix library's workspace, which PyTorch takes from its own allocator."""
    size = 32 * MIB if _is_hopper(setup, device) else 8 * MIB + 128 * 1024
    return Term(
        "workspace",
        device,
        "resident",
        size,
        0,
        2 * size,
        "config",
        "cuBLAS workspace of one stream",
        {"bytes": size},
        "pytorch aten/src/ATen/cuda/CublasHandlePool.cpp, _parseChosenWorkspaceSize",
    )


def _is_hopper(setup: Setup, device: int) -> bool:
    cards = setup.question.cards
    capability = cards[device].compute_capability if cards else None
    return bool(capability) and str(capability).startswith("9.")


def context(setup: Setup, device: int) -> Term:
    """The process's own part of the device."""
    cards = setup.question.cards
    size = process_context(cards[device] if cards else None)
    return Term(
        "context",
        device,
        "resident",
        size.typical,
        size.low,
        size.high,
        "calibrated",
        "one process on the device",
        {"typical": size.typical, "low": size.low, "high": size.high},
        size.source,
    )


def reserve(setup: Setup, device: int, phase: Phase, held: tuple[Term, ...]) -> Term:
    """What the caching allocator holds beyond what is in use: rounding and fragments."""
    moving = sum(term.bytes for term in held)
    return Term(
        "reserve",
        device,
        phase,
        moving // 20,
        0,
        moving // 4,
        "assumed",
        "5 % of what is allocated and freed in the phase, 0 to 25 %",
        {"allocated and freed": moving},
        "pytorch c10/cuda/CUDACachingAllocator.cpp: blocks are rounded and kept",
    )
