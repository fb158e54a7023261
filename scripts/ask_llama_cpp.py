"""Ask the real llama.cpp and compare: ``python -m scripts.ask_llama_cpp``.

Models of the catalogue are written as GGUF files without data, llama.cpp lays them out without
allocating, and every buffer line is set beside our prediction. KV, state and output buffers must
agree to the printed digits, compute buffers within 5 %; one that does not ends the run with 1.
Needs ``requirements/oracle.txt``; with ``CMAKE_ARGS=-DGGML_RPC=ON`` also the split between a device
and the host.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scripts.llama_cpp_files import ROWS, Row, make
from scripts.llama_cpp_oracle import Answer, LlamaCpp, load_rpc
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, allocate, describe
from weighbridge.engine.llama_cpp.settings import Settings, settle
from weighbridge.engine.llama_cpp.versions import NEWEST
from weighbridge.engine.llama_cpp.weights import weigh
from weighbridge.model.facts import Model
from weighbridge.request import Deployment
from weighbridge.units import MIB

KEPT = {
    "KV": re.compile(r"llama_kv_cache: size = +([\d.]+) MiB"),
    "state": re.compile(r"llama_memory_recurrent: size = +([\d.]+) MiB"),
}
TOLERANCE = 0.05
DEVICE = Gpu("RPC", "RPC0", 2**62)
GRID: tuple[dict[str, Any], ...] = (
    {},
    {"ctx_size": 32768, "outputs": 1},
    {"ctx_size": 131072, "outputs": 1},
    {"ubatch_size": 128, "outputs": 1},
    {"ubatch_size": 2048, "outputs": 4},
    {"parallel": 4, "outputs": 4},
    {"parallel": 4, "kv_unified": True, "outputs": 4},
    {"flash_attn": "off", "outputs": 1},
    {"swa_full": True, "outputs": 1},
    {"cache_type_k": "q8_0", "cache_type_v": "q8_0", "outputs": 1},
    {"cache_type_k": "f16", "cache_type_v": "q4_0", "outputs": 1},
)
ON_DEVICE: tuple[dict[str, Any], ...] = (
    {"n_gpu_layers": 99},
    {"n_gpu_layers": 99, "outputs": 1},
    {"n_gpu_layers": 99, "outputs": 4, "parallel": 4, "kv_unified": True, "ctx_size": 32768},
    {"n_gpu_layers": 99, "flash_attn": "off", "outputs": 1},
    {"n_gpu_layers": 99, "cache_type_k": "q8_0", "cache_type_v": "q8_0", "outputs": 1},
    {"n_gpu_layers": 99, "no_kv_offload": True, "outputs": 1},
    {"n_gpu_layers": 10, "outputs": 1},
    {"n_gpu_layers": 1, "outputs": 1},
)
# Points that are known to differ: printed, not counted. States in host memory are worked on there
# by more operations than we place there; a hybrid's free blocks fall otherwise in one case.
WITHOUT = {"n_gpu_layers": 99, "no_kv_offload": True, "outputs": 1}
KNOWN: dict[str, tuple[dict[str, Any], ...]] = {
    **dict.fromkeys(("deepseek2", "mamba2", "qwen3next", "lfm2", "jamba"), (WITHOUT,)),
    "granitehybrid": (WITHOUT, {"n_gpu_layers": 99}),
    "falcon-h1": (WITHOUT, {"n_gpu_layers": 10, "outputs": 1}),
}


class Line(NamedTuple):
    """A buffer as llama.cpp printed it, and ours, both in MiB."""

    what: str
    said: float
    ours: float

    @property
    def error(self) -> float:
        """Relative to what was said, nothing below half a printed digit."""
        if abs(self.ours - self.said) <= 0.0101:
            return 0.0
        return self.ours / self.said - 1 if self.said else 1.0

    @property
    def wrong(self) -> bool:
        """Whether it is further off than it may be."""
        return abs(self.error) > (TOLERANCE if "compute" in self.what else 0.0)


def settings_for(asked: dict[str, Any], model: Model) -> Settings:
    """Our settings for the library under these of llama.cpp."""
    own = {k: v for k, v in asked.items() if k not in {"parallel", "outputs"}}
    own |= {"program": "library", "fit": "off", "ctx_size": asked["ctx_size"]}
    own["n_gpu_layers"] = str(asked.get("n_gpu_layers", 0))
    deployment = Deployment(engine="llama.cpp", max_num_seqs=asked.get("parallel", 1), own=own)
    found = settle(deployment, model, NEWEST, asked["ctx_size"], 1)
    return found._replace(outputs=asked.get("outputs", 0))


def compare(answer: Answer, buffers: Buffers) -> Iterator[Line]:
    """Every buffer line beside ours."""
    host = buffers.placement.host
    for what, pattern in KEPT.items():
        said = sum(float(size) for size in pattern.findall(answer.log))
        sizes = buffers.cache if what == "KV" else buffers.state
        yield Line(what, said, sum(sizes) / MIB)
    yield Line("output", answer.sizes.get(("CPU", "output"), 0.0), buffers.output / MIB)
    for index, name in enumerate([*(["RPC0"] if host else []), "CPU"]):
        said = answer.sizes.get((name, "compute"), 0.0)
        yield Line(f"{name} compute", said, buffers.compute[index] / MIB)


def ask(
    oracle: LlamaCpp, path: Path, described: Described, asked: dict[str, Any]
) -> list[Line] | None:
    """The lines of one point; None where llama.cpp refused."""
    answer = oracle.ask(path, **asked)
    if answer.refused:
        return None
    gpus = [DEVICE] if asked.get("n_gpu_layers") else []
    buffers = allocate(described, settings_for(asked, described.model), gpus)
    return list(compare(answer, buffers))


def ask_all(oracle: LlamaCpp, row: Row, folder: Path) -> Result:
    """Every point of the grid of one architecture."""
    path, model = make(row, folder)
    described = describe(model, weigh(model, "fp16"))
    result = Result(row.architecture, [], 0)
    for asked in [*GRID, *(ON_DEVICE if load_rpc() is not None else ())]:
        lines = ask(oracle, path, described, {"ctx_size": 8192, "n_gpu_layers": 0, **asked})
        result = result._replace(points=result.points + (lines is not None))
        result.lines.extend((asked, line) for line in lines or [])
    return result


class Result(NamedTuple):
    """The lines of one architecture, each with what was asked."""

    architecture: str
    lines: list[tuple[dict[str, Any], Line]]
    points: int

    @property
    def exact(self) -> int:
        """Lines that agree to the printed digits."""
        return sum(line.error == 0 for _, line in self.lines)

    @property
    def wrong(self) -> int:
        """Lines further off than they may be, those known to be left out; 1 without lines."""
        known = KNOWN.get(self.architecture, ())
        return sum(line.wrong for asked, line in self.lines if asked not in known) + (
            not self.lines
        )

    def print(self, *, every: bool) -> None:
        """The row of the table, and the lines that differ."""
        worst = max((abs(line.error) for _, line in self.lines), default=1.0)
        print(f"{self.architecture:16}{self.points:7}{len(self.lines):7}{self.exact:7}{worst:9.1%}")
        for asked, line in self.lines:
            if line.wrong or (every and line.error):
                word = " (known)" if asked in KNOWN.get(self.architecture, ()) else ""
                print(f"    {asked} {line.what}: {line.said:.2f}, ours {line.ours:.2f}{word}")


def main() -> int:
    """Print the table; 1 where anything is further off than it may be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("architectures", nargs="*", help="only these, such as gemma3 llama4")
    chosen = parser.parse_args().architectures
    oracle = LlamaCpp(devices=1 if load_rpc() is not None else 0)
    print(f"{'architecture':16}{'points':>7}{'lines':>7}{'exact':>7}{'worst':>9}")
    results = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for row in ROWS:
                if not chosen or row.architecture in chosen:
                    results.append(ask_all(oracle, row, Path(folder)))
                    results[-1].print(every=bool(chosen))
    finally:
        oracle.close()
    wrong = sum(result.wrong for result in results)
    exact, lines = sum(r.exact for r in results), sum(len(r.lines) for r in results)
    print(f"{exact} of {lines} lines exact to the printed digits, {wrong} beyond tolerance")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
