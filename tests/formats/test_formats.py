"""The table of formats: names, figures with sources, and which tensors each one touches."""

from __future__ import annotations

import re

import pytest

from weighbridge.errors import ConfigError, RequestError
from weighbridge.formats import FORMATS, find_format
from weighbridge.formats.cache import CACHE_FORMATS, find_cache_format
from weighbridge.formats.stated import stated_format
from weighbridge.model.facts import Parameter
from weighbridge.model.ggml import GGML
from weighbridge.model.load import load_model

WEIGHT = Parameter("w.weight", (4096, 4096), "linear")


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("bf16", 16.0),
        ("nf4", 4.5),
        ("nf4-dq", 4.1275),
        ("int8", 8.0078),
        ("fp8", 8.0078),
        ("torchao-int8", 8.0098),
        ("torchao-int4", 4.25),
        ("awq", 4.1562),
        ("gptq-int4-g128-static", 4.1562),
        ("gptq-int4", 4.1641),
        ("gptq-int3-g128", 3 + 3 / 128 + 16 / 128 + 32 / 4096),
        ("hqq", 4.5),
        ("hqq-int4-g128", 4.25),
        ("nvfp4", 4.5),
        ("mxfp4", 4.25),
        ("mxfp8", 8.25),
        ("w4a16", 4.125),
        ("exl3-4.0bpw", 4.0078),
        ("exl2-4.25bpw", 4.25),
        ("q4_k", 4.5),
        ("iq2_s", 2.5625),
        ("tq1_0", 1.6875),
        ("ggml-nvfp4", 4.5),
    ],
)
def test_bits_per_weight(name: str, bits: float) -> None:
    kind = find_format(name)
    parameter = Parameter("w.weight", (4096, 4096), "expert" if name == "mxfp4" else "linear")
    found = kind.bytes_of(parameter) * 8 / 4096**2
    assert found == pytest.approx(bits, abs=1e-4)


def test_known_sizes() -> None:
    assert find_format("iq2_s").bytes_of(WEIGHT) == 5_373_952
    model = load_model("qwen2.5-7b")
    awq = find_format("awq")
    total = sum(awq.bytes_of(p) * count for p, count in model.every_parameter())
    assert total == 5_570_747_392


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("group", [32, 64, 128, -1])
def test_gptq_by_its_tensors(bits: int, group: int) -> None:
    rows, columns = 1024, 4096
    groups = 1 if group < 0 else columns // group
    qweight, qzeros = columns * bits // 32 * rows * 4, groups * rows * bits // 32 * 4
    scales, g_idx = groups * rows * 2, columns * 4
    name = f"gptq-int{bits}-g{group}"
    weight = Parameter("w.weight", (rows, columns), "linear")
    assert find_format(name).bytes_of(weight) == qweight + qzeros + scales + g_idx
    assert find_format(f"{name}-static").bytes_of(weight) == qweight + qzeros + scales
    stated = {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": True}
    assert stated_format(stated, "it").bytes_of(weight) == find_format(name).bytes_of(weight)


def test_every_row_is_complete() -> None:
    for each in FORMATS:
        assert each.source
        assert each.title
        assert 1 <= each.value_bits <= 32
        assert each.bits_per_weight >= 1
        assert find_format(each.name) == each
        for alias in each.aliases:
            assert find_format(alias) == each
    names = [name for each in FORMATS for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))


def test_every_packed_ggml_type_has_a_row() -> None:
    for kind in GGML.values():
        if kind.packs:
            name = kind.name.lower()
            row = find_format(f"ggml-{name}" if name in {"mxfp4", "nvfp4"} else name)
            assert row.bytes_of(WEIGHT) == kind.bytes_of(4096 * 4096)


def test_embeddings_and_norms_stay_in_16_bit() -> None:
    embedding = Parameter("model.embed_tokens.weight", (32000, 4096), "embedding")
    norm = Parameter("model.norm.weight", (4096,), "norm")
    for name in ("nf4", "awq", "gptq", "hqq", "w4a16", "nvfp4", "fp8-block", "exl3-3bpw"):
        assert find_format(name).bytes_of(embedding) == 32000 * 4096 * 2
        assert find_format(name).bytes_of(norm) == 4096 * 2


