"""What other estimators get wrong, and by how much: our figure is the true one in every row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from weighbridge.formats import find_format
from weighbridge.memory.cache import cache_elements, elements_per_token, visible_tokens
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.load import load_model

TRUTH = Path(__file__).parent.parent / "truth" / "peer_errors.jsonl"
ROWS = [json.loads(line) for line in TRUTH.read_text(encoding="utf-8").splitlines()]
SIXTEEN_BIT = 2


def weights(name: str, storage: str) -> int:
    model = load_model(name)
    return weigh_parameters(model.every_parameter(), find_format(storage)).total


def rotary_buffer(model: Model) -> int:
    """The inverse frequencies, which are no parameter: fp32, one for two dimensions of a head."""
    return model.rotary_width // 2 * 4


def ours(row: dict[str, Any]) -> int:
    """The row's quantity as our facts give it: 16-bit caches, windows ideally kept."""
    name = row["model"].removesuffix(" GGUF")
    if row["quantity"] == "kv":
        return SIXTEEN_BIT * cache_elements(load_model(name).layer_groups(), row["context"])
    if row["quantity"] == "kv_per_token":
        groups = load_model(name).layer_groups()
        return SIXTEEN_BIT * elements_per_token(groups, kept=visible_tokens)
    if row["quantity"] == "weights_fp16":
        return weights(name, "fp16") + rotary_buffer(load_model(name))
    tensor = re.fullmatch(r"tensor (\w+) (\d+)x(\d+)", name)
    if tensor is not None:
        kind, rows, columns = tensor.groups()
        return find_format(kind.lower()).bytes_of(
            Parameter("blk.0.attn_q.weight", (int(rows), int(columns)), "linear")
        )
    assert name.endswith("-AWQ")
    return weights(name.removesuffix("-AWQ"), "awq")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['peer']}: {row['model']}")
def test_our_figure_is_the_true_one(row: dict[str, Any]) -> None:
    assert ours(row) == row["true_bytes"]
    assert row["peer_bytes"] != row["true_bytes"]


def test_every_row_says_where_it_is_from() -> None:
    assert len(ROWS) == 31
    assert all(row["source"] and row["how"] in {"executed", "derived"} for row in ROWS)
