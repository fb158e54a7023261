"""Where rules of thumb about training go wrong, one test each."""

from __future__ import annotations

from typing import Any

import pytest

import weighbridge as wb
from weighbridge.training.planner import TrainingPlan

MODEL = "llama-3.1-8b"


def bytes_of(plan: TrainingPlan, phase: str, *names: str) -> int:
    terms = plan.devices[0].phases[phase]  # type: ignore[index]
    return sum(term.bytes for term in terms if term.name in names)


def train(**options: Any) -> TrainingPlan:
    return wb.train(MODEL, **{"seq_len": 2048, **options})


def test_foreach_copies_one_state_and_fused_nothing() -> None:
    fused, foreach = train(), train(optimizer="adamw-foreach")
    more = foreach.devices[0].total - fused.devices[0].total
    assert more > 14 * 10**9
    assert fused.devices[0].phase == "backward"
    assert foreach.devices[0].phase == "step"


def test_preparing_for_kbit_training_costs_two_gib() -> None:
    prepared, plain = train(method="qlora"), train(method="qlora", kbit_upcast=False)
    assert prepared.term("weights") - plain.term("weights") == pytest.approx(1.96 * 2**30, rel=0.01)


def test_padding_loses_grouped_heads() -> None:
    """A mask makes sdpa repeat keys and values: 4·heads·d instead of 4·kv_heads·d bytes a token."""
    more = bytes_of(train(batching="padded"), "forward", "activations") - bytes_of(
        train(), "forward", "activations"
    )
    tokens, layers = 2048, 32
    repeated = 4 * (4096 - 1024) * tokens * layers
    mask = 2 * tokens * tokens * layers
    assert more == pytest.approx(repeated + mask, rel=0.01)
    flash = {"attn_implementation": "flash_attention_2"}
    same = bytes_of(train(batching="padded", **flash), "forward", "activations")
    assert same == pytest.approx(bytes_of(train(**flash), "forward", "activations"), rel=1e-3)


def test_fp32_adapters_keep_an_fp32_copy_of_each_input() -> None:
    """LoRA on all layers without checkpointing keeps more than full training does."""
    full = bytes_of(train(), "forward", "activations")
    lora = bytes_of(train(method="lora"), "forward", "activations")
    assert lora > 1.4 * full
    bf16 = bytes_of(train(method="lora", adapter_dtype="bf16"), "forward", "activations")
    assert bf16 < full


def test_outputs_that_are_kept_hold_the_logits() -> None:
    kept, dropped = train(), train(keep_outputs=False)
    less = bytes_of(kept, "backward", "logits") - bytes_of(dropped, "backward", "logits")
    assert less == 2 * 2048 * 128_256


def test_the_loss_takes_14_bytes_a_logit_and_fused_losses_almost_none() -> None:
    assert bytes_of(train(), "backward", "logits") == 14 * 2048 * 128_256
    for loss in ("liger", "cut"):
        assert bytes_of(train(loss=loss), "backward", "logits") < 2**28


def test_a_tied_trained_embedding_is_added_out_of_place() -> None:
    """Two gradients of the table meet: twice its size at the end of the backward pass."""
    plan = wb.train("llama-3.2-1b", seq_len=64, checkpointing="full")
    table = 2 * 2048 * 128_256
    assert bytes_of(plan, "backward", "workspace") >= 2 * table
    assert plan.model.tied


def test_tied_weights_are_counted_once() -> None:
    plan = wb.train("llama-3.2-1b", seq_len=64)
    assert plan.term("weights") == 2 * plan.model.parameters


def test_accumulation_keeps_gradients_through_the_forward_pass() -> None:
    assert bytes_of(train(), "forward", "gradients") == 0
    assert bytes_of(train(grad_accumulation=4), "forward", "gradients") == 2 * 8_030_261_248


def test_ddp_keeps_a_second_copy_of_the_gradients() -> None:
    plan = train(sharding="ddp", data_parallel_size=2, precision="bf16")
    assert bytes_of(plan, "step", "workspace") >= 2 * 8_030_261_248


def test_checkpointing_saves_and_more_layers_per_segment_cost_recomputation() -> None:
    none, full, every = (
        bytes_of(train(checkpointing=kind, seq_len=8192), "forward", "activations")
        for kind in ("none", "full", "every-4")
    )
    assert every < full < none / 10


def test_prepared_for_kbit_training_is_checkpointed_unless_told_otherwise() -> None:
    assumed = wb.train("llama-3.1-8b", method="qlora")
    assert assumed.total == wb.train("llama-3.1-8b", method="qlora", checkpointing="full").total
    plain = wb.train("llama-3.1-8b", method="qlora", kbit_upcast=False)
    assert plain.setup.checkpointing == "none"
    assert any("prepare_model_for_kbit_training enables it" in note for note in assumed.assumptions)
