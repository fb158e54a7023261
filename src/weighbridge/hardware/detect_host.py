"""The host's side of detection: operating system, processor, memory and its limits."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass

from weighbridge.hardware.detect_tools import Surroundings, attempt, whole
from weighbridge.units import KIB


@dataclass(frozen=True, slots=True)
class Host:
    """The computer around the accelerators; bytes, None where not known.

    ``memory_limit`` is the smallest limit of the control groups this process runs in, and
    ``memory_in_group`` what that group uses already.
    """

    system: str
    architecture: str
    python: str
    cpu: str | None = None
    cpu_count: int | None = None
    memory_total: int | None = None
    memory_available: int | None = None
    memory_limit: int | None = None
    memory_in_group: int | None = None

    @property
    def memory_usable(self) -> int | None:
        """Bytes this process may still take: what is available, within the group's limit."""
        bounds = [self.memory_available if self.memory_available is not None else self.memory_total]
        if self.memory_limit is not None:
            bounds.append(max(0, self.memory_limit - (self.memory_in_group or 0)))
        known = [bound for bound in bounds if bound is not None]
        return min(known) if known else None


def probe_host(around: Surroundings, notes: list[str]) -> Host:
    """The :class:`Host`; what cannot be read stays None and leaves a note."""
    total, available = attempt("memory", lambda: _memory(around), notes) or (None, None)
    limit, used = attempt("control group", lambda: _group_limit(around), notes) or (None, None)
    if limit is not None and total is not None and limit >= total:
        limit, used = None, None
    return Host(
        system=f"{platform.system()} {platform.release()}".strip(),
        architecture=platform.machine(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        cpu=attempt("processor", lambda: _cpu(around), notes),
        cpu_count=attempt("processor count", _cpu_count, notes),
        memory_total=total,
        memory_available=available,
        memory_limit=limit,
        memory_in_group=used,
    )


def _cpu_count() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _cpu(around: Surroundings) -> str | None:
    if around.system == "darwin":
        return around.run(["sysctl", "-n", "machdep.cpu.brand_string"]).strip() or None
    if around.system == "win32":
        return around.environ.get("PROCESSOR_IDENTIFIER") or platform.processor() or None
    for line in (around.read("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"model name", "Model", "cpu model"} and value.strip():
            return value.strip()
    return (around.read("/proc/device-tree/model") or platform.processor()).strip("\0") or None


def _memory(around: Surroundings) -> tuple[int | None, int | None]:
    """Total and available bytes of main memory."""
    if around.system == "darwin":
        return _memory_of_mac(around)
    if around.system == "win32":
        return _memory_of_windows()
    sizes: dict[str, int] = {}
    for line in (around.read("/proc/meminfo") or "").splitlines():
        key, _, value = line.partition(":")
        number = whole(value.strip().removesuffix("kB"))
        if number is not None:
            sizes[key.strip()] = number * KIB
    return sizes.get("MemTotal"), sizes.get("MemAvailable", sizes.get("MemFree"))


def _memory_of_mac(around: Surroundings) -> tuple[int | None, int | None]:
    total = whole(around.run(["sysctl", "-n", "hw.memsize"]))
    page = whole(around.run(["sysctl", "-n", "hw.pagesize"])) or 16 * KIB
    pages = 0
    for line in around.run(["vm_stat"]).splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"Pages free", "Pages inactive", "Pages speculative"}:
            pages += whole(value.strip().rstrip(".")) or 0
    return total, pages * page or None


def _memory_of_windows() -> tuple[int | None, int | None]:
    if sys.platform != "win32":
        return None, None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("available", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 5),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return int(status.total), int(status.available)


def _group_limit(around: Surroundings) -> tuple[int | None, int | None]:
    """The tightest memory limit over this process's control groups, and that group's use."""
    if around.system != "linux":
        return None, None
    limits: list[tuple[int, int | None]] = []
    for base, group, limit_file, use_file in _groups(around):
        folder = group.rstrip("/")
        while True:
            limit = around.read_number(f"{base}{folder}/{limit_file}")
            if limit is not None and limit < 2**60:
                limits.append((limit, around.read_number(f"{base}{folder}/{use_file}")))
            if not folder:
                break
            folder = folder.rpartition("/")[0]
    return min(limits, default=(None, None), key=lambda pair: pair[0] or 0)


def _groups(around: Surroundings) -> list[tuple[str, str, str, str]]:
    """(mount, this process's group, limit file, use file), version 2 and version 1."""
    v2 = ("/sys/fs/cgroup", "memory.max", "memory.current")
    v1 = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
    found = [(v2[0], "", *v2[1:]), (v1[0], "", *v1[1:])]
    for line in (around.read("/proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if ".." in group.split("/"):
            continue
        if number == "0" and not controllers:
            found.append((v2[0], group, *v2[1:]))
        elif "memory" in controllers.split(","):
            found.append((v1[0], group, *v1[1:]))
    return found
