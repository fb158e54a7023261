"""What PEFT and bitsandbytes take of the classes that Transformers fuses, against our tables."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from scripts.traced.cut import cut

import weighbridge as wb
from weighbridge.errors import RequestError
from weighbridge.formats.bitsandbytes import packed_by_transformers
from weighbridge.formats.table import find_format
from weighbridge.model import catalog
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.training.adapters import make_adapters

pytest.importorskip("torch", reason="needs the [trace] extra")
pytest.importorskip("peft", reason="needs the package peft")

# One model for each layout of experts, routers and shared experts: its layers, and its attention.
FAMILIES = {
    "mixtral": 2, "minimax_m2": 2, "qwen3_moe": 2, "olmoe": 2, "deepseek_v2": 3, "afmoe": 3,
    "ernie4_5_moe": 3, "hunyuan_v1_moe": 2, "glm4_moe": 4, "qwen3_next": 4, "qwen2_moe": 2,
    "phimoe": 2, "dbrx": 2, "lfm2_moe": 4, "jamba": 8, "gpt_oss": 2, "falcon": 2, "gpt2": 2,
}  # fmt: skip
EAGER = frozenset({"gpt_oss"})
RANK = 4
IN_LAYER = re.compile(r"\.(?:layers|h|blocks)\.\d+\.")


def config_of(family: str) -> dict[str, Any]:
    """A catalog config of the family with few layers."""
    row = next(each for each in catalog.rows() if each.config["model_type"] == family)
    return cut(row.config, FAMILIES[family])


def loaded(config: dict[str, Any], folder: Any) -> Model:
    """The facts of a config."""
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return load_model(str(path))


def built(config: dict[str, Any], **options: Any) -> Any:
    """The real class on meta."""
    from weighbridge.trace.build import build
    from weighbridge.trace.question import Question

    attention = "eager" if config["model_type"] in EAGER else "sdpa"
    return build(Question(config=config, run="train", attn_implementation=attention,
                          rank=RANK, **options))  # fmt: skip


@pytest.mark.parametrize("family", [*FAMILIES])
def test_adapters_of_all_linears_are_those_that_peft_makes(family: str, tmp_path: Any) -> None:
    config = config_of(family)
    model = loaded(config, tmp_path)
    mine = make_adapters(model, "all-linear", RANK, 4, dropout=False, dora=False)
    parameters = [*model.every_parameter()]
    theirs = [p for p in built(config, method="lora").parameters() if p.requires_grad]
    assert sum(mine.elements(p) * n for p, n in parameters) == sum(p.numel() for p in theirs)
    assert sum(mine.tensors(p) * n for p, n in parameters) == len(theirs)


@pytest.mark.parametrize("family", [*FAMILIES])
def test_packed_matrices_are_the_modules_that_transformers_replaces(
    family: str, tmp_path: Any
) -> None:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    config = config_of(family)
    model = loaded(config, tmp_path)
    storage = packed_by_transformers(find_format("nf4"), model)
    mine = sum(p.elements * n for p, n in model.every_parameter() if storage.stores(p))
    theirs = sum(module.weight.numel() for name, module in built(config).named_modules()
                 if IN_LAYER.search(name) and (type(module) is nn.Linear
                                               or isinstance(module, Conv1D)))  # fmt: skip
    assert mine == theirs


def test_a_half_of_a_fused_pair_is_refused_as_peft_refuses_it() -> None:
    with pytest.raises(RequestError, match="both or neither"):
        wb.train("qwen3-30b-a3b", method="lora", lora_targets="q_proj,gate_proj", seq_len=64)


@pytest.mark.parametrize("option", [{"dora": True}, {"lora_dropout": 0.1}])
def test_fused_experts_take_no_dora_and_no_dropout(option: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="--lora-targets attention"):
        wb.train("qwen3-30b-a3b", method="lora", seq_len=64, **option)
    wb.train("qwen3-30b-a3b", method="lora", seq_len=64, lora_targets="attention", **option)


def test_inference_packs_experts_before_transformers_5_alone() -> None:
    new, old = (wb.plan("qwen3-30b-a3b", weights="nf4", engine=f"transformers=={version}")
                for version in ("5.23.0", "4.51.3"))  # fmt: skip
    model = load_model("qwen3-30b-a3b")
    experts = sum(p.elements * n for p, n in model.every_parameter() if p.role == "expert")
    saved = new.term("weights") - old.term("weights")
    assert saved == pytest.approx(experts * (2 - 4.5 / 8), rel=1e-3)
    assert any("nn.Linear modules alone" in each for each in new.assumptions)
    assert not any("nn.Linear modules alone" in each for each in old.assumptions)
