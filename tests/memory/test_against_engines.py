"""Caches, states and quantized tensors against what engines answered, to the byte.

The rows of truth are extracts of what llama.cpp, vLLM's planner and Transformers said of models
that were built without weights. How an engine pads, blocks and rounds is written here; what a
layer remembers comes from our mixers, and what an element takes from our formats.
"""

from __future__ import annotations

import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

import pytest

import gguf_hybrids
import gguf_models
from gguf_files import write
from weighbridge.formats import find_format
from weighbridge.formats.cache import find_cache_format
from weighbridge.formats.layouts import bnb4, bnb4_double
from weighbridge.memory.cache import cache_elements
from weighbridge.model.config import Config
from weighbridge.model.facts import CacheStream, Layer, Model, Parameter
from weighbridge.model.families import read_model
from weighbridge.model.ggml import GGML
from weighbridge.model.load import load_model
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.model.mixers.recurrent import Convolution
from weighbridge.records import replace
from weighbridge.units import ceil_div

TRUTH = Path(__file__).parent.parent / "truth"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (TRUTH / name).read_text(encoding="utf-8").splitlines()]


ROWS = read("engines_alone.jsonl")
CONFIGS = {row["model"]: row["config"] for row in read("engines_alone_configs.jsonl")}


def chosen(engine: str, quantity: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if (row["engine"], row["quantity"]) == (engine, quantity)]


def label(row: dict[str, Any]) -> str:
    keys = ("model", "type", "type_k", "type_v", "n_ctx", "n_seq_max", "n_ubatch", "kv_cache_dtype",
            "unified", "swa_full")  # fmt: skip
    return " ".join(str(row[key]) for key in keys if row.get(key) not in {None, False})


def facts(name: str) -> Model:
    """A model of the catalogue, or of a config beside the truth."""
    if name in CONFIGS:
        return read_model(Config(CONFIGS[name], name))
    for suffix in ("-awq", "-gptq", "-mxfp4"):
        name = name.removesuffix(suffix)
    return load_model(name)


def convolution(layer: Layer) -> Convolution | None:
    return getattr(layer.mixer, "convolution", None)


def recurrent(layer: Layer) -> int:
    return sum(state.elements for state in layer.mixer.state if state.name == "recurrence")


# llama.cpp: cells are padded to 256; a sliding layer keeps its window and one batch.


def padded(tokens: int) -> int:
    return ceil_div(tokens, 256) * 256


