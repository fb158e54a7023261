"""Configurations: they parse, say the plan's numbers, and use keys that the tools have."""

from __future__ import annotations

import ast
import dataclasses
import json
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.errors import RequestError
from weighbridge.training.emit import WHERE, emit

CASES: tuple[dict[str, Any], ...] = (
    {"method": "qlora", "checkpointing": "full", "on": "2xrtx-4090", "sharding": "zero2"},
    {"method": "lora", "lora_targets": "q_proj,v_proj", "kernels": "liger", "batching": "packed"},
    {"method": "full", "on": "8xh100", "sharding": "fsdp2", "checkpointing": "offloaded"},
    {"method": "full", "optimizer": "galore", "objective": "dpo", "loss": "cut"},
)


@pytest.mark.parametrize("target", WHERE)
@pytest.mark.parametrize("options", CASES)
def test_a_configuration_parses_and_carries_the_numbers(
    target: str, options: dict[str, Any]
) -> None:
    plan = wb.train("llama-3.1-8b", seq_len=1024, **options)
    if target == "deepspeed" and plan.settings["sharding"].startswith("fsdp"):
        with pytest.raises(RequestError, match="zero"):
            emit(plan, target)
        return
    text = emit(plan, target)
    assert "GiB on the fullest device" in text
    if target in {"training-arguments", "trl"}:
        ast.parse(text)
    elif target == "deepspeed":
        assert json.loads(text)["train_micro_batch_size_per_gpu"] == 1
    else:
        yaml = pytest.importorskip("yaml")
        assert isinstance(yaml.safe_load(text), dict)


def test_training_arguments_has_every_key() -> None:
    transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
    known = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    values = {each.value for each in transformers.training_args.OptimizerNames}
    for options in CASES:
        plan = wb.train("llama-3.1-8b", seq_len=1024, **options)
        call = next(
            node for node in ast.walk(ast.parse(emit(plan, "training-arguments")))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TrainingArguments"
        )  # fmt: skip
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        assert set(given) <= known
        assert ast.literal_eval(given["optim"]) in values


def test_a_name_cannot_break_out_of_a_comment_or_a_string() -> None:
    plan = wb.train("llama-3.2-1b", seq_len=256)
    from weighbridge.records import replace

    hostile = replace(plan, model=replace(plan.model, id="a\nb: 1\u2028c'\"#"))
    for target in WHERE:
        text = emit(hostile, target)
        assert "\nb: 1" not in text
        if target in {"training-arguments", "trl"}:
            ast.parse(text)


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(RequestError, match="axolotl"):
        emit(wb.train("llama-3.2-1b", seq_len=256), "nothing")
