"""Any request is planned, with each term inside its bounds, or refused in one sentence."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.errors import InputError
from weighbridge.options import training as table
from weighbridge.training.emit import WHERE, emit
from weighbridge.training.optimizers import OPTIMIZERS
from weighbridge.training.regimes import REGIMES

MODELS = ("llama-3.2-1b", "mixtral-8x7b-v0.1", "gemma-2-2b", "deepseek-v2-lite",
          "bert-base-uncased", "nemotron-h-8b-base-8k", "gpt2",
          "qwen3-next-80b-a3b-instruct")  # fmt: skip
COUNT = st.sampled_from((1, 1, 1, 2, 4, 3))
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(table.METHODS),
        "objective": st.sampled_from(table.OBJECTIVES),
        "optimizer": st.sampled_from([row.name for row in OPTIMIZERS]),
        "precision": st.sampled_from([row.name for row in REGIMES]),
        "lora_targets": st.sampled_from(("all-linear", "attention", "mlp", "qv", "q_proj")),
        "lora_dropout": st.sampled_from((0.0, 0.1)),
        "adapter_dtype": st.sampled_from(("fp32", "bf16")),
        "dora": st.booleans(),
        "micro_batch": st.integers(1, 64),
        "seq_len": st.integers(1, 40_000),
        "grad_accumulation": st.integers(1, 64),
        "batching": st.sampled_from(table.BATCHING),
        "checkpointing": st.sampled_from(("none", "selective", "full", "every-3", "offloaded")),
        "attn_implementation": st.sampled_from(("eager", "sdpa", "flash_attention_2")),
        "kernels": st.sampled_from(table.KERNELS),
        "loss": st.sampled_from(table.LOSSES),
        "keep_outputs": st.booleans(),
        "expandable_segments": st.booleans(),
        "on": st.sampled_from(("rtx-4090", "8xh100", "4xa100-sxm-80gb", "24GiB")),
        "sharding": st.sampled_from(table.SHARDINGS),
        "offload": st.sampled_from(table.OFFLOADS),
        "data_parallel_size": COUNT,
        "tensor_parallel_size": COUNT,
        "pipeline_parallel_size": COUNT,
        "pipeline_schedule": st.sampled_from(table.SCHEDULES),
        "virtual_stages": COUNT,
        "context_parallel_size": COUNT,
        "expert_parallel_size": COUNT,
    },
)


@example("mixtral-8x7b-v0.1", {"checkpointing": "selective"}, "training-arguments")
@settings(max_examples=120, deadline=None)
@given(model=st.sampled_from(MODELS), options=REQUESTS, target=st.sampled_from(tuple(WHERE)))
def test_any_request_is_planned_or_refused(
    model: str, options: dict[str, Any], target: str
) -> None:
    made: Any = None
    refused = ""
    try:
        made = wb.train(model, **options)
        text = emit(made, target)
    except InputError as refusal:
        refused = str(refusal)
    assert "\n" not in refused
    if refused:
        return
    plan = made
    assert text.endswith("\n")
    assert plan.to_dict()["schema"] == 1
    for device in plan.devices:
        assert set(device.phases) == {"forward", "backward", "step"}
        for terms in device.phases.values():
            for term in terms:
                assert 0 <= term.low <= term.bytes <= term.high, (term, options)
                assert isinstance(term.bytes, int)
    if plan.speed is not None:
        assert 0 < plan.speed.mfu < 1
        assert plan.speed.low <= plan.speed.seconds_per_step <= plan.speed.high


@settings(max_examples=30, deadline=None)
@given(model=st.sampled_from(MODELS), options=REQUESTS, more=st.integers(1, 8))
def test_more_tokens_never_take_less(model: str, options: dict[str, Any], more: int) -> None:
    base = {**options, "on": None, "seq_len": 512, "micro_batch": 1}
    try:
        small = wb.train(model, **base)
        large = wb.train(model, **{**base, "micro_batch": 1 + more})
    except InputError:
        return
    assert large.total >= small.total
