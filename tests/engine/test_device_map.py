"""``device_map="auto"``: our layers on devices against accelerate's own answer."""

from __future__ import annotations

import pytest

from weighbridge.engine.transformers.device_map import Block, balanced
from weighbridge.model import catalog

MODELS = ["llama-3.1-8b", "qwen2.5-7b-instruct", "mistral-7b-instruct-v0.3", "phi-4", "gpt2-xl"]


def test_one_device_gets_everything() -> None:
    assert balanced([Block("a", 5), Block("b", 7)], [None], 7) == [0, 0]


def test_blocks_stay_in_order_and_none_is_lost() -> None:
    placed = balanced([Block(str(i), 10) for i in range(40)], [150, 150, 150, 150], 10)
    assert placed == sorted(placed)
    assert len(placed) == 40
    assert set(placed) == {0, 1, 2, 3}


@pytest.mark.parametrize("devices", [2, 3, 4])
@pytest.mark.parametrize("name", MODELS)
def test_shares_agree_with_accelerate(name: str, devices: int) -> None:
    torch = pytest.importorskip("torch", reason="needs the [trace] extra")
    transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
    accelerate = pytest.importorskip("accelerate", reason="needs the [trace] extra")
    row = catalog.find(name)
    assert row is not None
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    config = mapping[row.config["model_type"]].from_dict(row.config)
    with torch.device("meta"):
        model = getattr(transformers, row.config["architectures"][0])(config).to(torch.bfloat16)
    room = dict.fromkeys(range(devices), 200 * 2**30)
    blocks = [*(model._no_split_modules or ())]
    share = accelerate.utils.get_balanced_memory(
        model, max_memory=room, no_split_module_classes=blocks
    )
    placed = accelerate.infer_auto_device_map(
        model, max_memory=share, no_split_module_classes=blocks
    )
    theirs = dict.fromkeys(range(devices), 0)
    for parameter, tensor in model.named_parameters():
        place = next(
            device
            for module, device in placed.items()
            if module == "" or parameter.startswith(f"{module}.") or parameter == module
        )
        theirs[place] += tensor.nbytes

    import weighbridge as wb

    plan = wb.plan(row.id, on=f"{devices}xh200", weights="bf16", context=1024)
    ours = {
        device.index: sum(t.bytes for t in device.terms if t.name == "weights")
        for device in plan.devices
    }
    assert sum(ours.values()) == sum(theirs.values())
    layer = sum(p.elements for p in plan.model.layers[0].parameters) * 2
    for index in range(devices):
        assert abs(ours[index] - theirs[index]) <= layer, (ours, theirs)
