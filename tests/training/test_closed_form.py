"""The table of the closed form against the trace: its parts that need no trace."""

from __future__ import annotations

import pytest
from scripts import closed_form
from scripts.traced.cut import closed, cut

from weighbridge.trace.question import Question
from weighbridge.trace.training import options_of


def test_a_cut_config_keeps_lists_in_step() -> None:
    config = {"num_hidden_layers": 3, "layer_types": ["a", "b", "a"], "full_attn_idxs": [0, 2],
              "hidden_size": 8}  # fmt: skip
    assert cut(config, 2) == {"num_hidden_layers": 2, "layer_types": ["a", "b"],
                              "full_attn_idxs": [0], "hidden_size": 8}  # fmt: skip
    assert cut({"text_config": config}, 1)["text_config"]["num_hidden_layers"] == 1
    assert cut(config, 0) == config


def test_both_sides_are_asked_for_the_same_upcast() -> None:
    made = options_of(Question(config={}, run="train", method="qlora", double_quant=False))
    assert (made["quantization"], made["kbit_upcast"]) == ("nf4", False)
    made = options_of(Question(config={}, run="train", method="qlora", prepare_kbit=True))
    assert (made["quantization"], made["kbit_upcast"]) == ("nf4-dq", True)


@pytest.mark.parametrize("model", ["llama-3.2-1b", "gemma-2-9b"])
@pytest.mark.parametrize("name", [*closed_form.PASSES])
def test_kept_traces_are_met(model: str, name: str) -> None:
    case = next(each for each in closed_form.cases()
                if each.model == model and each.name == name)  # fmt: skip
    found = closed_form.Result(case, closed_form.kept()[case.key], closed(case.question()))
    assert abs(found.error) < 0.005
    assert found.exact("parameters")
