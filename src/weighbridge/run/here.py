"""The machine that a run may use: its cards with what is free of them, or the host alone."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from typing import Any, NamedTuple

from weighbridge.errors import HardwareError
from weighbridge.hardware.card import Card
from weighbridge.hardware.host import KIND, host_card
from weighbridge.hardware.machine import Machine, machine_of, parse_machine

SPARED = 95, 100  # of what the system calls available; the rest is left to it


class Room(NamedTuple):
    """Devices in order, bytes of host memory beside them, whether bitsandbytes is there."""

    machine: Machine
    host: int
    quantizes: bool

    @property
    def on_host(self) -> bool:
        """Whether host memory is the device."""
        return self.machine.devices[0].kind == KIND


def room_here(on: str | None = None) -> Room:
    """What is free now; ``on`` narrows it: ``cpu``, or ``cpu-8GiB`` and ``24GiB`` as limits."""
    from weighbridge.hardware.detect import detect

    found = detect()
    usable = found.host.memory_usable
    host = 0 if usable is None else usable * SPARED[0] // SPARED[1]
    quantizes = find_spec("bitsandbytes") is not None
    if on is not None and on.strip().lower() != "cpu":
        machine = parse_machine(on)
        if machine.devices[0].kind == KIND and 0 < host < machine.devices[0].marketed_memory:
            raise HardwareError(
                f"{on} is more than the {host:,} bytes that this machine has to spare; leave "
                "--on out, or name less"
            )
        return Room(machine, host, quantizes)
    cards = [] if on is not None else [_free(gpu) for gpu in found.gpus]
    devices = [card for card in cards if card is not None]
    if not devices:
        if not host:
            raise HardwareError("this machine's free memory is not known; name it: --on cpu-16GiB")
        devices = [host_card(host)]
    return Room(machine_of(devices, [f"found here: {card.name}" for card in devices]), host,
                quantizes)  # fmt: skip


def _free(gpu: Any) -> Card | None:
    """The card with no more than what is free of it."""
    card: Card | None = gpu.card()
    if card is None or gpu.free_bytes is None:
        return card
    free = min(card.usable_bytes, gpu.free_bytes)
    return card._replace(visible_bytes=free, visible_low=free, visible_high=free,
                         visible_source=f"free now, by {gpu.seen_by}")  # fmt: skip


def free_disk(folder: str) -> int:
    """Bytes free where a folder is, or will be."""
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free