def test_the_head_of_exllama_has_six_bits() -> None:
    head = Parameter("lm_head.weight", (32000, 4096), "head")
    assert find_format("exl3-3.0bpw").bytes_of(head) == 32000 * 4096 * 6 // 8 + 2 * 36096
    assert find_format("awq").bytes_of(head) == 32000 * 4096 * 2


@pytest.mark.parametrize("name", ["gptq-int5", "hqq-int5", "exl3-9bpw", "q9_9", "", "w4a16-g7"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="is not known"):
        find_format(name)


@pytest.mark.parametrize(
    ("quantization", "name"),
    [
        ({"quant_method": "gguf", "file_type": 15, "commonest_type": "Q4_K"}, "q4_k_m"),
        ({"quant_method": "gguf", "file_type": 999, "commonest_type": "Q4_K"}, "q4_k"),
        ({"quant_method": "gguf", "file_type": 1, "commonest_type": "MXFP4"}, "ggml-mxfp4"),
        ({"quant_method": "gguf", "file_type": 38, "commonest_type": "MXFP4"}, "mxfp4_moe"),
        ({"quant_method": "exl3", "bits": 4.25}, "exl3-4.25bpw"),
        ({"quant_method": "exl2", "bits": 4}, "exl2-4bpw"),
        ({"quant_method": "hqq"}, "hqq-int4-g64"),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {
                    "group_0": {"weights": {"type": "int", "num_bits": 4, "group_size": 32}}
                },
            },
            "w4a16-g32",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "format": "int-quantized",
                "config_groups": {
                    "group_0": {
                        "weights": {"type": "int", "num_bits": 8, "strategy": "channel"},
                        "input_activations": {"num_bits": 8},
                    }
                },
            },
            "w8a8",
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {
                        "weights": {"type": "float", "num_bits": 4, "group_size": 16},
                        "input_activations": {"num_bits": 4},
                    }
                },
            },
            "nvfp4-ct",
        ),
    ],
)
def test_what_configs_state(quantization: dict, name: str) -> None:
    assert stated_format(quantization, "it").name == name


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "exl3", "bits": "4"},
        {"quant_method": "exl3", "bits": 99},
        {"quant_method": "hqq", "nbits": 5},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {}}}},
        {"quant_method": "spqr"},
    ],
)
def test_configs_that_cannot_be_are_refused(quantization: dict) -> None:
    with pytest.raises(ConfigError):
        stated_format(quantization, "it")


@pytest.mark.parametrize(
    ("name", "elements", "size"),
    [
        ("bf16", 1000, 2000),
        ("f16", 1000, 2000),
        ("fp8_e5m2", 1000, 1000),
        ("q8_0", 32, 34),
        ("q4_0", 32, 18),
        ("q5_0", 32, 22),
        ("q5_1", 32, 24),
        ("iq4_nl", 32, 18),
        ("nvfp4", 64, 36),
        ("fp8_ds_mla", 576, 656),
        ("quanto-int4", 64, 36),
        ("hqq-int4", 64, 36),
    ],
)
def test_cache_formats(name: str, elements: int, size: float) -> None:
    if elements > 10_000:  # logged by llama.cpp: DeepSeek's latent of 576 at 32,768 tokens in q8_0
        elements = 61 * 576 * 32768
        assert find_cache_format(name).bytes_of(elements) / 2**20 == pytest.approx(
            1166.62, abs=0.01
        )
    else:
        assert find_cache_format(name).bytes_of(elements) == size


def test_scales_of_heads_need_the_heads() -> None:
    kind = find_cache_format("int8_per_token_head")
    assert kind.bytes_of(256 * 2, head_dim=256) == 520
    with pytest.raises(RequestError, match="a scale for each head"):
        kind.bytes_of(512)


def test_cache_rows_are_complete() -> None:
    names = [
        re.sub("-", "_", name) for each in CACHE_FORMATS for name in (each.name, *each.aliases)
    ]
    assert all(each.source and each.engines and each.bits >= each.nominal for each in CACHE_FORMATS)
    assert len({each.name for each in CACHE_FORMATS}) == len(CACHE_FORMATS)
    assert names
    with pytest.raises(RequestError, match="is not known"):
        find_cache_format("fp3")
