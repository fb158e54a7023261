"""Detection against pretended machines: every source of facts is handed in."""

import json
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from weighbridge.hardware.detect import Surroundings, detect, detected_machine, doctor_lines
from weighbridge.hardware.detect_tools import bounded, describe, run_command, whole
from weighbridge.units import GIB, KIB, MIB

MEMINFO = "MemTotal:       65536000 kB\nMemFree: 1000 kB\nMemAvailable:   32768000 kB\n"
SMI_GPUS = (
    "0, NVIDIA GeForce RTX 4090, GPU-aa, 24564, 20000, 570.10, 8.9, [N/A]\n"
    "1, NVIDIA GeForce RTX 4060 Ti, GPU-bb, 16380, 16000, 570.10, 8.9, [N/A]\n"
)
SMI_HEADER = "| NVIDIA-SMI 570.10   Driver Version: 570.10   CUDA Version: 12.8     |"
SMI_APPS = "GPU-aa, 4242, 3000, python\nGPU-aa, 4243, [N/A], a.out\n"


def no_module(name):
    raise ModuleNotFoundError(name)


def no_command(command):
    raise FileNotFoundError(command[0])


def commands(answers):
    """A ``run`` that answers the first key all of whose words stand in the command."""

    def run(command):
        line = " ".join(command)
        for key, answer in answers.items():
            if all(word in line for word in key.split()):
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise FileNotFoundError(line)

    return run


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def linux(tmp_path, files=None, run=no_command, load=no_module, environ=None):
    root = write(tmp_path, {"proc/meminfo": MEMINFO} | (files or {}))
    return Surroundings("linux", root, run, load, environ or {})


class Nvml:
    """The few functions of pynvml that are used, for two cards of which one hides its memory."""

    def __init__(self, names=(b"NVIDIA H100 80GB HBM3", "NVIDIA GB10"), mig=0):
        self.names, self.mig, self.closed = names, mig, False

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlShutdown(self):  # noqa: N802
        self.closed = True

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.names)

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return b"580.65"

    def nvmlSystemGetCudaDriverVersion_v2(self):  # noqa: N802
        return 13010

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self.names[handle]

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        if "GB10" in str(self.names[handle]):
            raise RuntimeError("Not Supported")
        return SimpleNamespace(total=81559 * MIB, free=80000 * MIB)

    def nvmlDeviceGetMigMode(self, handle):  # noqa: N802
        return [self.mig, self.mig]

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=7, usedGpuMemory=None)]

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}"

    def nvmlDeviceGetCudaComputeCapability(self, handle):  # noqa: N802
        raise RuntimeError("old driver")


def test_no_accelerator(tmp_path):
    detected = detect(linux(tmp_path))
    assert detected.gpus == ()
    assert detected.notes == ()
    assert detected_machine(detected) is None
    report = "\n".join(doctor_lines(detected))
    assert "no accelerator found; looked in NVML (pynvml), nvidia-smi, /sys/class/drm" in report
    assert detected.host.memory_total == 65_536_000 * KIB
    assert detected.host.memory_available == 32_768_000 * KIB


def test_nvml(tmp_path):
    nvml = Nvml()
    detected = detect(linux(tmp_path, load=lambda name: nvml))
    assert nvml.closed
    assert (detected.driver, detected.cuda) == ("580.65", "13.1")
    h100, spark = detected.gpus
    assert (h100.card_id, h100.total_bytes, h100.seen_by) == ("h100-sxm", 81559 * MIB, "NVML")
    assert h100.processes[0].pid == 7
    assert (spark.card_id, spark.total_bytes, spark.shares_memory) == ("dgx-spark", None, True)
    machine = detected_machine(detected)
    assert machine.name == "h100-sxm+dgx-spark"
    assert "nvidia-smi" not in detected.looked


def test_mig_is_noted(tmp_path):
    nvml = Nvml(names=("NVIDIA H100 80GB HBM3",), mig=1)
    detected = detect(linux(tmp_path, load=lambda name: nvml))
    assert detected.gpus[0].mig
    assert any("split by MIG" in note for note in detected.notes)


def smi(**more):
    answers = {
        "nvidia-smi --query-gpu compute_cap": SMI_GPUS,
        "nvidia-smi --query-compute-apps": SMI_APPS,
        "nvidia-smi": SMI_HEADER,
    }
    return commands(more.pop("first", {}) | answers)


