"""A trace under fake tensors against the same model run for real on the CPU: equal to the byte.

The run is measured twice: by the tracker over real tensors, phase by phase, and by the allocator
itself, whose every allocation torch.profiler records.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
pytest.importorskip("transformers", reason="needs the [trace] extra")

from traced.tiny import GPT2, LLAMA, ask  # noqa: E402
from weighbridge.trace.build import build  # noqa: E402
from weighbridge.trace.log import peaks  # noqa: E402
from weighbridge.trace.measure import execute, trace  # noqa: E402
from weighbridge.trace.passes import run_pass  # noqa: E402
from weighbridge.trace.question import Question  # noqa: E402
from weighbridge.trace.tracker import StorageTracker  # noqa: E402

SETTINGS: dict[str, dict[str, Any]] = {
    "prefill": {"run": "prefill"},
    "prefill-all-logits-fp32": {"run": "prefill", "logits_to_keep": 0, "dtype": "fp32"},
    "prefill-eager": {"run": "prefill", "attn_implementation": "eager"},
    "decode": {"run": "decode", "decode_steps": 3},
    "decode-padded": {"run": "decode", "padded": True},
    "full-fused": {},
    "full-foreach": {"optimizer": "adamw_torch"},
    "full-forloop-fp32": {"optimizer": "adamw_forloop", "dtype": "fp32"},
    "full-eager": {"attn_implementation": "eager"},
    "full-checkpointing": {"checkpointing": True},
    "full-checkpointing-reentrant": {"checkpointing": True, "reentrant": True},
    "full-padded": {"padded": True},
    "full-accumulation": {"accumulation": 2},
    "full-keeping-outputs": {"keep_outputs": True},
    "full-sgd-momentum": {"optimizer": "sgd_momentum"},
    "full-muon": {"optimizer": "muon"},
    "full-autocast": {"dtype": "amp-bf16"},
    "full-autocast-checkpointing": {"dtype": "amp-bf16", "checkpointing": True},
    "full-autocast-reentrant": {"dtype": "amp-bf16", "checkpointing": True, "reentrant": True},
    "full-autocast-eager": {"dtype": "amp-bf16", "attn_implementation": "eager"},
    "full-autocast-accumulation": {"dtype": "amp-bf16", "accumulation": 2},
    "full-autocast-keeping-outputs": {"dtype": "amp-bf16", "keep_outputs": True},
    "tied": {"config": {**LLAMA, "tie_word_embeddings": True}},
    "gpt2": {"config": GPT2},
}
ADAPTED: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora"},
    "lora-checkpointing": {"method": "lora", "checkpointing": True},
    "lora-bf16-adapters": {"method": "lora", "adapters_fp32": False},
    "lora-autocast": {"method": "lora", "dtype": "amp-bf16"},
    "lora-autocast-checkpointing": {"method": "lora", "dtype": "amp-bf16", "checkpointing": True},
    "qlora-autocast": {"method": "qlora", "dtype": "amp-bf16", "prepare_kbit": True},
    "lora-dora": {"method": "lora", "use_dora": True},
    "lora-foreach": {"method": "lora", "optimizer": "adamw_torch"},
    "qlora-stand-in": {"method": "qlora", "checkpointing": True, "prepare_kbit": True},
}


def by_phase(log: Any) -> list[tuple[str, int, int]]:
    return [(each.phase, each.bytes, each.end_bytes) for each in peaks(log, 1)]


def check(options: dict[str, Any]) -> None:
    question = ask(**options)
    assert by_phase(trace(question)[0]) == by_phase(execute(question)[0])


@pytest.mark.parametrize("name", SETTINGS)
def test_every_phase_is_equal_to_the_byte(name: str) -> None:
    check(SETTINGS[name])


@pytest.mark.parametrize("name", ADAPTED)
def test_every_phase_with_adapters_is_equal_to_the_byte(name: str) -> None:
    pytest.importorskip("peft")
    check(ADAPTED[name])


# Scalars that C++ makes without asking the dispatcher; no dispatch mode can see them.
UNSEEN = 64


@pytest.mark.parametrize("name", ["full-fused", "full-checkpointing", "full-eager"])
def test_the_allocator_itself_reports_the_traced_peak(name: str) -> None:
    """torch.profiler hears of every allocation below Python.

    The vocabulary is large enough for the peak to lie in the loss, as it does in real models;
    attention on a CPU takes scratch for each thread, which no card takes. Checkpointing keeps the
    state of the processor's random numbers for each layer, which lies in host memory.
    """
    config = {**LLAMA, "vocab_size": 2000}
    question = ask(config, **{"seq_len": 64, **SETTINGS[name]})
    traced = max(each.bytes for each in peaks(trace(question)[0], 1))
    numbers = 0
    if question.checkpointing:
        import torch

        numbers = config["num_hidden_layers"] * torch.get_rng_state().nbytes
    assert 0 <= allocated(question) - traced - numbers <= UNSEEN


def allocated(question: Question) -> int:
    """The most that the CPU's allocator held for tensors, by the profiler."""
    from torch.profiler import ProfilerActivity, profile

    model = build(question, "cpu")
    tensors = {each.untyped_storage()._cdata: each.untyped_storage().nbytes()
               for each in (*model.parameters(), *model.buffers())}  # fmt: skip
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        run_pass(model, question, StorageTracker(model))
    events = [e for e in watched.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = sum(tensors.values())
    for event in sorted(events, key=lambda each: each.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
