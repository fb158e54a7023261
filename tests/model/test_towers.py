"""Towers beside the language model: equal layers are one, however many a config claims."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.errors import ConfigError
from weighbridge.model import catalog
from weighbridge.model.config import LAYERS, Config
from weighbridge.model.families import read_model

KEYS = ("num_hidden_layers", "depth", "layers", "vt_num_hidden_layers", "num_layers")
SECTIONS = ("vision_config", "audio_config")


def claimed(config: dict[str, Any]) -> dict[str, Any]:
    """The config with as many tower layers as any reader lets through."""
    changed = dict(config)
    for section in SECTIONS:
        inner = changed.get(section)
        if isinstance(inner, dict):
            changed[section] = inner | dict.fromkeys(KEYS, LAYERS)
    if config["model_type"] == "whisper":
        changed["encoder_layers"] = LAYERS
    if config["model_type"] == "t5":
        changed["num_layers"] = LAYERS
    return changed


ROWS = {
    row.config["model_type"]: row
    for row in catalog.rows()
    if read_model(Config(row.config, row.id)).towers
}


@pytest.mark.parametrize("kind", ROWS)
def test_claimed_layers_cost_nothing_to_read(kind: str) -> None:
    row = ROWS[kind]
    before = read_model(Config(row.config, row.id))
    after = read_model(Config(claimed(row.config), row.id))
    for mine, theirs in zip(before.towers, after.towers, strict=True):
        assert len(theirs.parameters) <= len(mine.parameters) <= 300
        assert theirs.elements >= mine.elements


@pytest.mark.parametrize("kind", ROWS)
def test_each_layer_of_a_tower_has_its_own_name(kind: str) -> None:
    model = read_model(Config(ROWS[kind].config, kind))
    names = [name for name, _ in model.named_parameters()]
    assert len(set(names)) == len(names)
    assert not any("{" in name for name in names)


def test_tiles_are_bounded() -> None:
    row = ROWS["mllama"]
    vision = {**row.config.get("vision_config", {}), "max_num_tiles": 2**20}
    vision.pop("supported_aspect_ratios", None)
    with pytest.raises(ConfigError, match="max_num_tiles"):
        read_model(Config({**row.config, "vision_config": vision}, row.id))
