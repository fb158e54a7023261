"""Families against the real classes of Transformers on the meta device: every name and shape."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import Any

import pytest
from renames import as_in_memory

from weighbridge.model import catalog
from weighbridge.model.load import load_model

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

ALIASES = {"kimi_k2": "deepseek_v3", "deepseek_ref": "deepseek_v4"}
ARCHITECTURES = {
    "PhiMoEForCausalLM": "PhimoeForCausalLM",
    "KimiK25ForConditionalGeneration": "Kimi_K25ForConditionalGeneration",
}
WITHOUT_CLASS = {
    "internlm2": "its class is code beside the checkpoint (modeling_internlm2.py)",
    "mimo": "its class is code beside the checkpoint (modeling_mimo.py)",
    "nemotron-nas": "its class is code beside the checkpoint (modeling_decilm.py)",
    "phi-msft": "its class was code beside the checkpoint; transformers has phi, named otherwise",
    "qwen": "its class is code beside the checkpoint (modeling_qwen.py)",
    "kimi_k3": "Transformers 5.23 has no class for it",
    "rwkv7": "its class is in flash-linear-attention (fla/models/rwkv7)",
    "arctic": "Transformers 5.23 has no class for it",
    "bailing_moe": "Transformers 5.23 has no class for it",
    "step3_vl": "Transformers 5.23 has no class for it",
}
# A head that the file holds and from_pretrained keeps where it differs from the embedding, although
# the class ties it when made (configuration_t5.py, __post_init__; modeling_utils.py, tie_weights).
KEPT_HEADS = {"t5": "lm_head.weight"}


def instantiate(row: catalog.Row) -> Any:
    config = {k: v for k, v in row.config.items() if k != "quantization_config"}
    config["model_type"] = ALIASES.get(config["model_type"], config["model_type"])
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    if "text_config" in config:
        text = {k: v for k, v in config["text_config"].items() if k != "quantization_config"}
        config["text_config"] = text
    if config.get("vision_config", {}).get("vt_hidden_size"):
        config["vision_config"] = {}
    made = mapping[config["model_type"]].from_dict(config)
    architecture = load_model(row.id).architecture
    with torch.device("meta"):
        return getattr(transformers, ARCHITECTURES.get(architecture, architecture))(made)


# What version 5 renames in memory against the files (transformers, conversion_mapping.py).
RENAMED = (
    (r"block_sparse_moe", "mlp"),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head", "lm_head"),
    (r"^(vision_tower|vision_model|multi_modal_projector|mm_projector|visual|vision_embed_tokens)\.",
     r"model.\1."),
    (r"vision_tower\.vision_model\.", "vision_tower."),
    (r"\.mlp\.moe_statics\.", ".mlp.gate.moe_statics."),
    (r"\.attention_sink_bias$", ".sinks"),
    (r"\.mlp\.shared_mlp\.", ".mlp.shared_experts."),
)  # fmt: skip
RENAMED_OF = {
    "axk1": ((r"(?<!mlp)\.post_mlp_layernorm\.", ".mlp.post_mlp_layernorm."),),
    "hy_v3": ((r"\.mlp\.router\.gate\.", ".mlp.gate."),),
    "hunyuan_v1_moe": ((r"\.mlp\.shared_experts\.", ".mlp.shared_mlp."),),
    "phimoe": ((r"\.mlp\.gate\.", ".mlp.router."),),
    "qwen2_vl": ((r"^model\.(?!language_model|visual)", "model.language_model."),),
    "qwen2_5_vl": ((r"^model\.(?!language_model|visual)", "model.language_model."),),
    "llama4": (
        (r"^model\.(vision_model|multi_modal_projector)\.", r"\1."),
        (r"^model\.language_model\.", "language_model.model."),
        (r"^lm_head", "language_model.lm_head"),
    ),
    "kosmos-2.5": ((r"^model\.vision_model\.", "vision_model."),),
}


def comparable(name: str, family: str = "") -> str:
    """One spelling for what version 5 renames in memory against the files."""
    for old, new in (*RENAMED, *RENAMED_OF.get(family, ())):
        name = re.sub(old, new, name)
    return name


def without_experts(named: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, shape in named.items() if not routed(name)}


def routed(name: str) -> bool:
    return ".experts." in name and not name.endswith("norm.weight")


def expert_elements(named: dict[str, tuple[int, ...]]) -> Counter[str]:
    """Elements of each layer's routed experts, which version 5 fuses into one tensor."""
    total: Counter[str] = Counter()
    for name, shape in named.items():
        if routed(name):
            total[name.partition(".experts.")[0]] += prod(shape)
    return total


@pytest.mark.parametrize("row", catalog.rows(), ids=lambda row: row.id)
def test_every_tensor_has_its_name_and_shape(row: catalog.Row) -> None:
    model = load_model(row.id)
    family = model.family
    if family in WITHOUT_CLASS:
        pytest.skip(WITHOUT_CLASS[family])
    parameters = instantiate(row).named_parameters()
    real = {comparable(name, family): tuple(each.shape) for name, each in parameters}
    named = as_in_memory(family, dict(model.named_parameters()))
    if not model.tied:
        named.pop(KEPT_HEADS.get(family, ""), None)
    ours = {comparable(name, family): each for name, each in named.items()}
    assert without_experts(ours) == without_experts(real)
    assert expert_elements(ours) == expert_elements(real)


def test_every_type_without_a_class_is_still_without_one() -> None:
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    assert not [each for each in WITHOUT_CLASS if each in mapping]
