"""``device_map``: which device gets which layers, by accelerate's rules.

Source: transformers ``integrations/accelerate.py``, ``get_balanced_memory`` and
``infer_auto_device_map``: every GPU but the last is limited to its share of the model plus a buffer
of 1.25 × the largest block; blocks are placed in order and none is split; the first GPU and host
memory keep room for the largest block still to come, which may have to visit them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeGuard

from weighbridge.errors import RequestError
from weighbridge.units import parse_size

HOST, DISK = -1, -2
KINDS = ("auto", "balanced", "balanced_low_0", "sequential")
ELSEWHERE = {"cpu": HOST, "disk": DISK}
LONGEST_MAP, SHOWN = 200_000, 60


class Block(NamedTuple):
    """An unsplittable piece of the model, in the order in which it runs."""

    name: str
    size: int


def balanced(blocks: Sequence[Block], capacities: Sequence[int | None], layer: int) -> list[int]:
    """The device of each block, ``layer`` being the bytes of one layer.

    What fits nowhere stays on the last device, which then overflows.
    """
    last = len(capacities) - 1
    if last == 0:
        return [0] * len(blocks)
    limits = dict(enumerate(capacities))
    shares = balance(blocks, limits, layer)
    return placed(blocks, {**shares, last: None})


def balance(
    blocks: Sequence[Block],
    limits: Mapping[int, int | None],
    layer: int,
    *,
    low_zero: bool = False,
) -> dict[int, int | None]:
    """``get_balanced_memory``: limits of the GPUs lowered to their shares, the last one's kept.

    ``low_zero`` leaves the first GPU as empty as the others allow.
    """
    gpus = [device for device in limits if device >= 0]
    low_zero = low_zero and len(gpus) > 1
    whole = sum(block.size for block in blocks)
    largest = max(layer, blocks[0].size, blocks[-1].size) if low_zero else layer
    share = whole // (len(gpus) - 1 if low_zero else len(gpus)) + largest * 5 // 4
    found = dict(limits)
    for device in gpus[:-1]:
        limit = found[device]
        if not (low_zero and device == 0):
            found[device] = share if limit is None else min(share, limit)
    if low_zero:
        rest = [found[device] for device in gpus[1:]]
        need = 0 if None in rest else max(0, whole - sum(each or 0 for each in rest))
        found[0] = need if found[0] is None else min(need, found[0] or 0)
    return found


def placed(blocks: Sequence[Block], limits: Mapping[int, int | None]) -> list[int]:
    """The device of each block: devices are filled in the order of ``limits``, then the disk.

    None is no limit.
    """
    devices = [*limits, *((DISK,) if DISK not in limits else ())]
    keeping = {devices[0], HOST}
    found: list[int] = []
    at = used = 0
    for index, block in enumerate(blocks):
        visitor = max((later.size for later in blocks[index + 1 :]), default=0)
        while True:
            device = devices[at]
            limit = limits.get(device)
            room = None if limit is None else limit - (visitor if device in keeping else 0)
            if room is None or used + block.size <= room:
                break
            at, used = at + 1, 0
        found.append(device)
        used += block.size
    return found


def parse_limits(text: str, devices: int) -> dict[int, int | None]:
    """``0=20GiB,1=20GiB,cpu=60GiB`` → bytes by device, GPUs first.

    Raises :class:`RequestError` on a device that the machine does not have.
    """
    found: dict[int, int | None] = {}
    for part in text.split(","):
        name, separator, size = part.strip().partition("=")
        if not separator:
            raise RequestError(f"max_memory {part[:40]!r} cannot be read; write 0=20GiB,cpu=60GiB")
        if name == "cpu":
            device = HOST
        elif name.isascii() and name.isdigit() and int(name) < devices:
            device = int(name)
        else:
            raise RequestError(
                f"max_memory names {name[:20]!r}; the devices are 0 to {devices - 1} and cpu"
            )
        found[device] = parse_size(size, f"max_memory of {name}")
    return dict(sorted(found.items(), key=lambda each: (each[0] < 0, each[0])))


def is_map(text: str | None) -> TypeGuard[str]:
    """Whether a ``device_map`` names modules itself. Raises RequestError on an unknown word."""
    if not text or text in KINDS:
        return False
    if not text.lstrip().startswith("{"):
        raise RequestError(
            f"device_map {text[:SHOWN]!r} is not one of {', '.join(KINDS)}, nor a map of modules "
            'as JSON such as {"model.layers.0": 0, "lm_head": "cpu"}'
        )
    return True


def parse_map(text: str, devices: int) -> dict[str, int]:
    """``{"model.layers.0": 0, "lm_head": "cpu"}`` → devices by module, ``HOST`` and ``DISK`` too.

    Raises :class:`RequestError` on what is no map, or names a device that there is not.
    """
    try:
        if len(text) > LONGEST_MAP:
            raise ValueError
        read = json.loads(text)
        if not isinstance(read, dict) or not read:
            raise ValueError
    except (ValueError, RecursionError):
        raise RequestError(
            f"device_map {text[:SHOWN]!r} is no JSON map of modules of at most "
            f"{LONGEST_MAP:,} characters"
        ) from None
    found: dict[str, int] = {}
    for module, device in read.items():
        place = ELSEWHERE.get(device) if isinstance(device, str) else device
        if type(place) is not int or ((place >= 0) and place >= devices) or place < DISK:
            raise RequestError(
                f"device_map sends {module[:SHOWN]!r} to {str(device)[:SHOWN]!r}; the devices are "
                f"0 to {devices - 1}, cpu and disk"
            )
        found[module] = place
    return found


def place_of(module: str, placed: Mapping[str, int]) -> int:
    """The device of a module: its own entry, or that of the nearest module around it.

    Raises :class:`RequestError` where none covers it, as accelerate's check_device_map does.
    """
    name = module
    while name not in placed:
        if not name:
            raise RequestError(f"device_map has no device for {module[:SHOWN]!r}")
        name = name.rpartition(".")[0]
    return placed[name]


def module_of(tensor: str, prefix: str) -> str:
    """The module of a tensor outside the layers, whose names begin with ``prefix``: as much of its
    name as parts it from theirs.

    >>> module_of("model.embed_tokens.weight", "model.layers.")
    'model.embed_tokens'
    """
    words, layers = tensor.split("."), prefix.rstrip(".").split(".")
    same = 0
    while same < min(len(words) - 2, len(layers)) and words[same] == layers[same]:
        same += 1
    return ".".join(words[: same + 1])
