"""Rows of the catalogue: each can be planned, no name means two, and extras follow from shapes."""

from __future__ import annotations

from collections import Counter
from math import prod

import pytest

from weighbridge.formats.stated import stated_format
from weighbridge.model import catalog
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.model.load import load_model
from weighbridge.units import ceil_div


def test_no_name_means_two_rows() -> None:
    counted = Counter(name for row in catalog.rows() for name in {row.short, *row.names})
    assert [name for name, times in counted.items() if times > 1] == []


STATED = [
    ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "fp8-tensor"),
    ("nvidia/Qwen3-235B-A22B-NVFP4", "nvfp4"),
    ("nvidia/MiniMax-M2.5-NVFP4", "nvfp4-experts"),
    ("nvidia/MiniMax-M3-NVFP4", "mxfp8+nvfp4"),
    ("nvidia/DeepSeek-V4-Flash-NVFP4", "fp8-block+nvfp4"),
    ("deepseek-ai/DeepSeek-V4-Flash", "fp8-block+mxfp4"),
    ("sgl-project/DeepSeek-V4-Flash-FP8", "fp8-block"),
    ("moonshotai/Kimi-K2.5", "w4a16-g32-experts"),
]


@pytest.mark.parametrize(("name", "storage"), STATED, ids=[each[0] for each in STATED])
def test_checkpoints_say_how_they_are_stored(name: str, storage: str) -> None:
    model = load_model(name)
    assert model.quantization is not None
    assert stated_format(model.quantization, name).name == storage


