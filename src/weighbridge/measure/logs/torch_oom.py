"""torch's out-of-memory message, 1.0 to 2.13 (c10/cuda/CUDACachingAllocator.cpp)."""

from __future__ import annotations

import math
import re

from weighbridge.measure.observation import Failure, Sighting, sized
from weighbridge.units import format_bytes

KEYS = ("Tried to allocate", "out of memory")
_S = r"(\d[\d.,]*\s?[KMG]?i?B|\d+ bytes)"
_ASKED = re.compile(rf"(?:CUDA|HIP|XPU) out of memory\. Tried to allocate {_S}")
# Since 2.1: "GPU 0 has a total capacity of X of which Y is free" (2.1 wrote "capacty").
_NEW = re.compile(rf"GPU (\d+) has a total capaci?ty of {_S} of which {_S} is free")
_HELD = re.compile(rf"(?:[Tt]his process|Process \d+) has {_S} memory in use")
_TORCH = re.compile(rf"Of the allocated memory {_S} is allocated by PyTorch")
_IDLE = re.compile(rf"{_S} is reserved by PyTorch but unallocated")
# Before: "(GPU 0; 44.56 GiB total capacity; 27.91 GiB already allocated; 565.31 MiB free; …".
_OLD = re.compile(
    rf"\(GPU (\d+); {_S} total capacity; {_S} already allocated; {_S} free"
    rf"(?:; {_S} (?:reserved in total by PyTorch|cached))?"
)


def read(sighting: Sighting, line: str) -> None:
    """One line that holds one of the keys."""
    asked = _ASKED.search(line)
    if asked is None:
        return
    wanted = sized(asked[1])
    if match := _NEW.search(line):
        device, total, free = int(match[1]), sized(match[2]), sized(match[3])
        torch, idle = _TORCH.search(line), _IDLE.search(line)
        allocated = sized(torch[1]) if torch else None
        unused = sized(idle[1]) if idle else 0
        held = _HELD.search(line)
        others = total - free - sized(held[1]) if held else 0
    elif match := _OLD.search(line):
        device, total, free = int(match[1]), sized(match[2]), sized(match[4])
        allocated = sized(match[3])
        unused = max(sized(match[5]) - allocated, 0) if match[5] else 0
        others = total - free - allocated - unused
    else:
        device, total, free, allocated, unused, others = 0, None, None, None, 0, 0
    advice = _advice(sighting, wanted, free, total, unused, others)
    what = f"torch could not allocate {format_bytes(wanted)} on device {device}"
    if allocated is not None:
        what += f", where it holds {format_bytes(allocated)}"
    sighting.fail(Failure(what, device, wanted, free, total, advice))


def _advice(
    sighting: Sighting, wanted: int, free: int | None, total: int | None, unused: int, others: int
) -> tuple[str, ...]:
    """What to change, most specific first."""
    if free is None or total is None:
        return (f"free {format_bytes(wanted)} on that device",)
    found: list[str] = []
    short = wanted - free
    if short <= 0:
        found.append("PYTORCH_ALLOC_CONF=expandable_segments:True: as much was free as was asked "
                     "for, in pieces or already promised")  # fmt: skip
        short = wanted
    share = math.ceil(short / total * 100) / 100
    used = sighting.settings.get("gpu_memory_utilization")
    if unused >= short and wanted > free:
        found.append(
            f"PYTORCH_ALLOC_CONF=expandable_segments:True: {format_bytes(unused)} are reserved and "
            f"unused, and {format_bytes(short)} are short"
        )
    flag = {"vllm": "--gpu-memory-utilization", "sglang": "--mem-fraction-static"}.get(
        sighting.engine
    )
    if flag is not None:
        start = f" {used - share:.2f} (from {used})" if used else f" lower by {share:.2f}"
        found.append(
            f"{flag}{start}, which leaves {format_bytes(short)} to what runs beside the pool"
        )
    if others > total // 50:
        found.append(f"end what else holds {format_bytes(others)} of the card")
    found.append(f"{format_bytes(short)} less are needed: a smaller batch, shorter prompts or "
                 "smaller weights")  # fmt: skip
    return tuple(found)
