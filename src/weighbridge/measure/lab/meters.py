"""What a process takes, as the allocator, the driver and the system see it, phase by phase.

On Linux the kernel keeps the most that was resident (``VmHWM``), and 5 written to
``/proc/self/clear_refs`` starts it anew (proc_pid_clear_refs(5)). Where it may not be reset, or
there is no ``/proc``, the size at the end of a phase stands for the most, and a note says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

MIB, KIB = 2**20, 2**10
_STATUS = {"VmRSS": "resident", "VmHWM": "resident_peak", "RssAnon": "anonymous"}


def choose_device(wanted: str) -> str:
    """``cuda`` (ROCm too), ``mps`` or ``cpu``; RequestError where the wanted one is missing."""
    from weighbridge.errors import RequestError

    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, there in has.items() if there)
    if not has[wanted]:
        raise RequestError(f"PyTorch sees no {wanted} device on this machine; use device auto")
    return wanted


def status() -> dict[str, int]:
    """This process's memory in bytes, as the kernel counts it."""
    found = {}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in _STATUS:
                    found[_STATUS[key]] = int(rest.split()[0]) * KIB
    except OSError:
        import resource
        import sys

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["resident_peak"] = most if sys.platform == "darwin" else most * KIB
    return found


def forget_peak() -> bool:
    """Start the kernel's record of the most resident anew; False where that is not allowed."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


class Meter:
    """Sizes and seconds of named phases on one device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.before = driver_used() if device == "cuda" else None
        self.notes: list[str] = []
        self.seen: dict[tuple[str, str], list[float]] = {}

    @property
    def runtime(self) -> str:
        """``cuda``, ``rocm``, ``mps`` or ``cpu``."""
        return "rocm" if self.device == "cuda" and torch.version.hip else self.device

    def see(self, name: str, phase: str, value: float) -> None:
        """One more value of a quantity."""
        self.seen.setdefault((name, phase), []).append(value)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block."""
        self.settle()
        self._restart()
        start = time.perf_counter()
        yield
        self.settle()
        self.see("seconds", name, time.perf_counter() - start)
        for quantity, value in self.sizes().items():
            self.see(quantity, name, value)

    def settle(self) -> None:
        """Wait until the device has done what it was told."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        elif self.device == "mps":
            torch.mps.synchronize()

    def sizes(self) -> dict[str, int]:
        """What is held now, and the most since the phase began."""
        found = status()
        if self.device == "cuda":
            free, total = torch.cuda.mem_get_info()
            found["allocated"] = torch.cuda.memory_allocated()
            found["allocated_peak"] = torch.cuda.max_memory_allocated()
            found["reserved_peak"] = torch.cuda.max_memory_reserved()
            used = driver_used()
            if used is None or self.before is None:
                found["driver_used"] = total - free
                self._note("driver_used counts all processes of the device")
            else:
                found["driver_used"] = max(used - self.before, 0)
        elif self.device == "mps":
            found["allocated_peak"] = torch.mps.current_allocated_memory()
            found["driver_used"] = torch.mps.driver_allocated_memory()
            self._note("Metal keeps no peak: sizes are those at the end of each phase")
        return found

    def _restart(self) -> None:
        if not forget_peak():
            self._note("the most resident is that of the whole process: it could not be reset")
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def driver_used() -> int | None:
    """Bytes of the first visible NVIDIA device in use by anyone, as NVML counts; None without."""
    try:
        import pynvml

        pynvml.nvmlInit()
        name = first_visible()
        by_index, by_uuid = pynvml.nvmlDeviceGetHandleByIndex, pynvml.nvmlDeviceGetHandleByUUID
        handle = by_index(int(name)) if name.isdecimal() else by_uuid(name)
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    except Exception:  # not installed, or no driver
        return _asked_of_the_tool()


def first_visible() -> str:
    """The index or UUID by which the driver's tools know CUDA's device 0.

    They count every device of the machine, whatever CUDA_VISIBLE_DEVICES leaves (CUDA C++
    Programming Guide, environment variables), in the order of the bus, which is CUDA's where all
    are alike.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    return named if named.isdecimal() or named.startswith(("GPU-", "MIG-")) else "0"


def _asked_of_the_tool() -> int | None:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    asked = [tool, "--query-gpu=memory.used", "--format=csv,noheader,nounits",
             f"--id={first_visible()}"]  # fmt: skip
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
        return int(done.stdout.split()[0]) * MIB
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def versions() -> dict[str, str]:
    """Of everything that decides what was measured, as far as it is installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from weighbridge._version import __version__

    found = {"python": platform.python_version(), "weighbridge": __version__}
    for name in ("torch", "transformers", "accelerate", "peft", "bitsandbytes"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found["torch"] = torch.__version__
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    if torch.version.hip:
        found["hip"] = torch.version.hip
    return found


def card(device: str) -> dict[str, Any]:
    """What PyTorch says of the device; nothing of a host."""
    if device != "cuda":
        return {}
    about = torch.cuda.get_device_properties(0)
    return {"card": about.name, "memory": about.total_memory,
            "compute": f"{about.major}.{about.minor}"}  # fmt: skip
