"""ModelOpt's MIXED_PRECISION: an algorithm for each module, in the config or beside it."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.errors import ConfigError
from weighbridge.formats import find_format
from weighbridge.formats.stated import stated_format
from weighbridge.model.facts import Parameter
from weighbridge.model.load import load_model
from weighbridge.model.local import _stated_together

PREFIX = "model.language_model.layers"


def layers(count: int = 4, **algorithms: str) -> dict[str, Any]:
    return {
        f"{PREFIX}.{index}.{name.replace('__', '.')}": {"quant_algo": algorithm}
        for index in range(count)
        for name, algorithm in algorithms.items()
    }


def stated(listed: dict[str, Any]) -> dict[str, Any]:
    return {
        "quant_method": "modelopt",
        "quant_algo": "MIXED_PRECISION",
        "quantized_layers": listed,
    }


def test_each_module_in_its_own_format() -> None:
    listed = layers(mlp__up_proj="NVFP4", self_attn__q_proj="FP8")
    storage = stated_format(stated({**listed, "lm_head": {"quant_algo": "NVFP4"}}), "here")
    nvfp4, fp8 = find_format("nvfp4"), find_format("fp8-tensor")
    up = Parameter("mlp.up_proj.weight", (1024, 512), "linear")
    assert storage.bytes_of(up) == nvfp4.bytes_of(up)
    query = Parameter("self_attn.q_proj.weight", (1024, 512), "linear")
    assert storage.bytes_of(query) == fp8.bytes_of(query)
    other = Parameter("linear_attn.out_proj.weight", (1024, 512), "linear")
    assert storage.bytes_of(other) == 2 * other.elements
    assert not storage.stores(other)
    head = Parameter("language_model.lm_head.weight", (1024, 512), "head")
    linear = Parameter("x", (1024, 512), "linear")
    assert storage.bytes_of(head) == nvfp4.bytes_of(linear)
    expert = Parameter("mlp.experts.{expert}.up_proj.weight", (64, 32), "expert", 8)
    assert storage.bytes_of(expert) == 2 * expert.elements


def test_experts_beside_several_algorithms() -> None:
    listed = layers(mlp__gate_proj="FP8", self_attn__q_proj="NVFP4")
    listed[f"{PREFIX}.1.mlp.experts.7.up_proj"] = {"quant_algo": "NVFP4"}
    storage = stated_format(stated(listed), "here")
    expert = Parameter("mlp.experts.{expert}.up_proj.weight", (64, 32), "expert", 8)
    assert storage.bytes_of(expert) == find_format("nvfp4").bytes_of(expert)


@pytest.mark.parametrize(
    "listed",
    [
        layers(mlp__up_proj="NVFP4") | {f"{PREFIX}.9.mlp.up_proj": {"quant_algo": "FP8"}},
        layers(mlp__up_proj="W4A8"),
        {"model.layers.0.mlp.up_proj": 5},
    ],
    ids=["by layer", "unknown", "no object"],
)
def test_what_is_not_known_is_refused(listed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="name the format with --weights"):
        stated_format(stated(listed), "here")


def test_layers_listed_beside_the_config_are_used() -> None:
    config = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}
    beside = {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers(mlp__up_proj="NVFP4")}
    together = _stated_together(config, beside)
    assert together is not None
    assert stated_format(together, "here").name == "nvfp4"
    assert _stated_together(config, None) == config
    assert _stated_together(None, beside) == beside
    assert _stated_together(config, {"bits": 4}) == config


def test_the_packed_count_of_qwen3_6_is_its_feed_forward_and_head() -> None:
    """The published elements of the files are those of NVFP4 in these modules, without scales."""
    model = load_model("nvidia/Qwen3.6-27B-NVFP4")
    packed = sum(
        parameter.elements * count
        for parameter, count in model.every_parameter()
        if parameter.role == "head" or parameter.name.startswith("mlp.")
    )
    assert model.parameters - packed // 2 == 18_164_649_200
