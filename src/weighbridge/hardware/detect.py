"""What is in this machine: the one impure module of the room.

:func:`detect` never raises. Every probe is bounded in time, reads only, and leaves a note when
it fails; the report says where it looked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from weighbridge.hardware.detect_gpu import Gpu, GpuProcess
from weighbridge.hardware.detect_host import Host, probe_host
from weighbridge.hardware.detect_nvidia import Nvidia, probe_nvidia
from weighbridge.hardware.detect_other import probe_amd, probe_apple, probe_intel
from weighbridge.hardware.detect_tools import Surroundings, attempt
from weighbridge.hardware.machine import Machine, machine_of
from weighbridge.units import format_bytes

__all__ = ["Detected", "Gpu", "GpuProcess", "Host", "Surroundings"]
__all__ += ["detect", "detected_machine", "doctor_lines"]

_MASKS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True)
class Detected:
    """The computer, its accelerators, where they were looked for, and what went wrong."""

    host: Host
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    looked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; bytes are integers."""
        host = asdict(self.host) | {"memory_usable": self.host.memory_usable}
        return {
            "host": host,
            "accelerators": [gpu.to_dict() for gpu in self.gpus],
            "driver": self.driver,
            "cuda": self.cuda,
            "looked": list(self.looked),
            "notes": list(self.notes),
        }


def detect(around: Surroundings | None = None) -> Detected:
    """Look at this machine (or at the one ``around`` pretends); never raises."""
    around = around or Surroundings()
    notes: list[str] = []
    looked: list[str] = []
    host = attempt("host", lambda: probe_host(around, notes), notes) or Host("", "", "")
    nvidia = attempt("NVIDIA", lambda: probe_nvidia(around, notes, looked), notes) or Nvidia()
    gpus = list(nvidia.gpus)
    for vendor, probe in (("AMD", probe_amd), ("Intel", probe_intel), ("Apple", probe_apple)):
        gpus += attempt(vendor, partial(probe, around, notes, looked), notes) or ()
    matched = [attempt("card table", gpu.matched, notes) or gpu for gpu in gpus]
    notes += _remarks(around, matched)
    return Detected(
        host, tuple(matched), nvidia.driver, nvidia.cuda, tuple(looked), tuple(dict.fromkeys(notes))
    )


def _remarks(around: Surroundings, gpus: list[Gpu]) -> list[str]:
    remarks = [
        f"{gpu.name} {gpu.index} is split by MIG; a program sees one instance, smaller than this"
        for gpu in gpus
        if gpu.mig
    ]
    remarks += [
        f"{name}={around.environ[name]!r} hides devices from programs; all are listed here"
        for name in _MASKS
        if name in around.environ
    ]
    return remarks


def detected_machine(detected: Detected | None = None) -> Machine | None:
    """The machine to plan for when none is named; None where no accelerator was found."""
    detected = detected or detect()
    cards = [card for gpu in detected.gpus if (card := gpu.card()) is not None]
    if not cards:
        return None
    notes = [f"found in this machine: {gpu.name}" for gpu in detected.gpus]
    return machine_of(cards, notes)


def doctor_lines(detected: Detected) -> list[str]:
    """A plain report, one fact to a line."""
    host = detected.host
    lines = [f"system       {host.system} {host.architecture}, {host.python}"]
    cores = "" if host.cpu_count is None else f", {host.cpu_count} logical processors"
    lines.append(f"processor    {host.cpu or 'not known'}{cores}")
    lines.append(f"memory       {_memory_line(host)}")
    if detected.driver:
        cuda = f", CUDA up to {detected.cuda}" if detected.cuda else ""
        lines.append(f"driver       NVIDIA {detected.driver}{cuda}")
    for gpu in detected.gpus:
        lines += _gpu_lines(gpu)
    if not detected.gpus:
        lines.append(f"accelerator  no accelerator found; looked in {', '.join(detected.looked)}")
    return lines + [f"note         {note}" for note in detected.notes]


def _memory_line(host: Host) -> str:
    if host.memory_total is None:
        return "not known"
    line = format_bytes(host.memory_total)
    if host.memory_available is not None:
        line += f", {format_bytes(host.memory_available)} available"
    if host.memory_limit is not None:
        line += f", limited to {format_bytes(host.memory_limit)} by a control group"
    return line


def _gpu_lines(gpu: Gpu) -> list[str]:
    size = "shares main memory" if gpu.shares_memory else "memory not known"
    if gpu.total_bytes is not None:
        shared = " shared with the system" if gpu.shares_memory else ""
        size = format_bytes(gpu.total_bytes) + shared
    if gpu.free_bytes is not None:
        size += f", {format_bytes(gpu.free_bytes)} free"
    known = f"card {gpu.card_id}" if gpu.card_id else "not in the table of cards"
    lines = [f"accelerator  {gpu.index}: {gpu.name}, {size} ({known}; seen by {gpu.seen_by})"]
    for process in gpu.processes:
        held = "an unknown amount" if process.bytes is None else format_bytes(process.bytes)
        lines.append(f"             process {process.pid} {process.name or ''} holds {held}")
    return lines