def test_experts_of_deepseek_v4_take_half_of_what_the_rest_takes() -> None:
    model = load_model("deepseek-ai/DeepSeek-V4-Flash")
    assert model.quantization is not None
    storage = stated_format(model.quantization, model.id)
    expert = Parameter("mlp.experts.{expert}.up_proj.weight", (2048, 4096), "expert", 256)
    plain = Parameter("self_attn.q_b_proj.weight", (32768, 1024), "linear")
    assert storage.bytes_of(expert) == 256 * (2048 * 4096 // 2 + 2048 * 4096 // 32)
    assert storage.bytes_of(plain) == 32768 * 1024 + 4 * 256 * 8


def extras(name: str) -> dict[str, int]:
    row = catalog.find(name)
    assert row is not None
    return row.also_stored


def mtp_layer(model: Model, layer: int, *, copies: int) -> int:
    """A further layer, the projection of two hidden states to one, three norms, and ``copies`` of
    embedding and head."""
    return layer + 2 * model.hidden**2 + 3 * model.hidden + copies * model.vocab * model.hidden


MTP = [
    ("deepseek-v3.2", 2),
    ("glm-4.5", 2),
    ("glm-4.5-air", 2),
    ("glm-4.6", 0),
    ("glm-5", 0),
    ("glm-5.1", 0),
    ("hy3", 0),
]


@pytest.mark.parametrize(("name", "copies"), MTP, ids=[each[0] for each in MTP])
def test_an_mtp_layer_is_like_the_last_one(name: str, copies: int) -> None:
    model = load_model(name)
    last = model.layers[-1].elements
    assert extras(name)["MTP layer"] == mtp_layer(model, last, copies=copies)


def test_the_mtp_layer_of_glm_5_2_has_an_indexer_of_its_own() -> None:
    assert extras("glm-5.2")["MTP layer"] == extras("glm-5")["MTP layer"]
    assert extras("glm-5.2-fp8") == extras("glm-5.2")


@pytest.mark.parametrize("name", ["DeepSeek-V4-Flash", "DeepSeek-V4-Pro"])
def test_the_mtp_layer_of_deepseek_v4_compresses_nothing(name: str) -> None:
    """It mixes by its window alone, and has a head of its own that joins the residual streams."""
    model = load_model(name)
    plain = 0
    for parameter in model.layers[-1].parameters:
        plain += 0 if "compressor" in parameter.name else parameter.elements
    streams = 4 * 4 * model.hidden + 4 + 1
    assert extras(name)["MTP layer"] == mtp_layer(model, plain, copies=0) + streams
    tables = 3 * model.vocab * 6
    experts = model.layers[0].feed_forward.experts  # type: ignore[attr-defined]
    biases = (len(model.layers) - 3 + 1) * experts
    assert extras(name)["router buffers"] == tables + biases


def scales(parameters: tuple[Parameter, ...]) -> int:
    """One for each block of 128 × 128."""
    total = 0
    for each in parameters:
        *stack, rows, columns = each.shape
        total += prod(stack) * ceil_div(rows, 128) * ceil_div(columns, 128) * each.copies
    return total


def blocked(layer: Layer, *but: str) -> tuple[Parameter, ...]:
    return tuple(
        each
        for each in layer.parameters
        if each.role in {"linear", "expert"} and not any(word in each.name for word in but)
    )


def test_block_scales_are_one_for_128_by_128() -> None:
    model = load_model("MiniMaxAI/MiniMax-M2.5")
    assert extras(model.id)["FP8 block scales"] == 62 * scales(blocked(model.layers[0]))
    model = load_model("zai-org/GLM-5-FP8")
    counted = [*model.layers, model.layers[-1]]
    assert extras(model.id)["FP8 block scales"] == sum(
        scales(blocked(layer, "weights_proj")) for layer in counted
    )
    model = load_model("stepfun-ai/Step-3.7-Flash-FP8")
    experts = tuple(p for p in model.layers[-1].parameters if p.role == "expert")
    assert extras(model.id)["FP8 block scales"] == 42 * scales(experts)


PACKED = [
    ("nvidia/Qwen3-235B-A22B-NVFP4", ("linear", "expert"), ("",), True),
    ("nvidia/DeepSeek-V3.1-NVFP4", ("linear", "expert"), ("mlp.", "self_attn.o_proj"), True),
    ("nvidia/DeepSeek-V3.2-NVFP4", ("linear", "expert"), ("mlp.", "self_attn.o_proj"), True),
    ("nvidia/GLM-5-NVFP4", ("linear", "expert"), ("mlp.",), True),
    ("nvidia/GLM-5.1-NVFP4", ("expert",), ("",), False),
    ("nvidia/MiniMax-M2.5-NVFP4", ("expert",), ("",), False),
    ("nvidia/MiniMax-M3-NVFP4", ("expert",), ("",), False),
    ("nvidia/Gemma-4-26B-A4B-NVFP4", ("expert",), ("",), False),
    ("nvidia/Gemma-4-31B-IT-NVFP4", ("linear",), ("mlp.",), False),
    ("nvidia/DeepSeek-V4-Pro-NVFP4", ("expert",), ("",), True),
]


@pytest.mark.parametrize(("name", "roles", "starts", "scaled"), PACKED, ids=[p[0] for p in PACKED])
def test_packed_values_count_half(
    name: str, roles: tuple[str, ...], starts: tuple[str, ...], scaled: bool
) -> None:
    """A published total counts a byte once that holds two values; some leave the scales out."""
    layers = load_model(name).layer_groups()
    packed = sum(
        parameter.elements * count
        for layer, count in layers
        for parameter in layer.parameters
        if parameter.role in roles and parameter.name.startswith(starts)
    )
    assert extras(name)["two NVFP4 values to a byte"] == -packed // 2
    assert extras(name).get("NVFP4 group scales", 0) == (packed // 16 if scaled else 0)


def test_the_mtp_layers_of_step_3_7_slide_and_are_dense() -> None:
    model = load_model("step-3.7")
    sliding = next(layer for layer in model.layers if "sliding" in layer.mixer.kind)
    parts = (*sliding.mixer.parameters, *model.layers[0].feed_forward.parameters, *sliding.norms)
    layer = sum(each.elements for each in parts)
    head = model.vocab * model.hidden
    assert extras("step-3.7")["3 MTP layers"] == 3 * (mtp_layer(model, layer, copies=0) + head)


def test_gemma_4_keeps_projections_that_nothing_uses() -> None:
    model = load_model("gemma-4-e2b")
    unused = 0
    for layer in model.layers:
        if not layer.mixer.cache:
            width = layer.mixer.key_width
            unused += 2 * width * model.hidden + width
    key = "unused k and v projections of layers without a cache"
    assert extras("gemma-4-e2b")[key] == unused
