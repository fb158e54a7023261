"""What one measurement asks: plain values by name, checked, each named as in a plan's request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.measure.record import KINDS
from weighbridge.options import Option, read_value

FORMATS = ("bf16", "fp16", "fp32", "int8", "nf4", "nf4-dq")
PLAIN = ("bf16", "fp16", "fp32")
ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2")
METHODS = ("full", "lora")
OPTIMIZERS = ("adamw", "adamw-foreach", "adamw-loop", "sgd", "sgd-momentum", "muon")
FRAMEWORKS = ("torch", "transformers", "accelerate", "peft", "bitsandbytes")
DIRECTIONS = ("device", "to-device", "from-device")
DEVICES = ("auto", "cuda", "mps", "cpu")

MODEL = Option("model", "a catalogue name, a config.json or a folder; weights are random")
WEIGHTS = Option("weights", "format of the weights", "FORMAT", choices=FORMATS)
ATTENDS = Option("attn_implementation", "attention of Transformers", "NAME", choices=ATTENTION)
DEVICE = Option("device", "where it runs; auto is the accelerator if there is one", "NAME",
                choices=DEVICES)  # fmt: skip
# Each kind of point: its options with their defaults; None must be given.
SCHEMAS: dict[str, dict[str, tuple[Option, Any]]] = {
    "inference": {
        "model": (MODEL, None),
        "weights": (WEIGHTS, "bf16"),
        "concurrency": (
            Option("concurrency", "sequences at once", "N", ("--batch",), kind="count"),
            1,
        ),
        "input_tokens": (
            Option("input_tokens", "tokens of the prompt", "TOKENS", ("--isl",), kind="count"),
            512,
        ),
        "output_tokens": (
            Option("output_tokens", "tokens generated", "TOKENS", ("--osl",), kind="count"),
            16,
        ),
        "attn_implementation": (ATTENDS, "auto"),
        "device": (DEVICE, "auto"),
    },
    "training": {
        "model": (MODEL, None),
        "precision": (Option("precision", "type of weights", "TYPE", choices=PLAIN), "bf16"),
        "method": (Option("method", "what is trained", "NAME", choices=METHODS), "full"),
        "optimizer": (Option("optimizer", "optimizer", "NAME", choices=OPTIMIZERS), "adamw"),
        "micro_batch": (Option("micro_batch", "sequences of a step", "N", kind="count"), 1),
        "seq_len": (Option("seq_len", "tokens of a sequence", "TOKENS", kind="count"), 512),
        "checkpointing": (
            Option("checkpointing", "none or full", "NAME", choices=("none", "full")),
            "none",
        ),
        "lora_rank": (Option("lora_rank", "rank of the adapters", "R", kind="count"), 16),
        "attn_implementation": (ATTENDS, "sdpa"),
        "device": (DEVICE, "auto"),
    },
    "context": {
        "framework": (Option("framework", "what is imported", "NAME", choices=FRAMEWORKS), "torch"),
        "product": (Option("product", "with a matrix product", "", kind="flag"), True),
        "device": (DEVICE, "auto"),
    },
    "product": {
        "dtype": (Option("dtype", "type of the matrices", "TYPE", choices=PLAIN), "bf16"),
        "m": (Option("m", "rows of the left matrix", "N", kind="count"), 4096),
        "n": (Option("n", "columns of the right matrix", "N", kind="count"), 4096),
        "k": (Option("k", "the length that is summed over", "N", kind="count"), 4096),
        "device": (DEVICE, "auto"),
    },
    "copy": {
        "bytes": (Option("bytes", "bytes copied", "SIZE", kind="size"), 256 * 2**20),
        "direction": (
            Option("direction", "within the device, to it or from it", "NAME", choices=DIRECTIONS),
            "device",
        ),
        "device": (DEVICE, "auto"),
    },
}
MOST = {"concurrency": 10**5, "input_tokens": 10**8, "output_tokens": 10**6, "micro_batch": 10**5,
        "seq_len": 10**8, "lora_rank": 65536, "m": 10**6, "n": 10**6, "k": 10**6}  # fmt: skip


def make_point(given: Mapping[str, Any]) -> dict[str, Any]:
    """A checked point with every value spelled out; RequestError names what makes no sense."""
    kind = given.get("kind", "inference")
    if kind not in KINDS or not isinstance(kind, str):
        raise RequestError(f"a point's kind is one of {', '.join(KINDS)}, not {str(kind)[:40]!r}")
    schema = SCHEMAS[kind]
    unknown = [name for name in given if name != "kind" and name not in schema]
    if unknown:
        raise RequestError(f"a point of kind {kind} has no {str(unknown[0])[:40]!r}; it has "
                           f"{', '.join(schema)}")  # fmt: skip
    point: dict[str, Any] = {"kind": kind}
    for name, (option, default) in schema.items():
        value = given.get(name)
        value = default if value is None else read_value(option, value)
        if value is None:
            raise RequestError(f"a point of kind {kind} needs {name}")
        if name in MOST and not 1 <= value <= MOST[name]:
            raise RequestError(f"{name} is {value:,}, but must be from 1 to {MOST[name]:,}")
        point[name] = value
    return point


def size_of(point: Mapping[str, Any], parameters: int) -> float:
    """How much a point asks of the machine, for an order: larger is harder."""
    kind = point["kind"]
    if kind == "product":
        return 2.0 * int(point["m"]) * int(point["n"]) * int(point["k"])
    if kind == "copy":
        return float(point["bytes"])
    if kind == "context":
        return 1.0
    if kind == "training":
        rows = point["micro_batch"] * point["seq_len"]
        return 3.0 * parameters * int(rows) * (2 if point["method"] == "full" else 1)
    rows = point["concurrency"] * (point["input_tokens"] + point["output_tokens"])
    return float(parameters * rows)
