"""Why a model would not load, and which single change of options loads it, each tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.engine import Refusal
from weighbridge.engine.llama_cpp.blocks import ExpertsShape
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate
from weighbridge.engine.llama_cpp.fitting import largest, leaves
from weighbridge.engine.llama_cpp.settings import PADDING, Settings
from weighbridge.engine.llama_cpp.weights import weigh
from weighbridge.units import MIB

MIXTURES = ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_xs", "q3_k_m", "iq3_xxs", "q2_k", "iq2_m")
MOST_STEPS = 8


def refusal(
    described: Described, settings: Settings, gpus: Sequence[Gpu], buffers: Buffers
) -> Refusal | None:
    """The first buffer that does not fit, in ggml's words; None where all do."""
    short = [(device, gpu) for device, gpu in enumerate(gpus) if buffers.total(device) > gpu.free]
    if not short:
        return None
    device, gpu = short[0]
    size, what = _first_too_many(buffers, device, gpu.free)
    message = (
        f"{what} of {size / MIB:,.2f} MiB cannot be allocated on {gpu.name}: it has "
        f"{gpu.free / MIB:,.0f} MiB free for buffers and would need "
        f"{buffers.total(device) / MIB:,.0f}"
    )
    ways = _ways(described, settings, gpus, buffers)
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
    described: Described, settings: Settings, gpus: Sequence[Gpu], buffers: Buffers
) -> list[tuple[str, str]]:
    """The gentlest value of each option that loads."""
    count, found = len(described.shapes), list[tuple[str, str]]()

    def gentlest(option: str, change: Callable[[int], Settings], low: int, high: int) -> None:
        """The highest value that loads: near by a compute buffer as now, then laid out anew."""

        def loads(value: int, like: Buffers | None = None) -> bool:
            return leaves(allocate(described, change(value), gpus, like), gpus, 0)

        near = largest(lambda value: loads(value, buffers), low, high)
        for value in range(near or low, max((near or low) - MOST_STEPS, low - 1), -1):
            if loads(value):
                found.append((option, str(value)))
                return

    if any(isinstance(shape.feed, ExpertsShape) for shape in described.shapes):
        gentlest(
            "experts", lambda n: settings._replace(cpu_moe=count - n), 0, count - settings.cpu_moe
        )
        found[:] = [("--n-cpu-moe", str(count - int(value))) for _, value in found]
    gentlest("-ngl", lambda n: settings._replace(layers=n), 0, min(settings.layers, count + 1))
    steps = settings.total_cells // PADDING
    contexts = len(found)
    gentlest("-c", lambda n: settings._replace(context=n * PADDING), 1, steps)
    found[contexts:] = [("-c", str(int(value) * PADDING)) for _, value in found[contexts:]]
    smaller = _smaller_format(described, settings, gpus, buffers)
    return found + ([("--weights", smaller)] if smaller else [])


def _smaller_format(
    described: Described, settings: Settings, gpus: Sequence[Gpu], buffers: Buffers
) -> str | None:
    """The widest mixture, smaller than now, with which everything loads."""
    model = described.model
    for name in MIXTURES:
        weights = weigh(model, name)
        if weights.total >= described.weights.total:
            continue
        other = described._replace(weights=weights)
        if leaves(allocate(other, settings, gpus, buffers), gpus, 0):
            return name
    return None
