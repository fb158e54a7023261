"""States and caches of recurrent and hybrid models against the bytes that Transformers holds after
a real forward of tiny random models on a CPU, in bfloat16."""

from __future__ import annotations

from typing import Any

import pytest
from tiny import COMPOSITE, TINY, tiny

from weighbridge.memory.cache import cache_elements, state_bytes
from weighbridge.model.config import Config
from weighbridge.model.facts import CacheStream, Model
from weighbridge.model.families import read_model

torch = pytest.importorskip("torch", reason="needs the [trace] extra")
transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")

BATCH, TOKENS = 2, 21


def run(config: dict[str, Any]) -> tuple[Any, Any]:
    """The model after it has read TOKENS tokens, and its output."""
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    made = mapping[config["model_type"]].from_dict(config)
    torch.manual_seed(0)
    model = getattr(transformers, config["architectures"][0])(made).to(torch.bfloat16).eval()
    given = {}
    if config["model_type"] == "recurrent_gemma":  # it does not return the one it makes
        given = {"past_key_values": transformers.DynamicCache(config=made)}
    with torch.no_grad():
        output = model(torch.randint(3, 90, (BATCH, TOKENS)), use_cache=True, **given)
    return model, given or output


def held_bytes(root: Any) -> int:
    """Bytes of the floating-point tensors that an object reaches, each storage once."""
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, torch.Tensor):
            if each.is_floating_point():
                sizes[each.data_ptr() or id(each)] = each.numel() * each.element_size()
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list | tuple):
            waiting += each
        elif "cache" in type(each).__module__ or "modeling" in type(each).__module__:
            waiting += vars(each).values()
    return sum(sizes.values())


def expected_bytes(model: Model) -> int:
    def kept(stream: CacheStream, tokens: int) -> int:
        return tokens if stream.window is None else min(tokens, stream.window - 1)

    groups = model.layer_groups()
    return BATCH * (2 * cache_elements(groups, TOKENS, kept=kept) + state_bytes(groups, 2))


@pytest.mark.parametrize("model_type", [*TINY, *COMPOSITE])
def test_a_tiny_model_holds_what_its_layers_say(model_type: str) -> None:
    config = tiny(model_type)
    facts = read_model(Config(config, model_type))
    model, output = run(config)
    assert facts.parameters == sum(each.numel() for each in model.parameters())
    held = held_bytes([output.get("past_key_values"), output.get("cache_params")])
    if model_type == "recurrent_gemma":  # its states are attributes of the modules
        held += sum(
            held_bytes([vars(module).get("conv1d_state"), vars(module).get("recurrent_states")])
            for module in model.modules()
        )
    assert held == expected_bytes(facts)
