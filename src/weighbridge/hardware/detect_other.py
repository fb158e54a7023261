"""AMD, Intel and Apple accelerators: their command-line tools, and sysfs without any tool."""

from __future__ import annotations

import json
from typing import Any

from weighbridge.hardware.detect_gpu import Gpu
from weighbridge.hardware.detect_tools import Surroundings, attempt, whole
from weighbridge.units import MIB

_AMD, _INTEL = "0x1002", "0x8086"
_INTEL_CARDS = {"0x56a0": "Arc A770", "0x56a1": "Arc A750", "0xe20b": "Arc B580"}
_INTEL_CARDS["0xe20c"] = "Arc B570"


def probe_amd(around: Surroundings, notes: list[str], looked: list[str]) -> tuple[Gpu, ...]:
    """AMD accelerators: rocm-smi, then amd-smi, then the kernel's own files."""
    devices = _drm(around, _AMD)
    looked.append("/sys/class/drm (AMD)")
    if around.system == "linux" and not devices:
        return ()
    for tool, probe in (("rocm-smi", _from_rocm_smi), ("amd-smi", _from_amd_smi)):
        looked.append(tool)
        try:
            gpus = probe(around)
        except FileNotFoundError:
            continue
        except Exception as error:
            notes.append(f"{tool}: its answer could not be read ({type(error).__name__})")
            continue
        if gpus:
            return gpus
    return tuple(_amd_from_kernel(around, index, path) for index, path in enumerate(devices))


def _from_rocm_smi(around: Surroundings) -> tuple[Gpu, ...]:
    command = ["rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"]
    cards = json.loads(around.run(command))
    gpus: list[Gpu] = []
    for key in sorted((key for key in cards if key.startswith("card")), key=_number):
        fields = {name.lower(): value for name, value in cards[key].items()}
        total = whole(str(fields.get("vram total memory (b)", "")))
        used = whole(str(fields.get("vram total used memory (b)", "")))
        name = fields.get("card series") or fields.get("card model") or "AMD GPU"
        gpus.append(_amd(len(gpus), str(name), "rocm-smi", total, used))
    return tuple(gpus)


def _number(key: str) -> int:
    return whole(key.removeprefix("card")) or 0


def _from_amd_smi(around: Surroundings) -> tuple[Gpu, ...]:
    answer: Any = json.loads(around.run(["amd-smi", "static", "--asic", "--vram", "--json"]))
    entries = answer.get("gpu_data", []) if isinstance(answer, dict) else answer
    gpus: list[Gpu] = []
    for entry in entries:
        size = entry.get("vram", {}).get("size", {})
        total = whole(str(size.get("value", ""))) if isinstance(size, dict) else None
        name = entry.get("asic", {}).get("market_name") or "AMD GPU"
        total = None if total is None else total * MIB
        gpus.append(_amd(len(gpus), str(name), "amd-smi", total, None))
    return tuple(gpus)


def _amd_from_kernel(around: Surroundings, index: int, path: str) -> Gpu:
    total = around.read_number(f"{path}/mem_info_vram_total")
    used = around.read_number(f"{path}/mem_info_vram_used")
    device = around.read(f"{path}/device") or "unknown"
    name = around.read(f"{path}/product_name") or f"AMD GPU {device}"
    return _amd(index, name, path, total, used)


def _amd(index: int, name: str, seen_by: str, total: int | None, used: int | None) -> Gpu:
    free = None if total is None or used is None else max(0, total - used)
    return Gpu(index, "AMD", name, seen_by, total_bytes=total, free_bytes=free)


def probe_intel(around: Surroundings, notes: list[str], looked: list[str]) -> tuple[Gpu, ...]:
    """Intel cards with memory of their own, from the kernel's files."""
    looked.append("/sys/class/drm (Intel)")
    gpus: list[Gpu] = []
    for path in _drm(around, _INTEL):
        total = around.read_number(f"{path.rpartition('/')[0]}/lmem_total_bytes")
        total = total or around.read_number(f"{path}/tile0/vram0/size")
        device = around.read(f"{path}/device") or "unknown"
        if total:
            name = _INTEL_CARDS.get(device.lower(), f"Intel GPU {device}")
            gpus.append(Gpu(len(gpus), "Intel", name, path, total_bytes=total))
        else:
            notes.append(f"Intel graphics {device} report no memory of their own")
    return tuple(gpus)


def _drm(around: Surroundings, vendor: str) -> list[str]:
    """Device folders of the graphics cards of that PCI vendor."""
    paths = around.folders("/sys/class/drm", "card*/device")
    cards = [path for path in paths if path.split("/")[-2][4:].isdigit()]
    return [path for path in cards if around.read(f"{path}/vendor") == vendor]


def probe_apple(around: Surroundings, notes: list[str], looked: list[str]) -> tuple[Gpu, ...]:
    """The graphics part of an Apple chip, which shares the computer's memory."""
    if around.system != "darwin":
        return ()
    looked.append("sysctl and system_profiler")
    chip = attempt("sysctl", lambda: _sysctl(around, "machdep.cpu.brand_string"), notes) or ""
    if not chip.startswith("Apple"):
        return ()
    total = attempt("sysctl", lambda: whole(_sysctl(around, "hw.memsize")), notes)
    limit = attempt("sysctl", lambda: whole(_sysctl(around, "iogpu.wired_limit_mb")), [])
    cores = attempt("system_profiler", lambda: _apple_cores(around), notes)
    gpu = Gpu(
        index=0,
        vendor="Apple",
        name=chip,
        seen_by="sysctl",
        total_bytes=total,
        limit_bytes=limit * MIB if limit else None,
        cores=cores,
        shares_memory=True,
    )
    return (gpu,)


def _sysctl(around: Surroundings, name: str) -> str:
    return around.run(["sysctl", "-n", name]).strip()


def _apple_cores(around: Surroundings) -> int | None:
    answer = json.loads(around.run(["system_profiler", "SPDisplaysDataType", "-json"]))
    for display in answer.get("SPDisplaysDataType", []):
        cores = whole(str(display.get("sppci_cores", "")))
        if cores is not None:
            return cores
    return None
