"""A run from its request to its result: plan, show what it takes, load, generate, compare."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from weighbridge.engine.storage import ELEMENT
from weighbridge.errors import RequestError
from weighbridge.hardware.host import host_card
from weighbridge.hardware.machine import machine_of
from weighbridge.measure.beside import Row, rows, speed_rows
from weighbridge.measure.lab.process import Failure, RunFailed, ask, require, write_random
from weighbridge.measure.points import PLAIN
from weighbridge.measure.record import Record
from weighbridge.measure.taking import derived, machine_of_run, quantity_of, term_of
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import Plan, plan_request
from weighbridge.run.choose import Choice, Refused, choose
from weighbridge.run.here import Room, free_disk, room_here
from weighbridge.run.source import Source, fetch, source_of
from weighbridge.units import format_bytes

MOST_PROMPT = 1_000_000
Heard = Callable[[Mapping[str, Any]], None]


class Wanted(NamedTuple):
    """What a user asks of a run."""

    model: str
    prompt: str
    max_new_tokens: int = 64
    weights: str = "auto"
    attn_implementation: str = "auto"
    on: str | None = None
    random_weights: bool = False
    trust_remote_code: str | None = None
    chat: bool = False
    sample: bool = False
    seed: int = 0
    stops: bool = True
    timeout: float = 3600.0


class Prepared(NamedTuple):
    """A run that is ready: the choice, where the weights come from, what the machine has."""

    wanted: Wanted
    model: Model
    room: Room
    choice: Choice
    source: Source
    disk_free: int

    @property
    def config(self) -> dict[str, Any] | None:
        """The config.json whose shape gets random weights; None for a checkpoint."""
        if self.source.kind != "random":
            return None
        from weighbridge.model.raw import raw_config

        return raw_config(self.wanted.model)


class RunResult(NamedTuple):
    """What came of a run: text, record, and the plan of what really ran beside it."""

    prepared: Prepared
    text: str
    record: Record
    plan: Plan
    rows: tuple[Row, ...]
    speeds: tuple[tuple[str, float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        choice = self.prepared.choice
        return {
            "schema": 1,
            "model": self.prepared.model.id,
            "weights": self.plan.settings["weights"],
            "placement": choice.placement,
            "tried": [each._asdict() for each in choice.tried],
            "needs": needs_to_dict(self.prepared),
            "text": self.text,
            "record": self.record.to_dict(),
            "beside": [row.to_dict() for row in self.rows],
            "speed": [{"phase": phase, "measured_seconds": seen, "floor_seconds": floor}
                      for phase, seen, floor in self.speeds],
        }  # fmt: skip


def needs_to_dict(ready: Prepared) -> dict[str, Any]:
    """Disk, download and memory before anything is done."""
    return {
        **ready.source.to_dict(),
        "disk_free_bytes": ready.disk_free,
        "memory_bytes": ready.choice.plan.total,
        "memory_free_bytes": sum(card.usable_bytes for card in ready.room.machine.devices),
    }


def prepare(wanted: Wanted, room: Room | None = None) -> Prepared | Refused:
    """Plan first: nothing is loaded, written or downloaded here."""
    if not wanted.prompt or len(wanted.prompt) > MOST_PROMPT:
        raise RequestError("the prompt is empty or longer than a million characters")
    if not 1 <= wanted.max_new_tokens <= 10**6:
        raise RequestError(f"max_new_tokens is {wanted.max_new_tokens:,}, but must be 1 or more")
    room = room_here(wanted.on) if room is None else room
    model = load_model(wanted.model)
    options: dict[str, Any] = {
        "weights": wanted.weights,
        "attn_implementation": wanted.attn_implementation,
        # A token is at least a byte of text, so that no prompt has more.
        "input_tokens": len(wanted.prompt.encode()) + 2,
        "output_tokens": wanted.max_new_tokens if model.generates else 1,
    }
    found = choose(wanted.model, model, room, options)
    if isinstance(found, Refused):
        return found
    stored = model.parameters * ELEMENT[stored_dtype(found)]
    source = source_of(wanted.model, random=wanted.random_weights,
                       trusted=wanted.trust_remote_code, stored=stored)  # fmt: skip
    disk = free_disk(_disk_folder(source))
    if source.disk > disk:
        return Refused(
            f"{source.disk:,} bytes must be written, and the disk has {format_bytes(disk)} free",
            ("free some disk, or set HF_HOME or TMPDIR to a larger one",), found.tried,
        )  # fmt: skip
    return Prepared(wanted, model, room, found, source, disk)


def _disk_folder(source: Source) -> str:
    if source.kind == "random":
        return tempfile.gettempdir()
    home = os.path.join(os.path.expanduser("~"), ".cache", "huggingface")
    return os.environ.get("HF_HOME", home)


def execute(ready: Prepared, heard: Heard | None = None) -> RunResult:
    """Download, load, generate; RunFailed says what went wrong."""
    require()
    if ready.source.kind != "random":
        return _executed(ready, fetch(ready.source), ready.wanted.timeout, heard)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weigh-run-") as folder:
        seconds = ready.wanted.timeout
        failed = write_random(ready.config or {}, stored_dtype(ready.choice), folder,
                              seconds=seconds, heard=heard)  # fmt: skip
        if failed is not None:
            raise RunFailed(f"no random weights were written: {failed.what}: {failed.message}")
        return _executed(ready, folder, seconds - (time.monotonic() - start), heard)


def _executed(ready: Prepared, folder: str, seconds: float, heard: Heard | None) -> RunResult:
    """Load and generate in a process that does nothing else."""
    found = ask(_message(ready, folder), seconds=seconds, heard=heard)
    if isinstance(found, Failure):
        raise RunFailed(f"the run ended: {found.what}: {found.message}")
    return _result(ready, found)


def _message(ready: Prepared, folder: str) -> dict[str, Any]:
    wanted, choice = ready.wanted, ready.choice
    limits = choice.max_memory
    return {
        "what": "run",
        "folder": folder,
        "on_host": ready.room.on_host,
        "compute": choice.plan.settings["activations"],
        "weights": choice.weights,
        "device_map": choice.device_map,
        "max_memory": None if limits is None else {str(k): v for k, v in limits.items()},
        "attention": wanted.attn_implementation,
        "prompt": wanted.prompt,
        "chat": wanted.chat,
        "generates": ready.model.generates,
        "max_new_tokens": wanted.max_new_tokens,
        "sample": wanted.sample,
        "stops": wanted.stops,
        "seed": wanted.seed,
        "trusted": wanted.trust_remote_code is not None,
    }


def stored_dtype(choice: Choice) -> str:
    """The type in which random weights are written: that of the model's own files."""
    own = choice.plan.model.dtype
    return own if own in PLAIN else "bf16"


