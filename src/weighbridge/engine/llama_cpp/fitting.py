"""``--fit``: what llama-server changes by itself until a model fits, and searches for advice.

The order of common/fit.cpp (llama 0.5.0-dev): a shorter context by linear interpolation, not below
4,096; then fewer layers on GPUs; of a mixture of experts, first the experts of layers in host
memory. Its last step moves parts of one layer, which is left out here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weighbridge.engine.llama_cpp import versions
from weighbridge.engine.llama_cpp.blocks import ExpertsShape
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate
from weighbridge.engine.llama_cpp.settings import PADDING, Settings

SHORTEST = 4096


def fit(described: Described, settings: Settings, gpus: Sequence[Gpu]) -> tuple[Settings, Buffers]:
    """The settings after llama.cpp's own changes, and their buffers."""
    buffers = allocate(described, settings, gpus)
    if not gpus or not (settings.fits_context or settings.fits_layers):
        return settings, buffers
    if leaves(buffers, gpus, settings.margin):
        return settings, buffers
    if settings.fits_context:
        settings = _shorter(described, settings, gpus, buffers)
        buffers = allocate(described, settings, gpus)
        if leaves(buffers, gpus, settings.margin):
            return settings, buffers
    if settings.fits_layers:
        settings = _fewer(described, settings, gpus)
        buffers = allocate(described, settings, gpus)
    return settings, buffers


def leaves(buffers: Buffers, gpus: Sequence[Gpu], margin: int) -> bool:
    """Whether every GPU keeps ``margin`` bytes free."""
    return all(buffers.total(device) + margin <= gpu.free for device, gpu in enumerate(gpus))


def _shorter(
    described: Described, settings: Settings, gpus: Sequence[Gpu], full: Buffers
) -> Settings:
    """The context between 4,096 and the whole that interpolation says will fit."""
    longest, shortest = settings.total_cells, SHORTEST * settings.streams
    if longest <= shortest:
        return settings
    least = allocate(described, settings._replace(context=shortest), gpus)
    wanted = sum(gpu.free - settings.margin for gpu in gpus)
    if len(gpus) > 1:
        layer = sum(full.model[:-1]) // max(len(described.shapes), 1)
        mixed = any(isinstance(shape.feed, ExpertsShape) for shape in described.shapes)
        wanted -= (len(gpus) + 1) * layer // (6 if mixed else 2)
    used, base = _used(full, gpus), _used(least, gpus)
    context = shortest
    if wanted > base and used > base:
        context += (longest - shortest) * (wanted - base) // (used - base)
        context -= context % (PADDING * settings.streams)
    return settings._replace(context=min(max(context, shortest), longest))


def _used(buffers: Buffers, gpus: Sequence[Gpu]) -> int:
    return sum(buffers.total(device) for device in range(len(gpus)))


def _fewer(described: Described, settings: Settings, gpus: Sequence[Gpu]) -> Settings:
    """Experts of as few layers as must in host memory; failing that, fewer layers on GPUs."""

    def fits(changed: Settings) -> bool:
        return leaves(allocate(described, changed, gpus), gpus, changed.margin)

    count = len(described.shapes)
    mixed = any(isinstance(shape.feed, ExpertsShape) for shape in described.shapes)
    if mixed and settings.version >= versions.FIT:
        moved = smallest(lambda n: fits(settings._replace(cpu_moe=n)), 0, count)
        if moved is not None:
            return settings._replace(cpu_moe=moved)
        settings = settings._replace(cpu_moe=count)
    kept = largest(lambda n: fits(settings._replace(layers=n)), 0, count + 1)
    return settings._replace(layers=kept or 0)


def smallest(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The least count for which something holds that stays true; None where none does."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def largest(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The most for which something holds that is true below; None where it never is."""
    if not holds(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
