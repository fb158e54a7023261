"""Every set of rows as figures of one shape; a row of ``SETS`` adds one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from weighbridge.errors import InputError
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.model.load import load_model
from weighbridge.units import GIB, MIB

# What an engine decides and counts, beside sizes: a figure of these is no size.
COUNTED = {"fraction": "share", "sizes": "count", "requests": "count", "slots": "count",
           "tokens": "tokens", "pool": "tokens", "smallest": "share"}  # fmt: skip

PLAIN = {"cell", "rest"}  # bytes as they are, where the other sizes are in GiB


def _of(name: str) -> Any:
    return import_module(f"weighbridge.measure.accuracy.{name}")


@cache
def family_of(model: str) -> str:
    """The family of a model; its name up to the first dash where no catalogue has it."""
    try:
        return load_model(model).family
    except InputError:
        return model.partition("-")[0]


def transformers() -> Iterator[Figure]:
    """Peaks of Transformers, over all cards of a run."""
    module = _of("transformers")
    for row in module.rows():
        if "out_of_scope" not in row:
            found = module.predict(row)
            yield Figure(
                "transformers", row["id"], row["engine"], family_of(row["model"]), row["on"],
                f"peak, {row['quantity']}", "bytes", row["measured_bytes"], found.predicted,
                found.low, found.high, row.get("precision_bytes", 0), use=row["use"],
                source=row["source"],
            )  # fmt: skip


def vllm() -> Iterator[Figure]:
    """Terms and the cache of vLLM's starts, and the integers that follow from its printed GiB."""
    module = _of("vllm")
    found, counts = module.everything()
    for each in found:
        row = each.row
        yield Figure(
            "vllm", row["id"], row["engine"], row.get("family", family_of(row["model"])),
            row.get("on", ""), f"{each.quantity} ({row['settings']})", "bytes",
            each.measured * GIB, each.predicted * GIB, each.low * GIB, each.high * GIB,
            module.HALF_DIGIT * GIB, 0.1 * GIB, row["use"], row["source"],
        )  # fmt: skip
    for each in counts:
        row = each.row
        if each.tokens is not None and "kv_tokens" in row["measured"]:
            printed = row["measured"]["kv_tokens"]
            said = printed if each.exact else each.tokens
            yield Figure(
                "vllm", row["id"], row["engine"], row.get("family", family_of(row["model"])),
                row.get("on", ""), "tokens of the printed GiB", "tokens", printed, said,
                use=row["use"], source=row["source"],
            )  # fmt: skip


def _served(name: str) -> Iterator[Figure]:
    module = _of(name)
    for row in module.rows():
        quantity = row["quantity"]
        unit = COUNTED.get(quantity, "bytes")
        scale = GIB if unit == "bytes" and quantity not in PLAIN else 1
        given = " of given memory" if row.get("given") else ""
        yield Figure(
            name.replace("_", "-"), row["id"], row["engine"], family_of(row["model"]), row["on"],
            quantity + given, unit, row["measured"] * scale,
            module.predict(row).predicted * scale, spare=row.get("precision", 0) * scale,
            use=row["use"], source=row["source"],
        )  # fmt: skip


def sglang() -> Iterator[Figure]:
    """Settings and pools of SGLang's logs."""
    return _served("sglang")


def tensorrt_llm() -> Iterator[Figure]:
    """Quantities of TensorRT-LLM's logs."""
    return _served("tensorrt_llm")


def llama_cpp() -> Iterator[Figure]:
    """What llama.cpp itself answers, and buffers of published logs."""
    module = _of("llama_cpp")
    for found in module.oracle():
        row = found.row
        for place, (said, ours) in enumerate(zip(found.said, found.ours, strict=True)):
            what = "compute, its own answer" if place % 2 else "caches, its own answer"
            yield Figure(
                "llama.cpp", f"oracle {row['model']}", "llama.cpp==0.5.0-dev",
                row["model"].partition(" ")[0], "", what, "bytes", said, ours,
                source="llama.cpp 0.5.0-dev, asked for its own buffers",
            )  # fmt: skip
    for each in module.logged():
        row = each.row
        kind = "compute" if "compute" in each.what else "caches"
        placed = "" if module.known(row) else ", placement not stated"
        yield Figure(
            "llama.cpp", row["id"], f"llama.cpp=={row['version']}", family_of(row["model"]),
            row["gpu"] or "", f"{kind}, logs{placed}", "bytes", each.said * MIB,
            each.ours * MIB, spare=each.digit * MIB, use=row["use"], source=row["source"],
        )  # fmt: skip


def training() -> Iterator[Figure]:
    """Peaks of training on the fullest rank."""
    module = _of("training")
    for row in module.rows():
        if "out_of_scope" not in row:
            found = module.predict(row)
            family = "own config" if "config" in row else family_of(row["model"])
            yield Figure(
                "training", row["id"], str(row["version"]).partition(",")[0], family, row["gpu"],
                f"peak, {row['quantity']}", "bytes", row["measured_bytes"], found.predicted,
                found.low, found.high, row["precision_bytes"], use=row["use"],
                source=row["source"],
            )  # fmt: skip


def speed() -> Iterator[Figure]:
    """Times of servers and of single streams, each predicted without its family or model."""
    found: Iterator[Figure] = _of("speed").figures()
    return found


SETS: dict[str, Callable[[], Iterator[Figure]]] = {
    "transformers": transformers,
    "vllm": vllm,
    "sglang": sglang,
    "tensorrt-llm": tensorrt_llm,
    "llama.cpp": llama_cpp,
    "training": training,
    "speed": speed,
}


def figures_of(names: Sequence[str] = tuple(SETS)) -> list[Figure]:
    """The figures of the sets of these names."""
    return [figure for name in names for figure in SETS[name]()]
