"""NVIDIA accelerators, through NVML where nvidia-ml-py is installed, else through nvidia-smi."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge.hardware.detect_gpu import Gpu, GpuProcess
from weighbridge.hardware.detect_tools import Surroundings, bounded, describe, whole
from weighbridge.units import MIB

_QUERY = "index,name,uuid,memory.total,memory.free,driver_version"
_MORE = ",compute_cap,mig.mode.current"


class Nvidia(NamedTuple):
    """The accelerators, and the versions of the driver and of the CUDA it serves."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None


def probe_nvidia(around: Surroundings, notes: list[str], looked: list[str]) -> Nvidia:
    """NVIDIA accelerators of this machine; what fails is noted and left out."""
    looked.append("NVML (pynvml)")
    found = _try_nvml(around, notes)
    if found.gpus:
        return found
    looked.append("nvidia-smi")
    try:
        return _from_smi(around)
    except FileNotFoundError:
        return found
    except Exception as error:
        notes.append(f"nvidia-smi: {describe(error)}")
        return found


def _try_nvml(around: Surroundings, notes: list[str]) -> Nvidia:
    """NVML's answer; its absence is no news, its failure is."""
    try:
        return bounded(lambda: _from_nvml(around))
    except ImportError:
        return Nvidia()
    except Exception as error:
        if type(error).__name__ != "NVMLError_LibraryNotFound":
            notes.append(f"NVML: {describe(error)}")
        return Nvidia()


def _from_nvml(around: Surroundings) -> Nvidia:
    nvml = around.load("pynvml")
    nvml.nvmlInit()
    try:
        count = int(nvml.nvmlDeviceGetCount())
        gpus = tuple(_nvml_gpu(nvml, index) for index in range(count))
        driver = _ask(lambda: _text(nvml.nvmlSystemGetDriverVersion()))
        version = _ask(lambda: int(nvml.nvmlSystemGetCudaDriverVersion_v2()))
        cuda = f"{version // 1000}.{version % 1000 // 10}" if version else None
        return Nvidia(gpus, driver, cuda)
    finally:
        _ask(nvml.nvmlShutdown)


def _nvml_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _ask(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    running = _ask(lambda: list(nvml.nvmlDeviceGetComputeRunningProcesses(handle))) or []
    capability = _ask(lambda: nvml.nvmlDeviceGetCudaComputeCapability(handle))
    mig = _ask(lambda: nvml.nvmlDeviceGetMigMode(handle)[0])
    return Gpu(
        index=index,
        vendor="NVIDIA",
        name=_text(nvml.nvmlDeviceGetName(handle)),
        seen_by="NVML",
        total_bytes=None if memory is None else int(memory.total),
        free_bytes=None if memory is None else int(memory.free),
        uuid=_ask(lambda: _text(nvml.nvmlDeviceGetUUID(handle))),
        compute_capability=None if capability is None else f"{capability[0]}.{capability[1]}",
        mig=bool(mig),
        shares_memory=memory is None,
        processes=tuple(GpuProcess(int(one.pid), one.usedGpuMemory or None) for one in running),
    )


def _ask(question: Callable[[], Any]) -> Any:
    """The answer, or None: NVML raises for every figure that a device does not support."""
    try:
        return question()
    except Exception:
        return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _from_smi(around: Surroundings) -> Nvidia:
    try:
        table = around.run(_command(_QUERY + _MORE))
    except FileNotFoundError:
        raise
    except Exception:
        table = around.run(_command(_QUERY))
    rows = _rows(table)
    users = _smi_processes(around)
    gpus = tuple(_smi_gpu(row, users) for row in rows if len(row) >= 6 and row[0].isdigit())
    header = _ask(lambda: around.run(["nvidia-smi"])) or ""
    cuda = re.search(r"CUDA Version:\s*([\d.]+)", header)
    return Nvidia(gpus, rows[0][5] if gpus else None, cuda[1] if cuda else None)


def _command(fields: str, what: str = "gpu") -> list[str]:
    return ["nvidia-smi", f"--query-{what}={fields}", "--format=csv,noheader,nounits"]


def _rows(table: str) -> list[list[str]]:
    rows = csv.reader(table.splitlines(), skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows if row]


def _smi_gpu(row: list[str], users: dict[str, list[GpuProcess]]) -> Gpu:
    index, name, uuid, total, free, _, *more = row
    capability = more[0] if more and re.fullmatch(r"\d+\.\d+", more[0]) else None
    return Gpu(
        index=int(index),
        vendor="NVIDIA",
        name=name,
        seen_by="nvidia-smi",
        total_bytes=_mib(total),
        free_bytes=_mib(free),
        uuid=uuid,
        compute_capability=capability,
        mig=len(more) > 1 and more[1] == "Enabled",
        shares_memory=_mib(total) is None,
        processes=tuple(users.get(uuid, ())),
    )


def _smi_processes(around: Surroundings) -> dict[str, list[GpuProcess]]:
    command = _command("gpu_uuid,pid,used_gpu_memory,process_name", "compute-apps")
    users: dict[str, list[GpuProcess]] = {}
    for row in _rows(_ask(lambda: around.run(command)) or ""):
        if len(row) >= 4 and row[1].isdigit():
            process = GpuProcess(int(row[1]), _mib(row[2]), row[3])
            users.setdefault(row[0], []).append(process)
    return users


def _mib(text: str) -> int | None:
    number = whole(text)
    return None if number is None else number * MIB
