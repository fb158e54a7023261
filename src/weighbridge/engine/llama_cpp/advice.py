"""Why a model would not load, and which single change of options loads it, each tried."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.engine import Refusal
from weighbridge.engine.llama_cpp.blocks import ExpertsShape
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate
from weighbridge.engine.llama_cpp.fitting import largest, leaves, smallest
from weighbridge.engine.llama_cpp.settings import PADDING, Settings
from weighbridge.units import MIB


def refusal(
    described: Described, settings: Settings, gpus: Sequence[Gpu], buffers: Buffers
) -> Refusal | None:
    """The first buffer that does not fit, in ggml's words; None where all do."""
    short = [
        (device, gpu) for device, gpu in enumerate(gpus) if buffers.total(device) > gpu.free
    ]
    if not short:
        return None
    device, gpu = short[0]
    size, what = _first_too_many(buffers, device, gpu.free)
    message = (
        f"{what} of {size / MIB:,.2f} MiB cannot be allocated on {gpu.name}: it has "
        f"{gpu.free / MIB:,.0f} MiB free for buffers and would need "
        f"{buffers.total(device) / MIB:,.0f}"
    )
    ways = _ways(described, settings, gpus)
    if not ways:
        return Refusal(message)
    return Refusal(message, *ways[0], tuple(ways[1:]))


def _first_too_many(buffers: Buffers, device: int, free: int) -> tuple[int, str]:
    held = 0
    for sizes, what in (
        (buffers.model, "the model buffer"),
        (buffers.cache, "the KV buffer"),
        (buffers.state, "the RS buffer"),
        (buffers.compute, "the compute buffer"),
    ):
        held += sizes[device]
        if held > free:
            return sizes[device], what
    return buffers.total(device), "the whole"


def _ways(
    described: Described, settings: Settings, gpus: Sequence[Gpu]
) -> list[tuple[str, str]]:
    """The gentlest value of each option that loads."""

    def loads(changed: Settings) -> bool:
        return leaves(allocate(described, changed, gpus), gpus, 0)

    count, found = len(described.shapes), list[tuple[str, str]]()
    if any(isinstance(shape.feed, ExpertsShape) for shape in described.shapes):
        moved = smallest(lambda n: loads(settings._replace(cpu_moe=n)), settings.cpu_moe, count)
        if moved is not None:
            found.append(("--n-cpu-moe", str(moved)))
    top = min(settings.layers, count + 1)
    kept = largest(lambda n: loads(settings._replace(layers=n)), 0, top)
    if kept is not None:
        found.append(("-ngl", str(kept)))
    steps = settings.total_cells // PADDING
    fits = largest(lambda n: loads(settings._replace(context=n * PADDING)), 1, steps)
    if fits is not None:
        found.append(("-c", str(fits * PADDING)))
    return found
