"""Buffers → the terms of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weighbridge.engine.llama_cpp.buffers import Buffers, Described
from weighbridge.engine.llama_cpp.describe import EXACT_GRAPHS
from weighbridge.engine.llama_cpp.log import CPU_TYPE
from weighbridge.engine.llama_cpp.recurrent import Recurrence
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.weights import tower_bytes
from weighbridge.hardware.card import Card
from weighbridge.memory.context import process_context
from weighbridge.term import Basis, Term, exact
from weighbridge.units import MIB

SOURCE = "llama.cpp src/llama-kv-cache.cpp, llama-kv-cache-iswa.cpp"
GRAPH = "tensors of llama.cpp's graph laid out by the rules of ggml-alloc.c and ggml-backend.cpp"
# Residuals against logs of GPUs (docs/accuracy.md); other families have no graph of their own here.
COMPUTE_SPREAD, UNKNOWN_SPREAD = 10, 2
SHOWN = 4
PROJECTOR = (
    "the projector's own buffers: three logs of four GPUs each showed about 500 MiB more a GPU"
)


def terms(
    described: Described,
    settings: Settings,
    buffers: Buffers,
    cards: Sequence[Card],
    device: int,
) -> tuple[Term, ...]:
    """The terms of one device; the host is the last."""
    host = buffers.placement.host
    found = [_weights(described, buffers, device)]
    basis: Basis = "assumed" if described.model.basis == "assumed" else "config"
    if buffers.cache[device]:
        found.append(_cache(settings, buffers, device, basis))
    if buffers.state[device]:
        found.append(_state(settings, buffers, device, basis))
    found.append(_compute(described, settings, buffers, device))
    if device == host:
        found.append(_output(described, settings, buffers, basis))
        return tuple(found)
    if settings.mmproj and device == settings.main_gpu:
        found += _projector(described, device)
    context = process_context(cards[device] if cards else None)
    found.append(
        Term(
            "context",
            device,
            "resident",
            context.typical,
            context.low,
            context.high,
            "calibrated",
            "one process on the device, outside every buffer",
            {"typical": context.typical},
            context.source,
        )
    )
    return tuple(found)


def _weights(described: Described, buffers: Buffers, device: int) -> Term:
    weights, model = described.weights, described.model
    size = buffers.model[device]
    basis: Basis = "header" if weights.exact else "config"
    if model.basis == "assumed":
        basis = "assumed"
    spread = model.rounding * size // max(model.parameters, 1)
    here = sum(where == device for where in buffers.placement.layers)
    head = buffers.placement.output == device
    formula = "Σ bytes of the tensors that lie here"
    if head and weights.tied and device != buffers.placement.host:
        formula += ", the tied embedding once more as the head"
    return Term(
        "weights", device, "resident", size, size - spread, size + spread, basis, formula,
        {"layers": here, "head": head, "format": weights.storage.name},
        "header of the file" if weights.exact else weights.storage.source,
    )  # fmt: skip


def _cache(settings: Settings, buffers: Buffers, device: int, basis: Basis) -> Term:
    inputs: dict[str, Any] = {
        "streams": settings.streams,
        "K": CPU_TYPE.get(settings.key.name, settings.key.name),
        "V": CPU_TYPE.get(settings.value.name, settings.value.name),
    }
    for window, cells in buffers.cells.items():
        count = sum(
            layer.window == window and layer.cache > 0 and where == device
            for layer, where in zip(buffers.layers, _where(settings, buffers), strict=True)
        )
        if count:
            kind = "full" if window is None else f"window of {window:,}"
            inputs[f"{count} layers, {kind}"] = f"{cells:,} cells"
    return exact(
        "kv_cache", buffers.cache[device], device=device, basis=basis,
        formula="Σ layers × cells × streams × (row of K + row of V), all reserved on loading",
        inputs=inputs, source=SOURCE,
    )  # fmt: skip


def _where(settings: Settings, buffers: Buffers) -> Sequence[int]:
    place = buffers.placement
    return place.layers if settings.offloads_cache else [place.host] * len(place.layers)


def _state(settings: Settings, buffers: Buffers, device: int, basis: Basis) -> Term:
    return exact(
        "state", buffers.state[device], device=device, basis=basis,
        formula="Σ layers × slots × (1 + drafted tokens) × (convolution + recurrence) × 4",
        inputs={"slots": settings.slots, "drafted": settings.snapshots},
        source="llama.cpp src/llama-memory-recurrent.cpp: always 32 bit",
    )  # fmt: skip


def _compute(described: Described, settings: Settings, buffers: Buffers, device: int) -> Term:
    """The compute buffer, with the largest tensors alive where it is fullest."""
    size = buffers.compute[device]
    alive = sorted(buffers.replay.alive[device], key=lambda tensor: -tensor.size)
    parts = " + ".join(f"{t.name} {t.size / MIB:,.2f}" for t in alive[:SHOWN])
    known = _has_graph(described) and described.model.basis != "assumed"
    low = size - size // COMPUTE_SPREAD if known else size // UNKNOWN_SPREAD
    high = size + size // COMPUTE_SPREAD if known else size * UNKNOWN_SPREAD
    return Term(
        "activations", device, "resident", size, low, high,
        "config" if described.model.basis != "assumed" else "assumed",
        f"compute buffer, fullest with {parts or 'nothing'} MiB",
        {
            "tokens of a pass": settings.reserved_tokens,
            "of them with logits": settings.reserved_outputs,
            "flash attention": settings.flash,
            **({"copies of inputs": buffers.copies} if buffers.copies > 1 else {}),
        },
        GRAPH,
    )  # fmt: skip


def _has_graph(described: Described) -> bool:
    """Whether the family's graph was compared with llama.cpp's own answers."""
    odd = any(
        isinstance(mixer, Recurrence) and mixer.kind == "other"
        for shape in described.shapes
        for mixer in shape.mixers
    )
    return not odd and described.model.family in EXACT_GRAPHS


def _output(described: Described, settings: Settings, buffers: Buffers, basis: Basis) -> Term:
    return exact(
        "logits", buffers.output, device=buffers.placement.host, basis=basis,
        formula="slots × vocabulary × 4",
        inputs={"slots": settings.slots, "vocabulary": described.model.vocab},
        source="llama.cpp src/llama-context.cpp, output_reserve",
    )  # fmt: skip


def _projector(described: Described, device: int) -> list[Term]:
    size = tower_bytes(described.model)
    return [
        Term("weights", device, "resident", size, size // 2, 2 * size, "assumed",
             "parameters of the towers × 2, the projector's file in 16 bit",
             {"parameters": described.model.towers_elements}, "llama.cpp tools/mtmd/clip.cpp"),
        Term("workspace", device, "resident", 500 * MIB, 0, 1000 * MIB, "calibrated",
             "typical", {}, PROJECTOR),
    ]  # fmt: skip
