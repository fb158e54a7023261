"""A point → its record: asks a clean process, adds the machine, and keeps what went wrong too."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.measure.lab.process import Failure, RunFailed, ask, require, write_random
from weighbridge.measure.points import PLAIN
from weighbridge.measure.record import Quantity, Record
from weighbridge.term import Term

REPEATS, SECONDS = 3, 1800
UNITS = {"seconds": "s", "rate": "tokens/s", "product_rate": "FLOP/s", "copy_rate": "bytes/s"}
SOURCE = "one process of its own, weights at random"
Heard = Callable[[Mapping[str, Any]], None]


def take(
    point: Mapping[str, Any],
    *,
    repeats: int = REPEATS,
    seconds: float = SECONDS,
    threads: int = 0,
    heard: Heard | None = None,
) -> Record:
    """The record of a point, also of one that fails; RequestError where it cannot be asked."""
    require()
    if not 1 <= repeats <= 100:
        raise RequestError(f"repeats is {repeats}, but must be from 1 to 100")
    message: dict[str, Any] = {"what": "measure", "point": dict(point), "repeats": repeats,
                               "threads": threads}  # fmt: skip
    if "model" in point:
        from weighbridge.model.raw import raw_config

        message["config"] = raw_config(point["model"])
    found = _asked(message, seconds, heard)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    if isinstance(found, Failure):
        failed = {"what": found.what, "message": found.message}
        return Record(dict(point), machine_of(point, {}), {}, repeats=repeats, failed=failed,
                      when=when)  # fmt: skip
    return record_of(point, found, repeats, when)


def _asked(
    message: dict[str, Any], seconds: float, heard: Heard | None
) -> dict[str, Any] | Failure:
    """What the point's process says; weights that are quantized from files are written before."""
    if message["point"].get("weights", "bf16") in PLAIN:
        return ask(message, seconds=seconds, heard=heard)
    from weighbridge.model.load import load_model

    start, dtype = time.monotonic(), load_model(message["point"]["model"]).dtype
    with tempfile.TemporaryDirectory(prefix="weigh-measure-") as folder:
        failed = write_random(message["config"], dtype, folder, seconds=seconds, heard=heard)
        left = seconds - (time.monotonic() - start)
        return failed or ask({**message, "folder": folder}, seconds=left, heard=heard)


def record_of(
    point: Mapping[str, Any], found: Mapping[str, Any], repeats: int, when: str = ""
) -> Record:
    """The record of what a process saw."""
    return Record(
        dict(point),
        machine_of(point, found["machine"]),
        {str(k): str(v) for k, v in found["versions"].items()},
        (*map(term_of, found["terms"]), *derived(found)),
        tuple(quantity_of(each) for each in found["quantities"] if each["values"]),
        repeats,
        None,
        tuple(found["notes"]),
        float(found["seconds"]),
        when,
    )


def machine_here(device: str = "auto") -> dict[str, Any]:
    """The machine as a process of ours sees it, for the keys of a campaign's points."""
    require()
    found = ask({"what": "machine", "device": device}, seconds=120)
    if isinstance(found, Failure):
        raise RunFailed(f"PyTorch cannot be started here: {found.message}")
    return machine_of({"device": device}, found["machine"])


@cache
def _detected() -> Any:
    from weighbridge.hardware.detect import detect

    return detect()


def machine_of(point: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What it ran on, without a name of the computer or a path."""
    here = _detected()
    device = found.get("device") or expected_device(point)
    gpu = here.gpus[0] if here.gpus and device != "cpu" else None
    return {
        "device": device,
        "card": found.get("card", gpu.name if gpu else None),
        "memory": found.get("memory", gpu.total_bytes if gpu else None),
        "driver": here.driver if gpu else None,
        "threads": found.get("threads"),
        "host": {
            "system": here.host.system,
            "architecture": here.host.architecture,
            "cpu": here.host.cpu,
            "cpu_count": here.host.cpu_count,
            "memory_total": here.host.memory_total,
        },
    }


def machine_of_run(found: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a run, which names no device."""
    return machine_of({"device": found["device"]}, found)


def expected_device(point: Mapping[str, Any]) -> str:
    """The kind of device that a point will run on, before it has."""
    vendors = {gpu.vendor for gpu in _detected().gpus}
    wanted = str(point["device"])
    if wanted in {"auto", "cuda"} and "NVIDIA" in vendors:
        return "cuda"
    if wanted in {"auto", "cuda"} and "AMD" in vendors:
        return "rocm"
    if wanted in {"auto", "mps"} and "Apple" in vendors:
        return "mps"
    return "cpu"


def term_of(each: Mapping[str, Any]) -> Term:
    """A term as the child says it: seen once, so that its bounds are itself."""
    size = int(each["bytes"])
    return _term(each["name"], each["phase"], size, size, size, each["formula"])


def _term(name: str, phase: Any, size: int, low: int, high: int, formula: str) -> Term:
    return Term(name, 0, phase, size, low, high, "measured", formula, {}, SOURCE)


def quantity_of(each: Mapping[str, Any]) -> Quantity:
    """A quantity as the child says it."""
    unit = UNITS.get(each["name"], "bytes")
    return Quantity(each["name"], each["phase"], unit, tuple(each["values"]))


def derived(found: Mapping[str, Any]) -> list[Term]:
    """What is left when the tensors are taken from what the process held: context, reserve."""
    seen = {(each["name"], each["phase"]): each["values"] for each in found["quantities"]}
    base = seen.get(("base", "resident"))
    if not base:
        return []
    terms = [_term("context", "resident", base[0], base[0], base[0],
                   "held by the process before it has a model")]  # fmt: skip
    for (name, phase), values in seen.items():
        if phase == "load" or name != _reserved(found):
            continue
        taken = seen.get(("allocated_peak", phase))
        if taken is None:
            live = seen.get(("live_peak", phase))
            taken = [live[0] + base[0]] * len(values) if live else None
        if taken is None:
            continue
        spare = sorted(max(0, int(a - b)) for a, b in zip(values, taken, strict=False))
        terms.append(_term("reserve", phase, spare[len(spare) // 2], spare[0], spare[-1],
                           "the most that was held less the tensors' peak"))  # fmt: skip
    return terms


def _reserved(found: Mapping[str, Any]) -> str:
    return "resident_peak" if found["machine"]["device"] == "cpu" else "reserved_peak"
