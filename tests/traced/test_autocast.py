"""Autocast over fp32 weights: a card's list of operators, and what PyTorch's cache keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
pytest.importorskip("transformers", reason="needs the [trace] extra")

from traced.tiny import LLAMA, ask  # noqa: E402
from weighbridge.trace.autocast import card_casts  # noqa: E402
from weighbridge.trace.log import Log, peaks  # noqa: E402
from weighbridge.trace.measure import trace  # noqa: E402

F = torch.nn.functional
Call = Callable[[Any], Any]
# Operators on which the two lists differ, and the type that a card gives for 16-bit input.
ON_A_CARD: dict[str, tuple[Call, Any]] = {
    "softmax": (lambda x: x.softmax(-1), torch.float32),
    "log_softmax": (lambda x: x.log_softmax(-1), torch.float32),
    "layer_norm": (lambda x: F.layer_norm(x, (8,)), torch.float32),
    "pow": (lambda x: x.pow(2), torch.float32),
    "exp": (lambda x: x.exp(), torch.float32),
    "cumsum": (lambda x: x.cumsum(0), torch.float32),
    "sum": (lambda x: x.sum(), torch.float32),
    "sum that names its type": (lambda x: x.sum(dtype=torch.bfloat16), torch.bfloat16),
    "silu": (F.silu, torch.bfloat16),
    "product": (lambda x: x @ x.T, torch.bfloat16),
    "product of fp32": (lambda x: x.float() @ x.T, torch.bfloat16),
    "attention": (lambda x: F.scaled_dot_product_attention(*[x[None, None].float()] * 3),
                  torch.bfloat16),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_A_CARD)
def test_operators_are_cast_as_a_card_casts_them(name: str) -> None:
    """Tensor types of CUDA's autocast: PyTorch's documentation, CUDA Op-Specific Behavior."""
    call, kind = ON_A_CARD[name]
    x = torch.ones(8, 8, dtype=torch.bfloat16)
    with card_casts(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert call(x).dtype == kind


def test_the_processors_own_list_is_back_afterwards() -> None:
    x = torch.ones(8, 8, dtype=torch.bfloat16)
    with card_casts():
        pass
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert x.softmax(-1).dtype == x.exp().dtype == torch.bfloat16


WIDE_MLP = {**LLAMA, "intermediate_size": 200}
UP = 64 * 200 * 2  # a matrix of the MLP in 16 bit


def casts(log: Log, phase: str) -> int:
    """16-bit copies of matrices of the MLP that a phase makes."""
    span = next(each for each in log.phases if each.name == phase)
    made = [log.storages[event] for event in log.events[span.start : span.end] if event >= 0]
    return sum(each.size == UP and "_to_copy" in each.operator for each in made)


def test_a_trained_weight_is_cast_once_in_a_forward_pass_and_again_when_recomputed() -> None:
    matrices = 3 * LLAMA["num_hidden_layers"]
    options = {"dtype": "amp-bf16", "target": "cuda"}
    plain, again = (trace(ask(WIDE_MLP, **options, checkpointing=each))[0]
                    for each in (False, True))  # fmt: skip
    assert casts(plain, "forward 2") == casts(again, "forward 2") == matrices
    assert casts(plain, "backward 2") == 0
    assert casts(again, "backward 2") == matrices


def test_autocast_keeps_fp32_weights_and_states_and_takes_less_than_fp32() -> None:
    config = {**LLAMA, "vocab_size": 2000}
    amp, full = (trace(ask(config, dtype=kind, target="cuda", seq_len=128))[0]
                 for kind in ("amp-bf16", "fp32"))  # fmt: skip
    ends = [{each.phase: each.end_bytes for each in peaks(log, 1)} for log in (amp, full)]
    assert ends[0]["optimizer 2"] == ends[1]["optimizer 2"]
    assert ends[0]["forward 2"] < ends[1]["forward 2"]
