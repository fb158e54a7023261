"""Training under autocast: the closed form against traced peaks, and what each rule rests on.

Peaks of live bytes as `weigh trace --pass train --precision amp-bf16` gives them for the models'
first four layers (two for the loop that keeps its outputs), 2 sequences of 2,048 tokens; torch
2.13.0, transformers 5.23.0, peft 0.21.
"""

from __future__ import annotations

from typing import Any

import pytest
from scripts.traced.cut import closed, cut

from weighbridge.model.catalog import find
from weighbridge.trace.question import Question
from weighbridge.trace.training import options_of

KINDS: dict[str, dict[str, Any]] = {
    "full": {},
    "checkpointed": {"checkpointing": True},
    "LoRA": {"method": "lora"},
    "LoRA, checkpointed": {"method": "lora", "checkpointing": True},
    "outputs kept": {"keep_outputs": True},
}
TRACED = (
    # A head of its own, a tied one, a wider norm, and GELU written out with a tied head.
    ("llama-3.1-8b", 4, "full", 36_325_713_408),
    ("llama-3.1-8b", 4, "checkpointed", 31_649_011_712),
    ("llama-3.1-8b", 4, "LoRA", 20_396_623_872),
    ("llama-3.2-1b", 4, "full", 15_605_629_952),
    ("llama-3.2-1b", 4, "checkpointed", 13_137_163_264),
    ("llama-3.2-1b", 4, "LoRA", 11_303_102_464),
    ("llama-3.2-1b", 2, "outputs kept", 14_945_900_544),
    ("qwen2.5-7b", 4, "full", 39_141_574_144),
    ("qwen2.5-7b", 4, "LoRA", 22_515_638_272),
    ("mistral-7b-v0.1", 4, "full", 21_343_659_520),
    ("mistral-7b-v0.1", 4, "LoRA, checkpointed", 6_791_116_800),
    ("gemma-7b", 4, "full", 44_310_619_648),
    ("gemma-7b", 4, "checkpointed", 37_397_207_040),
    ("gemma-7b", 4, "LoRA", 28_794_173_952),
    ("gpt2-xl", 4, "full", 7_656_430_592),
    ("gpt2-xl", 4, "checkpointed", 5_259_185_152),
    ("gpt2-xl", 4, "LoRA", 6_032_404_480),
)
# GPT-2 drops part of the embedding's output; the mask of one byte is not counted.
WITHIN = {"gpt2-xl": 0.0011}


@pytest.mark.parametrize(("model", "layers", "kind", "peak"), TRACED)
def test_peaks_under_autocast_are_the_traced_ones(
    model: str, layers: int, kind: str, peak: int
) -> None:
    row = find(model)
    assert row is not None
    question = Question(config=cut(row.config, layers), run="train", batch=2, seq_len=2048,
                        dtype="amp-bf16", **KINDS[kind])  # fmt: skip
    assert closed(question)["peak"] == pytest.approx(peak, rel=WITHIN.get(model, 0.00005))


def test_adapters_of_fp32_weights_are_fp32_whether_widened_or_not() -> None:
    """PEFT's autocast_adapter_dtype widens 16 bit alone; otherwise adapters have their weight's
    type."""
    asked = {dtype: options_of(Question(config={}, run="train", method="lora", dtype=dtype,
                                        adapters_fp32=False))["adapter_dtype"]
             for dtype in ("bf16", "amp-bf16", "fp32")}  # fmt: skip
    assert asked == {"bf16": "bf16", "amp-bf16": "fp32", "fp32": "fp32"}


def test_a_traces_dropout_is_asked_of_the_closed_form_too() -> None:
    made = options_of(Question(config={}, run="train", method="lora", lora_dropout=0.1))
    assert made["lora_dropout"] == 0.1
