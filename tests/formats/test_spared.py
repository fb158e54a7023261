"""Modules that a config leaves in 16 bit: which patterns are applied, and to what."""

from __future__ import annotations

import pytest

from weighbridge.formats.spared import MAX_LENGTH, MAX_PATTERNS, Sparing
from weighbridge.formats.stated import stated_format
from weighbridge.model.facts import Parameter
from weighbridge.model.load import load_model

WEIGHTS = {"num_bits": 4, "type": "int", "group_size": 128, "symmetric": True, "strategy": "group"}
SIZE = (4096, 4096)


def stated(*entries: str) -> dict:
    groups = {"group_0": {"targets": ["Linear"], "weights": WEIGHTS}}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": groups,
        "ignore": list(entries),
    }


def in_16_bit(entry: str, name: str) -> bool:
    storage = stated_format(stated("lm_head", entry), "here")
    return storage.bytes_of(Parameter(name, SIZE, "linear")) == 2 * 4096**2


@pytest.mark.parametrize(
    ("entry", "name", "spared"),
    [
        ("re:.*self_attn.*", "self_attn.q_proj.weight", True),
        ("re:.*self_attn.*", "mlp.up_proj.weight", False),
        (r"re:.*mlp\.(gate|up)_proj.*", "mlp.up_proj.weight", True),
        (r"re:.*mlp\.(gate|up)_proj.*", "mlp.down_proj.weight", False),
        (r"re:.*mlp\.(gate|up)_proj.*", "mlp.shared_experts.up_proj.weight", False),
        ("model.layers.*.self_attn*", "self_attn.o_proj.weight", True),
        ("model.layers.*.self_attn", "self_attn.o_proj.weight", True),
        ("model.layers.*.self_attn.o_proj", "self_attn.q_proj.weight", False),
        ("model.layers.0.self_attn.o_proj", "self_attn.o_proj.weight", False),
        ("re:.*", "self_attn.o_proj.weight", False),
        ("*", "self_attn.o_proj.weight", False),
        ("re:(a+)+self_attn.*", "self_attn.o_proj.weight", False),
        ("re:.*self_attn[.].*", "self_attn.o_proj.weight", False),
        ("x" * (MAX_LENGTH + 1), "self_attn.o_proj.weight", False),
    ],
)
def test_what_a_pattern_spares(entry: str, name: str, spared: bool) -> None:
    assert in_16_bit(entry, name) is spared


def test_a_config_cannot_make_matching_slow() -> None:
    entries = ["*a" * 99 + "b", *(f"re:.*(a|b){n}" for n in range(4000)), "re:" + "(a|b|c)" * 20]
    storage = stated_format(stated(*entries), "here")
    assert isinstance(storage, Sparing)
    assert len(storage.patterns) <= MAX_PATTERNS
    assert storage.bytes_of(Parameter("a" * 200 + ".weight", SIZE, "linear")) < 2 * 4096**2


def test_the_attention_of_qwen3_stays_in_16_bit() -> None:
    model = load_model("qwen3-8b")
    storage = stated_format(stated("lm_head", "re:.*self_attn.*"), "here")
    full = stated_format(stated("lm_head"), "here")
    layer, _ = model.layer_groups()[0]
    linear = [each for each in layer.mixer.parameters if each.role == "linear"]
    assert sum(map(storage.bytes_of, linear)) == 2 * sum(each.elements for each in linear)
    assert all(storage.bytes_of(p) == full.bytes_of(p) for p in layer.feed_forward.parameters)
    assert storage.name == full.name