def test_nvidia_smi(tmp_path):
    detected = detect(linux(tmp_path, run=smi()))
    assert (detected.driver, detected.cuda) == ("570.10", "12.8")
    assert [gpu.card_id for gpu in detected.gpus] == ["rtx-4090", "rtx-4060-ti-16gb"]
    first = detected.gpus[0]
    assert (first.total_bytes, first.free_bytes) == (24564 * MIB, 20000 * MIB)
    assert first.compute_capability == "8.9"
    assert [(p.pid, p.bytes, p.name) for p in first.processes] == [
        (4242, 3000 * MIB, "python"),
        (4243, None, "a.out"),
    ]
    report = "\n".join(doctor_lines(detected))
    assert "0: NVIDIA GeForce RTX 4090, 23.99 GiB, 19.53 GiB free (card rtx-4090" in report
    assert "process 4242 python holds 2.93 GiB" in report
    assert json.loads(json.dumps(detected.to_dict()))["accelerators"][1]["total_bytes"] == (
        16380 * MIB
    )


def test_an_old_nvidia_smi_is_asked_for_less(tmp_path):
    failing = {"nvidia-smi compute_cap": subprocess.CalledProcessError(2, "nvidia-smi")}
    row = "0, Tesla P40, GPU-cc, 24576, 24000, 450.80\n"
    run = commands(failing | {"nvidia-smi --query-gpu": row, "nvidia-smi": "CUDA Version: 11.0"})
    detected = detect(linux(tmp_path, run=run))
    assert (detected.gpus[0].card_id, detected.cuda) == ("p40", "11.0")


def test_totals_seen_here_replace_those_of_the_table(tmp_path):
    row = "0, NVIDIA RTX A6000, GPU-dd, 46068, 46000, 570.10, 8.6, [N/A]\n"
    run = commands({"nvidia-smi --query-gpu": row})
    card = detected_machine(detect(linux(tmp_path, run=run))).devices[0]
    assert (card.id, card.driver_total_bytes) == ("rtx-a6000", 46068 * MIB)
    assert card.usable_basis == "calibrated"


def test_an_unknown_card_is_planned_for_by_its_size(tmp_path):
    row = "0, NVIDIA RTX 9999, GPU-ee, 40000, 39000, 600.1, 14.0, [N/A]\n"
    detected = detect(linux(tmp_path, run=commands({"nvidia-smi --query-gpu": row})))
    card = detected_machine(detected).devices[0]
    assert detected.gpus[0].card_id is None
    assert (card.name, card.bandwidth) == ("NVIDIA RTX 9999", None)
    assert card.usable_basis == "calibrated"
    assert "not in the table of cards" in "\n".join(doctor_lines(detected))


DRM = "sys/class/drm/card0/device"
AMD_FILES = {
    f"{DRM}/vendor": "0x1002\n",
    f"{DRM}/device": "0x744c\n",
    f"{DRM}/mem_info_vram_total": "25753026560\n",
    f"{DRM}/mem_info_vram_used": "1073741824\n",
    "sys/class/drm/card0-DP-1/device/vendor": "0x1002\n",
}


def test_amd_from_the_kernel(tmp_path):
    detected = detect(linux(tmp_path, AMD_FILES))
    (gpu,) = detected.gpus
    assert (gpu.name, gpu.total_bytes) == ("AMD GPU 0x744c", 25_753_026_560)
    assert gpu.free_bytes == 25_753_026_560 - GIB
    assert detected_machine(detected).devices[0].usable_basis == "calibrated"


def test_amd_from_rocm_smi(tmp_path):
    answer = {
        "card0": {
            "Card Series": "AMD Radeon RX 7900 XTX",
            "VRAM Total Memory (B)": "25753026560",
            "VRAM Total Used Memory (B)": "1000",
        },
        "system": {"Driver version": "6.1"},
    }
    run = commands({"rocm-smi": json.dumps(answer)})
    detected = detect(linux(tmp_path, AMD_FILES, run))
    assert [gpu.card_id for gpu in detected.gpus] == ["rx-7900-xtx"]


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"gpu_data": rows}])
def test_amd_from_amd_smi(tmp_path, wrap):
    rows = [
        {
            "gpu": 0,
            "asic": {"market_name": "AMD Instinct MI300X"},
            "vram": {"size": {"value": 196592, "unit": "MB"}},
        }
    ]
    run = commands({"rocm-smi": "not json", "amd-smi": json.dumps(wrap(rows))})
    detected = detect(linux(tmp_path, AMD_FILES, run))
    assert [gpu.card_id for gpu in detected.gpus] == ["mi300x"]
    assert any("rocm-smi" in note for note in detected.notes)


def test_intel(tmp_path):
    files = {
        f"{DRM}/vendor": "0x8086",
        f"{DRM}/device": "0xe20b",
        "sys/class/drm/card0/lmem_total_bytes": str(12 * GIB),
        "sys/class/drm/card1/device/vendor": "0x8086",
        "sys/class/drm/card1/device/device": "0x9a49",
    }
    detected = detect(linux(tmp_path, files))
    assert [gpu.card_id for gpu in detected.gpus] == ["arc-b580"]
    assert "Intel graphics 0x9a49 report no memory of their own" in detected.notes