def cells(row: dict[str, Any], stream: CacheStream) -> tuple[int, int]:
    """Cells of a layer, and how many times it keeps them."""
    slots, unified = row["n_seq_max"], row["unified"]
    each = padded(row["n_ctx"]) if unified else padded(row["n_ctx"] // slots)
    if stream.window is not None and not row["swa_full"]:
        batch = min(row["n_ubatch"], each if unified else each * slots)
        each = min(each, padded(stream.window * (slots if unified else 1) + batch))
    return each, 1 if unified else slots


def llama_cpp(row: dict[str, Any], model: Model) -> int:
    total = 0
    for layer, count in model.layer_groups():
        for stream in layer.mixer.cache:
            keys = stream.width
            if not isinstance(layer.mixer, LatentAttention):
                keys = layer.mixer.key_width
            each, times = cells(row, stream)
            parts = ((row["type_k"], keys), (row["type_v"], stream.width - keys))
            for kind, width in parts:
                total += count * times * find_cache_format(kind).bytes_of(each * width)
        before = convolution(layer)
        held = (before.elements_before if before else 0) + recurrent(layer)
        total += count * row["n_seq_max"] * held * 4
    return total


@pytest.mark.parametrize("row", chosen("llama.cpp", "cache_and_state"), ids=label)
def test_llama_cpp_keeps_what_our_mixers_say(row: dict[str, Any]) -> None:
    assert llama_cpp(row, facts(row["model"])) == row["bytes"]


HEADERS = {
    "gemma-3-27b": gguf_models.gemma3_27b,
    "gpt-oss-20b": gguf_models.gpt_oss_20b,
    "granite-4.0-h-tiny": gguf_hybrids.granite_40_h_tiny,
    "llama-4-scout": gguf_hybrids.llama_4_scout,
    "mamba2-2.7b": gguf_hybrids.mamba2_27b,
    "qwen3-next-80b-a3b": gguf_hybrids.qwen3_next_80b,
}


@pytest.mark.parametrize("name", HEADERS)
def test_llama_cpp_keeps_what_the_header_of_a_file_says(tmp_path: Path, name: str) -> None:
    model = load_model(str(write(tmp_path / "model.gguf", *HEADERS[name]())))
    rows = [row for row in chosen("llama.cpp", "cache_and_state") if row["model"] == name]
    assert [llama_cpp(row, model) for row in rows] == [row["bytes"] for row in rows]
    assert len(rows) == 11


# vLLM: what each kind of layer takes per token, or per sequence.


def spec_of(layer: Layer, size: int) -> tuple[Any, ...]:
    if layer.mixer.state:
        before = convolution(layer)
        return ("state", before.elements_before if before else 0, recurrent(layer))
    (stream,) = layer.mixer.cache
    return ("cache", stream.width * size, stream.window)


def spec_from(found: dict[str, Any]) -> tuple[Any, ...]:
    if found["kind"] == "state":
        return ("state", *map(prod, found["shapes"]))
    return ("cache", found["bytes_per_token"], found["window"])


@pytest.mark.parametrize("row", chosen("vllm", "layers"), ids=label)
def test_vllm_plans_for_what_our_mixers_say(row: dict[str, Any]) -> None:
    size = 1 if row["kv_cache_dtype"] == "fp8" else 2
    ours: Counter[tuple[Any, ...]] = Counter()
    model = facts(row["model"])
    for layer, count in model.layer_groups():
        ours[spec_of(layer, size)] += count
    theirs: Counter[tuple[Any, ...]] = Counter()
    for found in row["layers"]:
        theirs[spec_from(found)] += found["layers"]
    assert ours == theirs
    if row["model"].rpartition("-")[2] not in {"awq", "gptq", "mxfp4"}:  # packed values count less
        # The routers' correction biases are buffers to us and parameters to vLLM.
        assert model.parameters + row.get("buffers", 0) == row["parameters"]


# Transformers: a sliding layer keeps one position less than its window.


def kept(stream: CacheStream, tokens: int) -> int:
    return tokens if stream.window is None else min(tokens, stream.window - 1)


@pytest.mark.parametrize("row", chosen("transformers", "cache"), ids=label)
def test_transformers_holds_what_our_mixers_say(row: dict[str, Any]) -> None:
    model = facts(row["model"])
    held = []
    for layer in model.layers:
        cached = 2 * cache_elements([(layer, 1)], row["positions"], kept=kept)
        states = sum(
            state.elements * (4 if state.precision == "fp32" else 2) for state in layer.mixer.state
        )
        held.append(row["batch"] * (cached + states))
    assert [each for each in held if each] == [each for each in row["layer_bytes"] if each]
    assert row["parameters"] in {None, model.parameters}


# Quantized tensors.


@pytest.mark.parametrize("row", chosen("transformers", "quantized"), ids=label)
def test_a_quantized_tensor_takes_what_the_library_made(row: dict[str, Any]) -> None:
    shape = (row["rows"], row["columns"])
    wide = row.get("meta_bytes", 0) // 2  # the quantizer's are in fp32, a loaded layer's in 16 bit
    if row["format"] is None:
        layout = bnb4_double if "dq=True" in row["model"] else bnb4
        assert layout(row["block"])(*shape) == row["bytes"]
        return
    weight = Parameter("layers.0.self_attn.o_proj.weight", shape, "linear")
    assert find_format(row["format"]).bytes_of(weight) == row["bytes"] - wide


# GGUF files that llama.cpp read: every matrix in one type, vectors and routers in fp32.


def ggml_bytes(row: dict[str, Any]) -> int:
    model = replace(facts(row["model"]), towers=())
    total = 0
    for parameter, count in model.every_parameter():
        wide = len(parameter.shape) < 2 or parameter.role == "router"
        kind = "F32" if wide else row["type"].upper()
        *stack, columns = parameter.shape
        rows = prod(stack) * parameter.copies
        total += count * rows * GGML[kind].bytes_of(columns)
    return total + 4 * (row["parameters"] - model.parameters)  # rotary factors


@pytest.mark.parametrize("row", chosen("llama.cpp", "tensors"), ids=label)
def test_a_gguf_file_holds_what_our_types_say(row: dict[str, Any]) -> None:
    assert ggml_bytes(row) == row["bytes"]
