"""What a run will take, its progress, and predicted against measured, as text."""

from __future__ import annotations

from weighbridge.run.choose import Refused
from weighbridge.run.session import Prepared, RunResult
from weighbridge.show.measure import rows_to_text
from weighbridge.show.tables import table
from weighbridge.units import format_bytes

BAR = 30


def needs_to_text(ready: Prepared) -> str:
    """The choice, and memory, disk and download before anything is done."""
    plan, source = ready.choice.plan, ready.source
    lines = [f"{ready.model.id} as {plan.settings['weights']}, {ready.choice.placement}"]
    lines += [f"not {each.weights}: {each.why}" for each in ready.choice.tried]
    for device in plan.devices:
        usable = format_bytes(device.usable or 0)
        lines.append(f"memory    {format_bytes(device.total)} of {usable} on {device.name}, "
                     f"{format_bytes(device.low)} to {format_bytes(device.high)}")  # fmt: skip
    if plan.host is not None and plan.host.total:
        lines.append(f"memory    {format_bytes(plan.host.total)} of host memory")
    free = format_bytes(ready.disk_free)
    written = {
        "random": f"{format_bytes(source.disk)} for random weights, removed afterwards",
        "hub": f"{format_bytes(source.disk)} in the Hub's cache",
    }.get(source.kind, "nothing")
    lines.append(f"disk      {written} ({free} free)")
    lines.append("download  " + (format_bytes(source.download) if source.download else "nothing"))
    return "\n".join(lines)


def refused_to_text(refused: Refused) -> str:
    """Why nothing fits, what was tried, and what would help."""
    lines = [refused.because]
    lines += [f"not {each.weights}, {each.placement}: {each.why}" for each in refused.tried]
    return "\n".join([*lines, *(f"try: {each}" for each in refused.remedies)])


def refused_to_dict(refused: Refused) -> dict[str, object]:
    """As ``--json`` prints it."""
    return {"schema": 1, "fits": False, "because": refused.because,
            "try": list(refused.remedies),
            "tried": [each._asdict() for each in refused.tried]}  # fmt: skip


def bar(what: str, done: int, total: int) -> str:
    """One line of progress, without a line feed."""
    share = done / total if total else 0.0
    full = int(share * BAR)
    return f"\r{what:<24} [{'█' * full}{'·' * (BAR - full)}] {share:4.0%}"


def result_to_text(result: RunResult) -> str:
    """Predicted against measured: memory, then speed."""
    blocks = [rows_to_text(result.rows)]
    times = _speeds(result)
    if times:
        blocks.append(times)
    blocks += [f"note: {note}" for note in result.record.notes]
    return "\n\n".join(blocks)


def _speeds(result: RunResult) -> str:
    record, steps = result.record, result.record.point["output_tokens"] - 1
    floors = {phase: floor for phase, _, floor in result.speeds}
    lines = []
    load = record.quantity("seconds", "load")
    if load is not None:
        lines.append(("load", f"{load.median:.2f} s", "", ""))
    for phase in ("prefill", "decode"):
        seen = record.quantity("seconds", phase)
        if seen is None:
            continue
        count = record.point["input_tokens"] if phase == "prefill" else max(steps, 1)
        floor = floors.get(phase)
        told = "" if floor is None else f"{floor * (1 if phase == 'prefill' else count):.3g} s"
        lines.append((phase, f"{seen.median:.3g} s", told, f"{count / seen.median:,.1f} tokens/s"))
    return table(("phase", "measured", "floor predicted", "rate"), lines, "lrrr") if lines else ""
