"""Everything llama.cpp would allocate for a model under given settings, by device.

One answer holds model, cache, state, compute and output buffers, to the byte where the graph of
the family is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.engine.llama_cpp import versions
from weighbridge.engine.llama_cpp.allocator import Replay
from weighbridge.engine.llama_cpp.blocks import Heads
from weighbridge.engine.llama_cpp.caches import Kept, kept, window_of, windows
from weighbridge.engine.llama_cpp.describe import LayerShape, quirks_of, shape_of
from weighbridge.engine.llama_cpp.passes import Pass
from weighbridge.engine.llama_cpp.placement import Placement, place
from weighbridge.engine.llama_cpp.recurrent import Recurrence
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.stack import Block, Shape, build
from weighbridge.engine.llama_cpp.weights import Weights
from weighbridge.model.facts import Model

ALIGNMENT = {"CUDA": 128, "ROCm": 128, "Metal": 32, "Vulkan": 64, "SYCL": 128}
HOST_ALIGNMENT = 32
PIPELINE_COPIES = 4
# These backends take operations with weights in host memory, and copy quantized keys to 16 bit.
LIKE_CUDA = frozenset({"CUDA", "ROCm"})


class Gpu(NamedTuple):
    """A device as llama.cpp names it, with the bytes it finds free."""

    kind: str
    name: str
    free: int


class Described(NamedTuple):
    """A model with its weights and the shapes of its layers, read once."""

    model: Model
    weights: Weights
    shapes: tuple[LayerShape, ...]


class Buffers(NamedTuple):
    """Bytes by device, the host last; ``layers`` is what each layer keeps."""

    placement: Placement
    layers: tuple[Kept, ...]
    model: tuple[int, ...]
    cache: tuple[int, ...]
    state: tuple[int, ...]
    compute: tuple[int, ...]
    output: int
    replay: Replay
    copies: int
    cells: dict[int | None, int]

    def total(self, device: int) -> int:
        """Model, context and compute of a device."""
        return self.model[device] + self.cache[device] + self.state[device] + self.compute[device]


def describe(model: Model, weights: Weights) -> Described:
    """The shapes of a model's layers, equal layers read once."""
    seen = {id(layer): shape_of(layer, model) for layer, _ in model.layer_groups()}
    return Described(model, weights, tuple(seen[id(layer)] for layer in model.layers))


def allocate(
    described: Described, settings: Settings, gpus: Sequence[Gpu], like: Buffers | None = None
) -> Buffers:
    """Every buffer under ``settings``; the graph is not laid out anew where ``like`` has one."""
    model = described.model
    placement = place(
        described.weights,
        settings,
        len(described.shapes),
        [gpu.free for gpu in gpus],
        [gpu.name for gpu in gpus],
    )
    host, cells = placement.host, windows(described.shapes, model.family, settings)
    layers = kept(described.shapes, model.family, settings, cells)
    cache, state = [0] * (host + 1), [0] * (host + 1)
    for index, layer in enumerate(layers):
        where = placement.layers[index] if settings.offloads_cache else host
        cache[where] += layer.cache
        state[where] += layer.state
    copies = _copies(settings, placement, len(layers))
    replay = (
        like.replay
        if like is not None
        else _replay(described, settings, placement, gpus, cells, copies)
    )
    return Buffers(
        placement,
        tuple(layers),
        placement.sizes,
        tuple(cache),
        tuple(state),
        tuple(arena.highest for arena in replay.arenas),
        4 * model.vocab * settings.slots,
        replay,
        copies,
        cells,
    )


def _copies(settings: Settings, placement: Placement, layers: int) -> int:
    """Four copies of every input where several GPUs work as a pipeline (llama-context.cpp)."""
    pipeline = (
        placement.host > 1
        and settings.layers > layers
        and settings.split == "layer"
        and settings.offloads_cache
        and not settings.patterns
        and not settings.cpu_moe
    )
    return PIPELINE_COPIES if pipeline else 1


def _replay(
    described: Described,
    settings: Settings,
    placement: Placement,
    gpus: Sequence[Gpu],
    cells: dict[int | None, int],
    copies: int,
) -> Replay:
    model, host = described.model, placement.host
    quirks = quirks_of(model)
    blocks = []
    for index, shape in enumerate(described.shapes):
        device = placement.layers[index]
        where = device if settings.offloads_cache else host
        mixers = shape.mixers
        if window_of(shape, model.family) not in cells or len(cells) == 1:
            mixers = tuple(m._replace(window=None) if isinstance(m, Heads) else m for m in mixers)
        blocks.append(
            Block(mixers, shape.feed, device, where, quirks.parallel, placement.in_host[index])
        )
    like_cuda = bool(gpus) and gpus[0].kind in LIKE_CUDA
    graph = build(
        Shape(
            model.hidden,
            model.vocab,
            blocks,
            placement.output,
            cells,
            quirks.scaled,
            quirks.rows,
            quirks.positions,
            quirks.temperature,
            quirks.residual_first,
        ),
        pass_of(described, settings, halves=like_cuda),
        host,
        copies=copies,
        offload=like_cuda,
    )
    return graph.allocate([*(ALIGNMENT.get(gpu.kind, 32) for gpu in gpus), HOST_ALIGNMENT])


def pass_of(described: Described, settings: Settings, *, halves: bool) -> Pass:
    """The largest pass, for which the buffers are reserved."""
    key, value = settings.key, settings.value
    rotates = settings.version >= versions.ROTATED_CACHE
    head = next(
        (m for shape in described.shapes for m in shape.mixers if isinstance(m, Heads)), None
    )
    states = any(isinstance(m, Recurrence) for shape in described.shapes for m in shape.mixers)
    return Pass(
        settings.reserved_tokens,
        settings.reserved_outputs,
        settings.slots if states else 1,
        settings.streams,
        settings.flash,
        rotated_keys=rotates and head is not None and key.block > 1 and head.k_dim % 64 == 0,
        rotated_values=rotates and head is not None and value.block > 1 and head.v_dim % 64 == 0,
        half_keys=halves and key.name not in {"fp16", "fp32"},
        half_values=halves and value.name not in {"fp16", "fp32"},
        cast_keys=key.name == "fp32",
        cast_values=value.name == "fp32",
        key_bits=int(key.bits),
        value_bits=int(value.bits),
        row_inputs=settings.version >= versions.ROW_INPUTS,
        both_inputs=settings.version >= versions.BOTH_INPUTS,
    )
