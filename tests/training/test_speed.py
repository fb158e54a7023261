"""Operations against the rules of the field, and the time of a step against published runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

import weighbridge as wb
from weighbridge.cli import main

P, EMBEDDING = 8_030_261_248, 525_336_576


def per_token(**options: Any) -> tuple[float, float]:
    plan = wb.train("llama-3.1-8b", on="h100", seq_len=128, **options)
    assert plan.speed is not None
    return plan.speed.flops_per_token, plan.speed.hardware_flops_per_token


def test_operations_are_6_or_8_for_each_parameter_and_4_where_the_base_is_frozen() -> None:
    """The embedding is a look-up; attention adds 1 % at 128 tokens."""
    weighted = P - EMBEDDING
    whole, same = per_token()
    assert whole == same
    assert whole / weighted == pytest.approx(6, rel=0.01)
    model, hardware = per_token(checkpointing="full")
    assert model == whole
    assert hardware / weighted == pytest.approx(8, rel=0.03)
    assert per_token(method="lora")[0] / weighted == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize(
    ("options", "tokens_per_second"),
    [
        ({"on": "8xh100", "sharding": "fsdp2", "seq_len": 8192, "micro_batch": 2,
          "checkpointing": "selective"}, 8 * 5762),
        ({"on": "8xh100", "sharding": "fsdp2", "seq_len": 8192, "micro_batch": 2,
          "checkpointing": "selective", "loss": "compiled"}, 8 * 6667),
    ],
)  # fmt: skip
def test_published_steps_lie_within_the_bounds(
    options: dict[str, Any], tokens_per_second: float
) -> None:
    """github pytorch/torchtitan@31a17bfdb70b benchmarks/llama3_h100_202412_torchtitan.md."""
    speed = wb.train("llama-3.1-8b", **options).speed
    assert speed is not None
    assert speed.tokens_per_step / speed.high < tokens_per_second
    assert tokens_per_second < speed.tokens_per_step / speed.low


def test_the_parts_add_up_and_explain_the_utilisation() -> None:
    speed = wb.train("llama-3.1-8b", on="8xh100", sharding="fsdp2", seq_len=4096).speed
    assert speed is not None
    assert sum(part.seconds for part in speed.parts) == pytest.approx(speed.seconds_per_step)
    assert 0 < speed.mfu < 1
    assert speed.low < speed.seconds_per_step < speed.high


def test_offload_and_bubbles_cost_time() -> None:
    base = {"on": "4xa100-sxm-80gb", "seq_len": 2048}
    quick = wb.train("llama-3.1-8b", sharding="zero3", **base).speed
    slow = wb.train("llama-3.1-8b", sharding="zero3", offload="all", **base).speed
    stages = wb.train("llama-3.1-8b", sharding="megatron", pipeline_parallel_size=4, **base).speed
    assert quick is not None
    assert slow is not None
    assert stages is not None
    assert slow.seconds_per_step > 2 * quick.seconds_per_step
    bubble = {part.name: part.seconds for part in stages.parts}["bubble"]
    assert bubble > stages.seconds_per_step / 2


def test_the_command_prints_json_with_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["train", "llama-3.1-8b", "--method", "lora", "--on", "h100", "--seq-len", "2048",
                 "--dataset-tokens", "1000000", "--price-per-hour", "2", "--json"])  # fmt: skip
    data = json.loads(capsys.readouterr().out)
    assert code == 0
    assert data["schema"] == 1
    assert data["verdict"]["fits"] is True
    assert set(data["devices"][0]["phases"]) == {"forward", "backward", "step"}
    assert data["speed"]["dataset_seconds"] > 0
    assert data["speed"]["cost_usd"][0] > 0


def test_the_command_refuses_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "llama-3.1-8b", "--optimizer", "adamx"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("weigh: error: optimizer 'adamx'")
    assert error.count("\n") == 1


@pytest.mark.parametrize("style", ["human", "markdown"])
def test_the_command_prints_for_people(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "llama-3.1-8b", "--on", "rtx-4090", "--format", style, "--why"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "the backward pass" in text
    assert "optimizer states" in text
