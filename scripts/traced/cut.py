"""A config with fewer layers, and the closed form's answer for it: the standard library only."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weighbridge.term import Term
from weighbridge.trace.compare import OUTSIDE, closed_terms
from weighbridge.trace.question import Question

DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
BY_NUMBER = ("full_attn_idxs", "attn_layer_indices", "hybrid_layer_ids")
PATTERN = "hybrid_override_pattern"
RESIDENT = {"weights": "parameters", "adapters": "parameters", "master_weights": "parameters",
            "gradients": "gradients", "optimizer": "optimizer"}  # fmt: skip


def cut(config: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """The config with its first ``layers`` decoder layers; 0 keeps them all."""
    if not layers:
        return dict(config)
    if isinstance(config.get("text_config"), dict):
        return {**config, "text_config": cut(config["text_config"], layers)}
    before = next(config[name] for name in DEPTHS if config.get(name))
    return {name: _cut_value(name, value, layers, before) for name, value in config.items()}


def _cut_value(name: str, value: Any, layers: int, before: int) -> Any:
    if name in DEPTHS:
        return layers
    if name in BY_NUMBER and isinstance(value, list):
        return [each for each in value if each < layers]
    if name == PATTERN or (isinstance(value, list) and len(value) == before):
        return value[:layers]
    return value


def closed(question: Question) -> dict[str, int]:
    """Peak of live bytes, and what the ledger holds of parameters, gradients and states."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(question.config), encoding="utf-8")
        phases = _phases(str(path), question)
    left = {*OUTSIDE, "logits"} if question.run == "decode" else OUTSIDE
    found = {"peak": max(_sum(term for term in terms if term.name not in left)
                         for terms in phases)}  # fmt: skip
    for kind in ("parameters", "gradients", "optimizer"):
        found[kind] = max(
            _sum(term for term in terms if RESIDENT.get(term.name) == kind) for terms in phases
        )
    return found


def _phases(name: str, question: Question) -> list[tuple[Term, ...]]:
    if question.run != "train":
        return [tuple(closed_terms(name, question))]
    from weighbridge.api import train
    from weighbridge.trace.training import options_of

    return [*train(name, **options_of(question)).devices[0].phases.values()]


def _sum(terms: Iterable[Term]) -> int:
    return sum(int(term.bytes) for term in terms)