MAC = {
    "sysctl machdep.cpu.brand_string": "Apple M3 Max\n",
    "sysctl hw.memsize": str(64 * GIB),
    "sysctl hw.pagesize": "16384\n",
    "vm_stat": "Pages free:      1000.\nPages active: 5.\nPages inactive:  24.\n",
    "system_profiler": json.dumps({"SPDisplaysDataType": [{"sppci_cores": "30"}]}),
}


def mac(tmp_path, **more):
    run = commands({"sysctl iogpu": more.get("limit", "0\n")} | MAC | more.get("answers", {}))
    return Surroundings("darwin", tmp_path, run, no_module, {})


def test_apple(tmp_path):
    detected = detect(mac(tmp_path))
    (gpu,) = detected.gpus
    assert (gpu.card_id, gpu.cores, gpu.total_bytes) == ("m3-max-30", 30, 64 * GIB)
    assert detected.host.memory_available == 1024 * 16384
    card = detected_machine(detected).devices[0]
    assert (card.id, card.marketed_memory) == ("m3-max-30-64gb", 64 * GIB)
    assert card.usable_bytes == 48 * GIB


def test_apple_limit_set_by_hand(tmp_path):
    card = detected_machine(detect(mac(tmp_path, limit="57344\n"))).devices[0]
    assert (card.usable_bytes, card.usable_basis) == (56 * GIB, "measured")


CGROUPS = [
    ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": str(8 * GIB)}, 8 * GIB),
    (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/memory.max": str(8 * GIB),
            "sys/fs/cgroup/a/b/memory.max": str(4 * GIB),
            "sys/fs/cgroup/a/b/memory.current": str(GIB),
        },
        4 * GIB,
    ),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max"}, None),
    ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None),
    ({"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB)}, 2 * GIB),
    ({"sys/fs/cgroup/memory.max": str(1024 * GIB)}, None),
    ({"proc/self/cgroup": "0::/../../etc\n", "etc/memory.max": "1"}, None),
    (
        {
            "proc/self/cgroup": "4:cpu,memory:/docker/x\n",
            "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": str(3 * GIB),
        },
        3 * GIB,
    ),
]


@pytest.mark.parametrize(("files", "limit"), CGROUPS)
def test_control_group_limit(tmp_path, files, limit):
    host = detect(linux(tmp_path, files)).host
    assert host.memory_limit == limit
    if limit is not None:
        assert host.memory_usable == limit - (host.memory_in_group or 0)


FAILURES = [
    RuntimeError("driver/library version mismatch"),
    subprocess.TimeoutExpired("tool", 5),
    subprocess.CalledProcessError(9, "tool"),
    PermissionError("denied"),
    KeyError("amdsmi"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
]


@pytest.mark.parametrize("system", ["linux", "darwin", "win32", "plan9"])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_failing_probe_never_raises(tmp_path, system, failure):
    def fail(_):
        raise failure

    root = write(tmp_path, AMD_FILES)
    detected = detect(Surroundings(system, root, fail, fail, {}))
    assert any("NVML: " in note for note in detected.notes)
    assert any("nvidia-smi: " in note for note in detected.notes)
    assert all("\n" not in note for note in detected.notes)
    assert doctor_lines(detected)
    json.dumps(detected.to_dict())


@pytest.mark.parametrize("text", ["", "\0\0", "a,b", "0,,,,,,,\n", "0, x\n", "{}", "[1]", '{"a'])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_nonsense_from_every_tool_never_raises(tmp_path, system, text):
    root = write(tmp_path, AMD_FILES | {"proc/meminfo": text, "proc/self/cgroup": text})
    detected = detect(Surroundings(system, root, lambda _: text, no_module, {}))
    assert doctor_lines(detected)
    json.dumps(detected.to_dict())


def test_masks_are_noted(tmp_path):
    around = linux(tmp_path, run=smi(), environ={"CUDA_VISIBLE_DEVICES": "1"})
    assert any("CUDA_VISIBLE_DEVICES='1' hides" in note for note in detect(around).notes)


def test_bounded_gives_up():
    gate = threading.Event()
    with pytest.raises(TimeoutError, match="no answer within"):
        bounded(lambda: gate.wait(30), seconds=0.05)
    gate.set()
    assert bounded(lambda: 3) == 3
    with pytest.raises(KeyError):
        bounded(lambda: {}["x"])


def test_small_tools():
    assert [whole(text) for text in ("12", " 7 ", "", None, "-1", "1.5", "٣", "9" * 30)] == [
        12,
        7,
        *[None] * 6,
    ]
    assert describe(FileNotFoundError("x")) == "not found"
    assert describe(ValueError()) == "ValueError"
    with pytest.raises(FileNotFoundError):
        run_command(["no-such-program-of-weighbridge"])


def test_this_machine():
    detected = detect()
    assert detected.host.python
    assert doctor_lines(detected)
    json.dumps(detected.to_dict())
