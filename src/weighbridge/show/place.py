"""A placement as text, with a drawing of what lies where, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from weighbridge.search.place.find import VERSION, Placement, runs
from weighbridge.search.place.spots import DISK, HOST, Tried, place_name
from weighbridge.show.bar import FREE, stack
from weighbridge.units import format_bytes

CELLS = 48
MARKS = {"blocks": "█", "rest": "▒", FREE: "░"}
PARTS = {True: "experts", False: "feed-forward"}
GAP_SHOWN = 1e-4


def placement_to_text(found: Placement) -> str:
    """The answer as a person reads it."""
    if found.best is None:
        return f"✗ nothing fits on {found.machine.name}: {found.because}"
    blocks = [_headline(found, found.best), "\n".join(_drawing(found, found.best))]
    blocks.append("\n".join(_how(found, found.best)))
    if found.automatic is not None:
        blocks.append(_beside(found, found.best, found.automatic))
    blocks.append("\n".join(["assumed", *(f"- {note}" for note in found.assumptions)]))
    return "\n\n".join(blocks)


def _headline(found: Placement, best: Tried) -> str:
    step = best.seconds.decode
    rate = found.request.workload.concurrency / step
    kind = "no faster than " if found.floor else ""
    proof = (
        "the fastest there is"
        if best.exact
        else (
            f"none is faster by more than {best.gap:.1%}"
            if best.gap >= GAP_SHOWN
            else "the fastest"
        )
    )
    if not best.spots:
        proof = "the fastest of the layouts tried"
    lines = [
        f"✓ {kind}{_milliseconds(step)} per token, {rate:,.1f} tokens/s, by our clock: {proof} "
        "under these limits",
        "",
        f"  model   {found.model.id} on {found.machine.name}, {found.engine}",
        f"  work    {found.request.workload.concurrency} × {found.tokens.prompt:,} tokens in and "
        f"{found.tokens.output:,} out; a prompt by itself {best.seconds.prompt:,.2f} s",
    ]
    return "\n".join(lines)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


def _drawing(found: Placement, best: Tried) -> Iterator[str]:
    """A bar for each place, and what lies there below it."""
    scale = max(*best.limits, 1)
    for place in range(len(best.used)):
        last = place == len(best.used) - 1
        device = HOST if last else place
        name = "host memory" if last else _card_name(found, place)
        used, limit = best.used[place], max(best.limits[place], 0)
        own = min(max(used - max(best.fixed[place], 0), 0), used)
        bar = stack([("blocks", own), ("rest", used - own)], _cells(limit, scale), limit=None,
                    scale=max(limit, used))  # fmt: skip
        drawn = "".join(MARKS[piece.name] * piece.cells for piece in bar.pieces)
        yield f"  {place_name(device):<6} {name:<24} {_of(used, limit):>22}  {drawn}"
        yield from (f"         {line}" for line in _lies(found, best, device))
    if any(DISK in {spot.home, spot.moved} for spot in best.spots):
        yield "  disk"
        yield from (f"         {line}" for line in _lies(found, best, DISK))
    meanings = zip(MARKS.values(), ("weights and cache", "all else", "free"), strict=True)
    yield "         " + "  ".join(f"{mark} {meaning}" for mark, meaning in meanings)


def _cells(limit: int, scale: int) -> int:
    return max(round(CELLS * limit / scale), 4)


def _card_name(found: Placement, place: int) -> str:
    plan = found.plan
    if plan is not None and len(plan.devices) == len(found.best.used) - 1:  # type: ignore[union-attr]
        return plan.devices[place].name
    return found.machine.devices[place].name


def _of(used: int, limit: int) -> str:
    return f"{format_bytes(used)} of {format_bytes(limit)}"


def _lies(found: Placement, best: Tried, device: int) -> list[str]:
    """What of the model lies on a device, in words."""
    lines = []
    for names, home, moved in runs(best.spots):
        part = PARTS[_mixed(found)]
        if home == device:
            lines.append(names if moved is None else f"{names}, but not their {part}")
        elif moved == device:
            lines.append(f"{part} of {names}")
    if not best.spots and device == HOST and best.used[-1]:
        lines.append("weights that cross the link in every step")
    return lines


def _mixed(found: Placement) -> bool:
    return any(hasattr(layer.feed_forward, "experts") for layer, _ in found.model.layer_groups())


def _how(found: Placement, best: Tried) -> Iterator[str]:
    """How to say it to the engine."""
    if "device_map" in best.options:
        yield "  device_map and max_memory: --emit device_map, or --emit transformers for a script"
        return
    yield f"  {' '.join(option_words(best.options))}"
    yield f"  the whole command: --emit {found.engine.name}"


def option_words(options: dict[str, Any]) -> list[str]:
    """The flags of a placement as the engine spells them."""
    from weighbridge.search.place.find import FOUND

    words = []
    for name, value in options.items():
        flag = FOUND.get(name, "--" + name.replace("_", "-"))
        if name == "on":
            words.append(f"(on {value})")
        else:
            words += [flag] if value is True else [flag, f"{value:g}" if name == "cpu_offload_gb"
                      else str(value)]  # fmt: skip
    return words


def _beside(found: Placement, best: Tried, automatic: Tried) -> str:
    """What the engine does by itself."""
    name, step = found.automatic_name, automatic.seconds.decode
    if automatic.fits:
        times = step / best.seconds.decode
        return f"  by itself  {name}: {_milliseconds(step)} per token, {times:.2f} × as long"
    over = [
        f"{format_bytes(used - max(limit, 0))} too much on {place_name(index)}"
        for index, (used, limit) in enumerate(
            zip(automatic.used, (*automatic.limits[:-1], automatic.limits[-1]), strict=True)
        )
        if used > limit >= 0
    ]
    host = len(automatic.used) - 1
    said = ", ".join(over).replace(place_name(host), "the host") or "it does not start"
    return f"  by itself  {name}: {_milliseconds(step)} per token, but over the limit: {said}"


def placement_to_dict(found: Placement) -> dict[str, Any]:
    """The placement as JSON prints it."""
    best = found.best
    return {
        "schema": 1,
        "version": VERSION,
        "model": {"id": found.model.id, "parameters": found.model.parameters},
        "request": found.request.to_dict(),
        "machine": found.machine.name,
        "host": found.host.to_dict(),
        "fits": found.fits,
        "because": found.because,
        "clock": {
            "kind": "floor" if found.floor else "modelled",
            "prefill_weight": found.weighting.prefill,
        },
        "placement": None if best is None else {**_tried_to_dict(found, best), **_maps(found)},
        "automatic": None if found.automatic is None else {
            "name": found.automatic_name, **_tried_to_dict(found, found.automatic)
        },
        "assumptions": list(found.assumptions),
    }  # fmt: skip


def _tried_to_dict(found: Placement, tried: Tried) -> dict[str, Any]:
    places = [*range(len(tried.used) - 1), HOST]
    return {
        "fits": tried.fits,
        "seconds_per_token": tried.seconds.decode,
        "tokens_per_second": found.request.workload.concurrency / tried.seconds.decode,
        "prompt_seconds": tried.seconds.prompt,
        "optimal": bool(tried.exact and tried.spots),
        "gap": tried.gap,
        "options": tried.options,
        "blocks": [spot.to_dict() for spot in tried.spots],
        "devices": [
            {"device": place_name(place), "used_bytes": used, "limit_bytes": max(limit, 0)}
            for place, used, limit in zip(places, tried.used, tried.limits, strict=True)
        ],
    }


def _maps(found: Placement) -> dict[str, Any]:
    assert found.best is not None
    text = found.best.options.get("device_map")
    if text is None:
        return {}
    memory = {str(device): size for device, size in found.max_memory().items()}
    return {"device_map": json.loads(text), "max_memory": memory}
