"""Fixed costs and efficiencies of single kernels, from microbenchmarks (``kernels.jsonl``).

Each row is a fit ``seconds + bytes / (efficiency × bandwidth)`` to thousands of measured launches
of one kind of kernel: aiconfigurator's collected tables (Apache-2.0, repository @095f58a5), medians
over cards of a generation, the newest version of each engine; mixtures under power-law routing.
Fits that hold the launch time of the benchmark itself (over 45 µs) or that read faster than the
memory are left out, and another engine's kernel stands in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from os.path import dirname, join
from typing import NamedTuple

from weighbridge.formats.format import StorageFormat
from weighbridge.hardware.card import Card

GENERATIONS = {
    "Ampere": "ampere",
    "Ada Lovelace": "ada",
    "Hopper": "hopper",
    "Blackwell": "blackwell",
    "Blackwell Ultra": "blackwell",
    "Blackwell 2.0": "blackwell-rtx",
}
_KIN = {"transformers": "vllm"}
_TABLE = join(dirname(__file__), "kernels.jsonl")


class Kernel(NamedTuple):
    """A kernel's fixed seconds, and the part of the bandwidth that it reaches on large tensors."""

    seconds: float
    efficiency: float


FREE = Kernel(0.0, 1.0)


class KernelSet(NamedTuple):
    """The kernels of a decode step: 16-bit and quantized matrices, experts, attention.

    ``linear`` and ``expert`` are the types whose arithmetic rates count.
    """

    plain: Kernel
    quantized: Kernel
    mixture: Kernel
    attention: Kernel
    linear: str
    expert: str


@cache
def _rows() -> dict[tuple[str, str, str, str], Kernel]:
    with open(_TABLE, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {
        (r["kernel"], r["generation"], r["engine"], r["dtype"]): Kernel(
            r["seconds"], r["efficiency"]
        )
        for r in rows
    }


def generation_of(card: Card) -> str:
    """The generation whose kernels a card runs; empty where none was measured."""
    return GENERATIONS.get(card.architecture or "", "")


def kernels_of(engine: str, card: Card, storage: StorageFormat, cache_bytes: float) -> KernelSet:
    """The kernels that ``engine`` runs on ``card`` for weights in ``storage``.

    An engine without measured kernels gets free ones, and its own constants say the rest.
    """
    generation = generation_of(card)
    linear, expert = dtypes_of(storage, generation)
    engine = _KIN.get(engine, engine)
    if not generation or not any(key[2] == engine for key in _rows()):
        return KernelSet(FREE, FREE, FREE, FREE, linear, expert)
    return KernelSet(
        _find("gemm", generation, engine, "bf16"),
        _find("gemm", generation, engine, linear),
        _find("moe", generation, engine, expert),
        _find("attention", generation, engine, "fp8" if cache_bytes < 2 else "bf16"),
        linear,
        expert,
    )


def dtypes_of(storage: StorageFormat, generation: str) -> tuple[str, str]:
    """The kernel types of linear layers and of experts for a storage format."""
    name = storage.name.removesuffix("-experts")
    linear, _, mixed = name.partition("+")
    expert = _dtype(mixed or linear, storage.value_bits, generation)
    rest = mixed or storage.touches == frozenset({"expert"})
    plain = "bf16" if rest and not mixed else _dtype(linear, storage.value_bits, generation)
    return plain, expert


def _dtype(name: str, bits: int, generation: str) -> str:
    if "nvfp4" in name:
        return "nvfp4"
    if "mxfp4" in name:
        return "w4a8-mxfp4-mxfp8" if generation.startswith("blackwell") else "w4a16-mxfp4"
    if "fp8-block" in name:
        return "fp8-block"
    if "fp8" in name or name in {"w8a8", "mxfp8"}:
        return "fp8"
    if name in {"bf16", "fp16", "fp32"}:
        return "bf16"
    return "int4-wo" if bits < 16 else "bf16"


def _find(kernel: str, generation: str, engine: str, dtype: str) -> Kernel:
    rows = _rows()
    for key in _choices(kernel, generation, engine, dtype):
        if key in rows:
            return rows[key]
    return FREE


def _choices(
    kernel: str, generation: str, engine: str, dtype: str
) -> Iterator[tuple[str, str, str, str]]:
    """The kernel itself; then another engine's, another generation's, and the 16-bit one."""
    engines = (engine, "tensorrt-llm", "sglang", "vllm")
    for each in engines:
        yield kernel, generation, each, dtype
    if dtype == "fp8":
        for each in engines:
            yield kernel, generation, each, "fp8-block"
    for other in ("hopper", "blackwell"):
        for each in engines:
            yield kernel, other, each, dtype
    if dtype == "w4a8-mxfp4-mxfp8":
        yield kernel, generation, engine, "w4a16-mxfp4"
    for each in engines:
        yield kernel, generation, each, "bf16"
