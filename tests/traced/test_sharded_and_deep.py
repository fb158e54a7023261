"""FSDP2 over ranks in name only, and depths that were not traced."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
pytest.importorskip("transformers", reason="needs the [trace] extra")

from traced.tiny import LLAMA, ask  # noqa: E402
from weighbridge.trace.depth import UnevenGrowth, extend  # noqa: E402
from weighbridge.trace.log import Log, by_category, by_module, peaks  # noqa: E402
from weighbridge.trace.measure import trace  # noqa: E402
from weighbridge.trace.sharded import trace_sharded  # noqa: E402
from weighbridge.units import ceil_div  # noqa: E402

STEP_COUNTERS = 4  # bytes of AdamW's step, one for each parameter


@pytest.mark.parametrize("ranks", [8, 128])
def test_each_rank_holds_its_share_exactly_and_the_peak_is_the_roots(ranks: int) -> None:
    """fp32 shards and two states: 12 bytes a parameter over the ranks, cut along the first side.
    At the peak the gradients of the root unit (embedding, head, norm) wait in fp32 to be reduced.
    """
    config = {**LLAMA, "vocab_size": 8192, "hidden_size": 128}
    log, model = trace_sharded(
        ask(config, seq_len=16, batch=1, ranks=ranks, checkpointing=True, clip=0.0)
    )
    parameters = [*model.parameters()]
    count = sum(
        ceil_div(each.shape[0], ranks) * (each.numel() // each.shape[0]) for each in parameters
    )
    last = log.phases[-1]
    held = by_category(log, last.end, 1)
    assert held["parameter"] == 4 * count
    assert held["optimizer"] == 8 * count + STEP_COUNTERS * len(parameters)

    peak = max(peaks(log, 1), key=lambda each: each.bytes)
    root = 2 * 8192 * 128
    assert peak.phase == "backward 2"
    assert by_module(log, peak.event, 1)[""]["temporary"] >= root * 4


def logs(config: dict[str, Any], depths: tuple[int, ...], **options: Any) -> dict[int, Log]:
    return {depth: trace(ask(config, layers=depth, target="cuda", **options))[0]
            for depth in depths}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"checkpointing": True}, {"run": "prefill"}],
                         ids=["full", "checkpointing", "prefill"])  # fmt: skip
def test_three_small_depths_give_the_peaks_of_a_deep_model(options: dict[str, Any]) -> None:
    found = logs(LLAMA, (2, 3, 4, 9), **options)
    deep = found.pop(9)
    extended = {each.phase: each.peak_bytes for each in extend(found, 9, 512)}
    assert extended == {each.phase: each.bytes for each in peaks(deep)}


def test_layers_of_unequal_cost_are_not_extended() -> None:
    """Every second layer sees a window: depths must then differ by the period."""
    kinds = ["full_attention", "sliding_attention"] * 4
    config = {**LLAMA, "model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"],
              "num_hidden_layers": 8, "layer_types": kinds, "sliding_window": 8, "head_dim": 16,
              "query_pre_attn_scalar": 16}  # fmt: skip
    options = {"run": "decode", "seq_len": 40, "attn_implementation": "eager"}
    with pytest.raises(UnevenGrowth):
        extend(logs(config, (2, 3, 4), **options), 8, 512)


def test_few_layers_are_extended_to_the_models_own_depth() -> None:
    from weighbridge.trace.depth import extended

    config = {**LLAMA, "num_hidden_layers": 8}
    found = extended(ask(config, target="cuda", extend=1))[2]
    whole = {each.phase: each.bytes for each in peaks(trace(ask(config, target="cuda"))[0])}
    assert found["layers"] == 8
    assert found["traced"] == [3, 4, 5]
    assert {each["phase"]: each["peak_bytes"] for each in found["phases"]} == whole
