"""Bytes per parameter by regime, optimizer and sharding, against published accounts."""

from __future__ import annotations

from typing import Any

import pytest

import weighbridge as wb
from weighbridge.errors import RequestError
from weighbridge.model.facts import Parameter
from weighbridge.training.optimizers import OPTIMIZERS, find_optimizer
from weighbridge.training.regimes import REGIMES

P = 8_030_261_248
MATRIX = Parameter("w", (4096, 14336), "linear")
VECTOR = Parameter("n", (4096 - 1,), "norm")
STATES = {"weights", "master_weights", "gradients", "optimizer"}


def per_parameter(**options: Any) -> float:
    """Bytes of states for each parameter in the optimizer's step."""
    plan = wb.train("llama-3.1-8b", seq_len=512, **options)
    terms = plan.devices[0].phases["step"]
    return sum(term.bytes for term in terms if term.name in STATES) / P


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 8),
        ({"precision": "fp32"}, 16),
        ({"precision": "amp-bf16"}, 16),
        ({"precision": "megatron-bf16"}, 18),
        ({"sharding": "megatron", "data_parallel_size": 8}, 6 + 12 / 8),
        ({"sharding": "zero3", "data_parallel_size": 8}, 18 / 8),
        ({"sharding": "zero2", "data_parallel_size": 8}, 2 + 16 / 8),
        ({"sharding": "fsdp2", "data_parallel_size": 8}, 16 / 8),
        ({"optimizer": "adamw-8bit"}, 4 + 2 + 8 / 256),
        ({"optimizer": "sgd"}, 4),
        ({"optimizer": "lion"}, 6),
    ],
)
def test_states_take_what_their_sources_say(options: dict[str, Any], expected: float) -> None:
    assert per_parameter(**options) == pytest.approx(expected, rel=2e-3)


def test_optimizers_keep_what_their_rows_say() -> None:
    rows, columns = MATRIX.shape
    n = MATRIX.elements
    expected = {
        "adamw": 4 * n,
        "adamw-8bit": 2 * (n + 4 * n // 256),
        "adamw-4bit-torchao": 2 * (n // 2 + 4 * n // 128),
        "adafactor": 4 * (rows + columns),
        "galore": 2 * 128 * (2 * columns + rows),
        "apollo": 2 * 128 * 2 * columns,
        "muon": 2 * n,
        "lomo": 0,
    }
    for name, size in expected.items():
        assert find_optimizer(name).state(MATRIX, 2, 128) == size, name


def test_small_tensors_stay_in_fp32_under_8_bit() -> None:
    assert find_optimizer("adamw-8bit").state(VECTOR, 2, 0) == 8 * VECTOR.elements


def test_every_optimizer_and_regime_plans() -> None:
    """No row of the tables is out of reach, and each term lies within its bounds."""
    for options in (
        *({"optimizer": row.name} for row in OPTIMIZERS),
        *({"precision": row.name} for row in REGIMES),
    ):
        plan = wb.train("llama-3.2-1b", seq_len=256, **options)
        for terms in plan.devices[0].phases.values():
            assert all(term.low <= term.bytes <= term.high for term in terms), options


def test_bad_options_are_refused_in_a_sentence() -> None:
    bad: tuple[dict[str, Any], ...] = (
        {"optimizer": "adamx"},
        {"precision": "int3"},
        {"checkpointing": "every-0"},
        {"micro_batch": 0},
        {"method": "full", "quantization": "nf4"},
        {"offload": "all"},
        {"method": "lora", "lora_targets": "no_such_proj"},
        {"on": "2xh100", "tensor_parallel_size": 4},
        {"pipeline_parallel_size": 64, "on": "64xh100"},
        {"expert_parallel_size": 3},
        {"solve": "micro-batch"},
        {"nothing": 1},
    )
    for options in bad:
        with pytest.raises(RequestError) as error:
            wb.train("llama-3.1-8b", **options)
        assert "\n" not in str(error.value)


def test_pipeline_stages_hold_what_is_in_flight() -> None:
    """1F1B: the first stage keeps as many micro-batches as there are stages, the last one."""
    plan = wb.train("llama-3.1-8b", seq_len=2048, sharding="megatron", kernels="megatron",
                    pipeline_parallel_size=4, grad_accumulation=8)  # fmt: skip
    kept = [
        next(t.bytes for t in device.phases["forward"] if t.name == "activations")
        for device in plan.devices
    ]
    assert len(plan.devices) == 4
    assert kept[0] / kept[2] == pytest.approx(2, rel=0.05)
    assert kept == sorted(kept, reverse=True)