def _result(ready: Prepared, found: Mapping[str, Any]) -> RunResult:
    plan = _plan_of(ready, found)
    point = {
        "kind": "inference", "model": name_of(ready), "weights": plan.settings["weights"],
        "concurrency": 1, "input_tokens": found["prompt_tokens"],
        "output_tokens": max(found["output_tokens"], 1),
        "attn_implementation": plan.settings["attn_implementation"],
        "device": found["machine"]["device"],
    }  # fmt: skip
    record = Record(
        point,
        machine_of_run(found["machine"]),
        {str(k): str(v) for k, v in found["versions"].items()},
        (*map(term_of, found["terms"]), *derived(found)),
        tuple(quantity_of(each) for each in found["quantities"] if each["values"]),
        1,
        None,
        (*found["notes"], f"weigh run, {ready.choice.placement}"),
        0.0,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
    speeds = tuple(speed_rows(record, plan))
    return RunResult(ready, found["text"], record, plan, tuple(rows(record, plan)), speeds)


def name_of(ready: Prepared) -> str:
    """The model without the path of this machine to it."""
    path = ready.model.id.rstrip("/\\")
    there = os.path.exists(os.path.expanduser(ready.wanted.model))
    return os.path.basename(path) if there else path


def _plan_of(ready: Prepared, found: Mapping[str, Any]) -> Plan:
    """The plan of the tokens that really were, on a host with the rates that were measured."""
    request = ready.choice.plan.request
    workload = request.workload._replace(
        input_tokens=found["prompt_tokens"], output_tokens=max(found["output_tokens"], 1)
    )
    machine, rates = ready.room.machine, found["rates"]
    if rates:
        flops = ((ready.choice.plan.settings["activations"], int(rates["flops"])),)
        card = host_card(machine.devices[0].marketed_memory, bandwidth=int(rates["bandwidth"]),
                         flops=flops)  # fmt: skip
        machine = machine_of([card])
    return plan_request(request._replace(workload=workload), ready.model, machine)
