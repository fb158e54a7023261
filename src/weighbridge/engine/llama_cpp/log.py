"""The lines that llama.cpp prints of its buffers, from the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.engine.llama_cpp.buffers import Buffers, Gpu
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.units import MIB

CPU_TYPE = {"fp32": "f32", "fp16": "f16"}


def log_lines(settings: Settings, gpus: Sequence[Gpu], buffers: Buffers) -> tuple[str, ...]:
    """What a load prints, in its order."""
    host, count = buffers.placement.host, len(buffers.layers)
    lines = []
    if gpus:
        lines.append(
            f"load_tensors: offloaded {buffers.placement.on_gpu}/{count + 1} layers to GPU"
        )
    mapped = "CPU_Mapped" if settings.mmap else "CPU"
    names = [*(gpu.name for gpu in gpus), mapped]
    for device in (host, *range(host)):
        if buffers.model[device]:
            lines.append(_line("load_tensors", names[device], "model", buffers.model[device]))
    lines += [
        f"llama_context: n_seq_max     = {settings.slots}",
        f"llama_context: n_ctx         = {settings.total_cells}",
        f"llama_context: n_ctx_seq     = {settings.cells}",
        f"llama_context: n_batch       = {min(settings.batch, settings.total_cells)}",
        f"llama_context: n_ubatch      = {settings.pass_tokens}",
        f"llama_context: kv_unified    = {str(settings.unified).lower()}",
    ]
    pinned = _host_name(gpus)
    lines.append(_line("llama_context", pinned, "output", buffers.output))
    plain = [*(gpu.name for gpu in gpus), "CPU"]
    lines += _caches(settings, buffers, plain)
    for device in range(host + 1):
        if buffers.state[device]:
            size = buffers.state[device]
            lines.append(_line("llama_memory_recurrent", plain[device], "RS", size))
    ends = [*(gpu.name for gpu in gpus), pinned]
    for device in range(host + 1):
        lines.append(_line("sched_reserve", ends[device], "compute", buffers.compute[device]))
    return tuple(lines)


def _caches(settings: Settings, buffers: Buffers, names: Sequence[str]) -> list[str]:
    lines = []
    for window in buffers.cells:
        mine = [
            (index, layer)
            for index, layer in enumerate(buffers.layers)
            if layer.cache and layer.window == window
        ]
        if not mine:
            continue
        sizes = [0] * len(names)
        for index, layer in mine:
            place = buffers.placement
            sizes[place.layers[index] if settings.offloads_cache else place.host] += layer.cache
        for device, size in enumerate(sizes):
            if size:
                lines.append(_line("llama_kv_cache", names[device], "KV", size))
        keys = sum(layer.keys for _, layer in mine)
        values = sum(layer.values for _, layer in mine)
        lines.append(
            f"llama_kv_cache: size = {(keys + values) / MIB:7.2f} MiB "
            f"({buffers.cells[window]:6d} cells, {len(mine):3d} layers, "
            f"{settings.slots:2d}/{settings.streams} seqs), "
            f"K ({_type(settings.key.name)}): {keys / MIB:7.2f} MiB, "
            f"V ({_type(settings.value.name)}): {values / MIB:7.2f} MiB"
        )
    return lines


def _type(name: str) -> str:
    return CPU_TYPE.get(name, name)


def _host_name(gpus: Sequence[Gpu]) -> str:
    """Host memory that the GPU reads directly, where the backend offers it."""
    return f"{gpus[0].kind}_Host" if gpus and gpus[0].kind in {"CUDA", "ROCm", "Vulkan"} else "CPU"


def _line(function: str, device: str, kind: str, size: int) -> str:
    return f"{function}: {device:>10} {kind} buffer size = {size / MIB:8.2f} MiB"
