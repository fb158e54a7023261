"""Families against the real classes of Transformers on the meta device: every name and shape."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from renames import as_in_memory

from weighbridge.model import catalog
from weighbridge.model.load import load_model

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

ALIASES = {"kimi_k2": "deepseek_v3"}
# model_type → why there is nothing to compare with; their counts are published ones.
NO_CLASS = {
    "internlm2": "its class is code beside the checkpoint (modeling_internlm2.py)",
    "kimi_k3": "Transformers 5.23.0 has no class for it; its published count is met exactly",
    "mimo": "its class is code beside the checkpoint (modeling_mimo.py)",
    "nemotron-nas": "its class is code beside the checkpoint (modeling_decilm.py)",
    "phi-msft": "its class was code beside the checkpoint; transformers has phi, named otherwise",
    "qwen": "its class is code beside the checkpoint (modeling_qwen.py)",
}
BARE = ("BertModel", "Qwen3Model", "MistralModel")
# A head that the file holds and from_pretrained keeps where it differs from the embedding, although
# the class ties it when made (configuration_t5.py, __post_init__; modeling_utils.py, tie_weights).
KEPT_HEADS = {"t5": "lm_head.weight"}


def instantiate(row: catalog.Row) -> Any:
    config = {k: v for k, v in row.config.items() if k != "quantization_config"}
    config["model_type"] = ALIASES.get(config["model_type"], config["model_type"])
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    made = mapping[config["model_type"]].from_dict(config)
    with torch.device("meta"):
        return getattr(transformers, load_model(row.id).architecture)(made)


def comparable(name: str) -> str:
    """One spelling for what version 5 renames in memory against the files."""
    name = name.replace("block_sparse_moe", "mlp")
    name = re.sub(r"^language_model\.model\.", "model.language_model.", name)
    return re.sub(r"^(vision_tower|multi_modal_projector)\.", r"model.\1.", name).replace(
        "vision_tower.vision_model.", "vision_tower."
    )


def without_experts(named: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {comparable(name): shape for name, shape in named.items() if ".experts." not in name}


def expert_elements(named: dict[str, tuple[int, ...]]) -> Counter[str]:
    """Elements of each layer's routed experts, which version 5 fuses into one tensor."""
    total: Counter[str] = Counter()
    for name, shape in named.items():
        if ".experts." in name:
            size = 1
            for side in shape:
                size *= side
            total[comparable(name).partition(".experts.")[0]] += size
    return total


@pytest.mark.parametrize("row", catalog.rows(), ids=lambda row: row.id)
def test_every_tensor_has_its_name_and_shape(row: catalog.Row) -> None:
    model = load_model(row.id)
    if model.family in NO_CLASS:
        pytest.skip(NO_CLASS[model.family])
    real = {name: tuple(each.shape) for name, each in instantiate(row).named_parameters()}
    ours = as_in_memory(model.family, dict(model.named_parameters()))
    if not model.tied:
        ours.pop(KEPT_HEADS.get(model.family, ""), None)
    theirs = {
        re.sub(r"vision_tower\.vision_model\.", "vision_tower.", k): v for k, v in real.items()
    }
    assert without_experts(ours) == without_experts(theirs)
    assert expert_elements(ours) == expert_elements(real)


def test_every_type_without_a_class_is_still_without_one() -> None:
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    assert not [each for each in NO_CLASS if each in mapping]
