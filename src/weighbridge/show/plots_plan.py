"""A plan as a picture: a bar for each device, and the total by context; SVG speaks the language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from weighbridge.planner import DevicePlan, Plan, plan_request
from weighbridge.show.labels import label, look, place
from weighbridge.show.plots import Words, new_figure, numbered, plain, save, words_for
from weighbridge.units import GIB

SHORTEST, UNKNOWN_POSITIONS = 1024, 131_072
MOST_BARS = 16


def plot_plan(plan: Plan, path: Path) -> None:
    """The devices at their peaks against what is usable, and the fullest one by context."""
    words = words_for(path)
    swept = contexts_of(plan)
    figure, panels = new_figure(2 if swept else 1)
    _bars(panels[0], plan.devices[:MOST_BARS], words)
    if swept:
        _by_context(panels[1], plan, swept, words)
    figure.suptitle(f"{plan.model.id}, {plan.request.deployment.engine}")
    save(figure, path)


def contexts_of(plan: Plan) -> list[int]:
    """Powers of two up to the model's positions; none where the lengths of a request are fixed."""
    work = plan.request.workload
    if not plan.model.generates or work.input_tokens is not None or work.output_tokens is not None:
        return []
    most = plan.model.max_positions or UNKNOWN_POSITIONS
    lengths = [SHORTEST]
    while lengths[-1] * 2 <= most:
        lengths.append(lengths[-1] * 2)
    return lengths if lengths[-1] <= most and len(lengths) > 1 else []


def _bars(axes: Any, devices: tuple[DevicePlan, ...], words: Words) -> None:
    named: set[str] = set()
    for row, device in enumerate(devices):
        start = 0.0
        for name, size in by_name(device).items():
            axes.barh(row, size / GIB, left=start, height=0.6, color=look(name).colour,
                      label=None if name in named else _label(name, device, words))  # fmt: skip
            named.add(name)
            start += size / GIB
        if device.usable is not None:
            axes.plot([device.usable / GIB] * 2, [row - 0.4, row + 0.4], color="black")
    axes.set_yticks(range(len(devices)), [words(str(each.index)) for each in devices])
    axes.set_ylim(len(devices) + 0.2, -0.6)
    numbered(axes.xaxis, words)
    axes.set_xlabel("GiB")
    axes.set_ylabel(words("card"))
    axes.legend(fontsize=8, loc="lower center", ncols=3, frameon=False)


def _by_context(axes: Any, plan: Plan, lengths: list[int], words: Words) -> None:
    fullest = [_fullest(plan, length) for length in lengths]
    sizes = [by_name(device) for device in fullest]
    names = sorted({name for each in sizes for name in each}, key=place)
    axes.stackplot(lengths, [[each.get(name, 0) / GIB for each in sizes] for name in names],
                   colors=[look(name).colour for name in names])  # fmt: skip
    usable = fullest[0].usable
    if usable is not None:
        axes.axhline(usable / GIB, color="black")
        axes.text(lengths[0], usable / GIB, " " + words("usable"), va="bottom", fontsize=8)
    axes.set_xscale("log", base=2)
    plain(axes, lengths, words)
    axes.set_xlabel(words("context"))
    axes.set_ylabel("GiB")
    axes.grid(visible=True, alpha=0.3)


def _fullest(plan: Plan, length: int) -> DevicePlan:
    deployment = plan.request.deployment._replace(max_model_len=length)
    made = plan_request(plan.request._replace(deployment=deployment), plan.model)
    return max(made.devices, key=lambda device: device.total)


def by_name(device: DevicePlan) -> dict[str, int]:
    """Bytes of a device at its peak by the names of terms, in the order of the ledger."""
    sizes: dict[str, int] = {}
    for term in sorted(device.terms, key=lambda term: place(term.name)):
        if term.bytes:
            sizes[term.name] = sizes.get(term.name, 0) + term.bytes
    return sizes


def _label(name: str, device: DevicePlan, words: Words) -> str:
    return words(label(name, device.card.vendor if device.card else None))
