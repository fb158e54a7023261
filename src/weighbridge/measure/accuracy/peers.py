"""What other estimators say of the same quantities, beside what is true and what we say.

``peer_errors.jsonl`` holds quantities that follow from a model's own shapes, as peers answered when
they were run or read; ``speed_peer.csv.gz`` times per token of aiconfigurator on the served rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from weighbridge.formats import find_format
from weighbridge.measure.accuracy.figure import Figure
from weighbridge.measure.accuracy.truth import csv_rows, json_rows
from weighbridge.memory.cache import cache_elements, elements_per_token, visible_tokens
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.load import load_model

SIXTEEN_BIT = 2
SPEED_PEER = "aiconfigurator 0.12.0"


class Peer(NamedTuple):
    """A quantity as measured (or true by its definition), as a peer says it, and as we do."""

    peer: str
    model: str
    quantity: str
    unit: str
    true: float
    theirs: float
    ours: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """The row as ``--json`` prints it."""
        return {**self._asdict(), "their_error": self.theirs / self.true - 1,
                "our_error": self.ours / self.true - 1}  # fmt: skip


def peer_rows() -> list[dict[str, Any]]:
    """The rows of sizes."""
    return json_rows("peer_errors.jsonl")


def _weights(name: str, storage: str) -> int:
    model = load_model(name)
    return weigh_parameters(model.every_parameter(), find_format(storage)).total


def _rotary_buffer(model: Model) -> int:
    """The inverse frequencies, which are no parameter: fp32, one for two dimensions of a head."""
    return model.rotary_width // 2 * 4


def ours(row: dict[str, Any]) -> int:
    """The row's quantity as our facts give it: 16-bit caches, windows ideally kept."""
    name = row["model"].removesuffix(" GGUF")
    if row["quantity"] == "kv":
        return int(SIXTEEN_BIT * cache_elements(load_model(name).layer_groups(), row["context"]))
    if row["quantity"] == "kv_per_token":
        groups = load_model(name).layer_groups()
        return int(SIXTEEN_BIT * elements_per_token(groups, kept=visible_tokens))
    if row["quantity"] == "weights_fp16":
        return _weights(name, "fp16") + _rotary_buffer(load_model(name))
    tensor = re.fullmatch(r"tensor (\w+) (\d+)x(\d+)", name)
    if tensor is not None:
        kind, rows, columns = tensor.groups()
        matrix = Parameter("blk.0.attn_q.weight", (int(rows), int(columns)), "linear")
        return int(find_format(kind.lower()).bytes_of(matrix))
    return _weights(name.removesuffix("-AWQ"), "awq")


def peers(figures: Iterable[Figure]) -> list[Peer]:
    """Every row that a peer answered; times beside ours among ``figures``."""
    found = [
        Peer(row["peer"], row["model"], row["quantity"], "bytes", row["true_bytes"],
             row["peer_bytes"], ours(row), row["source"])
        for row in peer_rows()
    ]  # fmt: skip
    said = {row["id"]: row for row in csv_rows("speed_peer.csv.gz")}
    for figure in figures:
        row = said.get(figure.id)
        if row is not None and figure.quantity == "time per token, served":
            found.append(Peer(
                SPEED_PEER, figure.family, "time per token", "s",
                figure.measured, float(row["tpot_ms"]) / 1e3, figure.predicted, figure.id,
            ))  # fmt: skip
    return found
