"""config.json: the reader, every family, and a plan of whatever came out.

Text is read as it is. Any other bytes are edits to a config of the catalogue, because a random
text hardly ever gets as far as a family: the first two bytes choose the config, then each edit is
a key, what to do with it, and a value.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

from weighbridge.errors import InputError
from weighbridge.formats.stated import stated_format
from weighbridge.memory.cache import cache_elements, state_bytes
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model import catalog
from weighbridge.model.bounded import parse_json_object
from weighbridge.model.config import Config
from weighbridge.model.families import read_model
from weighbridge.planner import plan_request
from weighbridge.request import make_request

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, 7, 8, 64, 4096, 2**14, 2**20, 2**31, 2**63, -1, 0.0, 0.5, 1.0,
    1e308, float("inf"), float("nan"), "", "x", "full_attention", "sliding_attention", [], [1],
    [0] * 64, ["full_attention"] * 64, [[1, 2]], [None], [{}], {}, {"a": 1},
    {"quant_method": "gptq", "bits": 4, "group_size": 128}, {"rope_type": "llama3"},
)  # fmt: skip
EDITS = 12
MOST_LAYERS = 512


@cache
def _configs() -> tuple[dict[str, Any], ...]:
    """One config for each model type."""
    found = {row.config["model_type"]: row.config for row in catalog.rows()}
    return tuple(found[name] for name in sorted(found))


def _sections(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield config
    for value in config.values():
        if isinstance(value, dict):
            yield from _sections(value)


def edited(data: bytes) -> dict[str, Any]:
    """A config of the catalogue with the edits that the bytes say."""
    configs = _configs()
    number = int.from_bytes(data[:2], "little")
    config = copy.deepcopy(configs[number % len(configs)])
    for at in range(2, min(len(data) - 3, 2 + 4 * EDITS), 4):
        section, key, action, value = data[at : at + 4]
        sections = list(_sections(config))
        chosen = sections[section % len(sections)]
        keys = sorted({*chosen, *configs[(number + key) % len(configs)]})
        if not keys:
            continue
        name = keys[key % len(keys)]
        if action % 3 == 0:
            chosen.pop(name, None)
        elif action % 3 == 1 and isinstance(chosen.get(name), int):
            chosen[name] = chosen[name] + value - 128
        else:
            chosen[name] = copy.deepcopy(VALUES[value % len(VALUES)])
    return config


def weigh(raw: dict[str, Any]) -> None:
    """Facts, formats, cache and plan of one config."""
    model = read_model(Config(raw, "config.json"))
    groups = model.layer_groups()
    assert model.parameters >= model.towers_elements >= 0
    assert 0 <= model.active_parameters <= model.parameters
    assert cache_elements(groups, 4096) >= 0
    assert state_bytes(groups, 2) >= 0
    if model.quantization is not None:
        storage = stated_format(model.quantization, "config.json")
        assert weigh_parameters(model.every_parameter(), storage).total >= 0
    if len(model.layers) <= MOST_LAYERS:
        plan = plan_request(make_request("config.json", {"on": "rtx-4090", "context": 4096}), model)
        assert plan.low <= plan.total <= plan.high


def one(data: bytes) -> None:
    """Text that begins with a brace as it is; any other bytes as edits."""
    with suppress(InputError):
        if data.lstrip()[:1] == b"{":
            raw = parse_json_object(data, "config.json")
        else:
            raw = json.loads(json.dumps(edited(data)))
        weigh(raw)
