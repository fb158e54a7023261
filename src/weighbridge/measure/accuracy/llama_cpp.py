"""llama.cpp: its own answers and published logs, beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate, describe
from weighbridge.engine.llama_cpp.settings import Settings, settle
from weighbridge.engine.llama_cpp.versions import NEWEST, parse_version
from weighbridge.engine.llama_cpp.weights import weigh
from weighbridge.errors import InputError
from weighbridge.measure.accuracy.truth import json_rows
from weighbridge.model.config import Config
from weighbridge.model.facts import Model
from weighbridge.model.families import read_model
from weighbridge.model.load import load_model
from weighbridge.request import Deployment
from weighbridge.units import MIB

CLOSE = 0.05
ENDLESS = 2**62
FLASH = {-1: "auto", 0: "off", 1: "on"}


@cache
def model_of(name: str) -> Model:
    """A model of the catalogue, or of a config beside the truth."""
    for row in json_rows("engines_alone_configs.jsonl"):
        if row["model"] == name:
            return read_model(Config(row["config"], name))
    return load_model(name)


@cache
def described(name: str, weights: str) -> Described:
    """A model with its layers read once; sizes of weights do not matter to the other buffers."""
    model = model_of(name)
    try:
        return describe(model, weigh(model, weights))
    except InputError:
        return describe(model, weigh(model, "fp16"))


def settings(model: Model, asked: Mapping[str, Any], version: str | None = None) -> Settings:
    """The library's settings under these of llama.cpp."""
    taken = ("ubatch_size", "cache_type_k", "cache_type_v", "kv_unified", "swa_full")
    own = {name: asked[name] for name in taken if name in asked}
    own = {k: bool(v) if k in {"kv_unified", "swa_full"} else v for k, v in own.items()}
    flash = asked.get("flash_attn", -1)
    own |= {"flash_attn": FLASH.get(flash, flash), "program": "library", "fit": "off",
            "ctx_size": asked["ctx_size"], "no_kv_offload": not asked.get("kv_offload", 1),
            "n_gpu_layers": str(min(asked.get("n_gpu_layers", 0), 999))}  # fmt: skip
    deployment = Deployment(
        engine="llama.cpp",
        max_num_seqs=asked.get("parallel", 1),
        max_num_batched_tokens=asked.get("batch_size"),
        own=own,
    )
    at = parse_version(version) if version else NEWEST
    assert at is not None
    found = settle(deployment, model, at, asked["ctx_size"], 1)
    return found._replace(outputs=asked.get("outputs", 0), snapshots=asked.get("draft_max", 0))


class Oracle(NamedTuple):
    """A row of llama.cpp's own answers: (context, compute) of host and device, beside ours."""

    row: dict[str, Any]
    said: tuple[int, ...]
    ours: tuple[int, ...]

    @property
    def context(self) -> bool:
        """Whether caches and states agree to the byte."""
        return self.said[::2] == self.ours[::2]

    @property
    def exact(self) -> bool:
        """Whether compute buffers do."""
        return self.said[1::2] == self.ours[1::2]

    @property
    def close(self) -> bool:
        """Whether they agree within 5 %."""
        pairs = zip(self.said[1::2], self.ours[1::2], strict=True)
        return all(abs(ours - said) <= CLOSE * said for said, ours in pairs)


def oracle_rows() -> list[dict[str, Any]]:
    """What llama.cpp itself said."""
    return json_rows("llamacpp_oracle.jsonl.gz")


def ask_oracle(row: dict[str, Any]) -> Oracle:
    """Our buffers for a row."""
    found = described(row["model"], "auto")
    gpus = [Gpu("RPC", "RPC0", ENDLESS)] if "device" in row else []
    buffers = allocate(found, settings(found.model, row["asked"]), gpus)
    places = [*(range(len(gpus))), len(gpus)]
    ours = [value for at in places for value in (_context(buffers, at), buffers.compute[at])]
    return Oracle(row, (*row.get("device", ()), *row["host"]), tuple(ours))


def _context(buffers: Buffers, device: int) -> int:
    return buffers.cache[device] + buffers.state[device]


class Logged(NamedTuple):
    """A buffer of a log: its row, its name, what was printed and ours, in MiB."""

    row: dict[str, Any]
    what: str
    said: float
    ours: float
    digit: float

    @property
    def error(self) -> float:
        """Relative, nothing within the printed digits."""
        return 0.0 if abs(self.ours - self.said) <= self.digit else self.ours / self.said - 1


def log_rows() -> list[dict[str, Any]]:
    """Published logs."""
    return json_rows("llamacpp_inference.jsonl")


def ask_log(row: dict[str, Any]) -> Iterator[Logged]:
    """KV, state and compute buffers of a log beside ours."""
    found = described(row["model"], row["weights"])
    asked = {**row, "n_gpu_layers": 999, "flash_attn": row["flash_attn"]}
    asked |= {"cache_type_k": row["cache_type"], "cache_type_v": row["cache_type"]}
    try:
        chosen = settings(found.model, asked, row["version"])
    except InputError:
        asked["cache_type_v"] = "f16"
        chosen = settings(found.model, asked, row["version"])
    kind = "Metal" if row["gpu"] == "Metal" else "ROCm" if "RX" in (row["gpu"] or "") else "CUDA"
    gpus = [Gpu(kind, f"{kind}{n}", ENDLESS >> 8) for n in range(row["gpus"])]
    buffers = allocate(found, chosen, gpus)
    kept = row["kv_mib"]
    digit = sum(0.5 if float(v) == int(v) and row["id"].startswith("llamacpp-tk") else 0.055
                for v in kept.values())  # fmt: skip
    yield Logged(row, "KV", sum(kept.values()), sum(buffers.cache) / MIB, digit)
    if "state_mib" in row:
        yield Logged(row, "state", row["state_mib"], sum(buffers.state) / MIB, 0.01)
    names = {gpu.name: index for index, gpu in enumerate(gpus)}
    names |= {"Metal": 0, "CUDA_Host": len(gpus), "Host": len(gpus), "CPU": len(gpus)}
    for name, said in row.get("compute_mib", {}).items():
        if name in names:
            yield Logged(row, f"{name} compute", said, buffers.compute[names[name]] / MIB, 0.0101)


def known(row: dict[str, Any]) -> bool:
    """Whether the log says how layers and tensors were placed."""
    return bool(row.get("placement_known", True))


@cache
def oracle() -> tuple[Oracle, ...]:
    """Every answer of llama.cpp beside ours."""
    return tuple(map(ask_oracle, oracle_rows()))


@cache
def logged() -> tuple[Logged, ...]:
    """Every buffer of every log beside ours."""
    return tuple(each for row in log_rows() for each in ask_log(row))
