"""A trace for the terminal: phases, the peak by category and by module, tables; a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weighbridge.show.tables import RULE, table
from weighbridge.show.width import clean
from weighbridge.units import format_bytes

if TYPE_CHECKING:
    from weighbridge.trace.compare import Comparison
    from weighbridge.trace.question import Question
    from weighbridge.trace.result import Trace, TracedPhase

MOST_MODULES = 25


def trace_to_text(model: str, question: Question, found: Trace, *, modules: bool = False) -> str:
    """Everything about a trace in a few tables."""
    parts = [_head(model, question, found), _phases(found), _categories(found)]
    if modules:
        parts.append(_modules(found.peak))
    parts += [_foot(found), _extended(found)]
    return "\n\n".join(part for part in parts if part)


def _head(model: str, question: Question, found: Trace) -> str:
    what = {"prefill": "prefill", "decode": "prefill and decode", "train": "training step"}
    how = f"{question.batch} × {question.seq_len} tokens, {question.dtype}"
    if question.run == "train":
        how += f", {question.method}, {question.optimizer}"
        how += ", checkpointing" if question.checkpointing else ""
    if question.ranks > 1:
        how += f", FSDP2 over {question.ranks} ranks (one rank shown)"
    versions = ", ".join(f"{name} {text}" for name, text in found.versions.items())
    return (f"{clean(model)}: {what[question.run]} traced, {how}\n"
            f"basis traced ({versions}; {found.seconds:.1f} s)")  # fmt: skip


def _phases(found: Trace) -> str:
    rows = [
        (phase.name + (" ← peak" if phase is found.peak else ""), _gib(phase.peak_bytes),
         _gib(phase.end_bytes), _short(phase.operator), clean(phase.module) or "—")
        for phase in found.phases
    ]  # fmt: skip
    return table(("phase", "peak", "at its end", "operator", "in module"), rows, "lrrll")


def _categories(found: Trace) -> str:
    peak = found.peak
    rows: list[Any] = [
        (name, _gib(size), f"{size:,}", f"{size / peak.peak_bytes:.1%}")
        for name, size in peak.categories.items()
    ]
    rows += [RULE, ("live", _gib(peak.peak_bytes), f"{peak.peak_bytes:,}", "")]
    if found.reserved is not None:
        reserved = int(found.reserved["peak_reserved"])
        rows.append(("reserved by the allocator", _gib(reserved), f"{reserved:,}", ""))
    return table((f"at the peak ({peak.name})", "GiB", "bytes", "share"), rows, "lrrr")


def _modules(peak: TracedPhase) -> str:
    sums = sorted(peak.modules.items(), key=lambda item: -sum(item[1].values()))
    rows = [
        (clean(name) or "(outside)", _gib(sum(sizes.values())), _largest(sizes))
        for name, sizes in sums[:MOST_MODULES]
    ]
    return table(("module that made it", "GiB", "mostly"), rows, "lrl")


def _largest(sizes: Mapping[str, int]) -> str:
    return max(sizes, key=lambda name: sizes[name])


def _extended(found: Trace) -> str:
    """Peaks at the model's own depth, from those of few layers."""
    if found.extended is None:
        return ""
    layers, traced = found.extended["layers"], found.extended["traced"]
    rows = [
        (clean(str(each["phase"])), _gib(each["peak_bytes"]), f"{each['peak_bytes']:,}",
         f"{each['bytes_per_layer']:,}")
        for each in found.extended["phases"]
    ]  # fmt: skip
    head = (f"with all {layers:,} layers, extended from {', '.join(map(str, traced))}; growth per "
            "layer is exact, and the tables above are of the deepest of these")  # fmt: skip
    return head + "\n" + table(("phase", "peak", "bytes", "bytes per layer"), rows, "lrrr")


def _foot(found: Trace) -> str:
    lines = []
    held = found.parameters.get("parameters", [])
    count = sum(_product(shape) for _, shape, _, _ in held)
    size = sum(each[3] for each in held)
    lines.append(f"{len(held):,} parameters of {count:,} elements, {size:,} bytes")
    lines += [f"cache after {name}: {size:,} bytes" for name, size in found.cache.items()]
    reserved = found.reserved or {}
    if "capacity" in reserved:
        verdict = "fits" if reserved["fits"] else "does not fit"
        again = f"{reserved['retries']} times the allocator had to give segments back"
        lines.append(f"{verdict} in {_gib(int(reserved['capacity']))} ({again})")
    return "\n".join(lines)


def comparison_to_text(compared: Comparison) -> str:
    """Trace and closed form side by side."""
    if compared.missing:
        return f"no closed form to compare with: {compared.missing}"
    rows = [
        (line.name, _count(line.traced), _count(line.closed),
         "" if line.error is None else f"{line.error:+.2%}")
        for line in compared.lines
    ]  # fmt: skip
    rows = [*rows[:-1], RULE, rows[-1]]  # type: ignore[list-item]
    header = (f"at the peak of {compared.phase}", "traced bytes", "closed form", "difference")
    return table(header, rows, "lrrr")


def _count(size: int | None) -> str:
    return "—" if size is None else f"{size:,}"


def _gib(size: int) -> str:
    return format_bytes(size)


def _short(operator: str) -> str:
    return operator.removeprefix("aten.").removesuffix(".default")


def _product(shape: list[int]) -> int:
    result = 1
    for side in shape:
        result *= side
    return result
