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


LIMITS = [
    "0=6GiB,cpu=40GiB",
    "0=4GiB,1=5GiB,cpu=6GiB",
    "0=30GiB,cpu=1GiB",
    "0=3GiB,1=30GiB,cpu=9GiB",
]


@pytest.mark.parametrize("kind", ["auto", "balanced_low_0", "sequential"])
@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen2.5-7b-instruct"])
def test_what_is_offloaded_agrees_with_transformers(name: str, limits: str, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="needs the [trace] extra")
    transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
    placing = pytest.importorskip("transformers.integrations.accelerate", reason="needs [trace]")
    row = catalog.find(name)
    assert row is not None
    mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    config = mapping[row.config["model_type"]].from_dict(row.config)
    with torch.device("meta"):
        model = getattr(transformers, row.config["architectures"][0])(config).to(torch.bfloat16)
    pairs = [part.split("=") for part in limits.split(",")]
    room = {"cpu" if d == "cpu" else int(d): int(size[:-3]) * 2**30 for d, size in pairs}
    theirs = placing._get_device_map(model, kind, dict(room), None)

    import weighbridge as wb

    cards = sum(device != "cpu" for device in room)
    plan = wb.plan(row.id, on=f"{cards}xh200", weights="bf16", context=1024,
                   device_map=kind, max_memory=limits)  # fmt: skip
    from weighbridge.engine import Question
    from weighbridge.engine.transformers.setup import set_up
    from weighbridge.engine.transformers.share import shares

    assert plan.machine is not None
    question = Question(plan.model, plan.engine, plan.request.deployment, plan.tokens, 1,
                        plan.machine.devices)  # fmt: skip
    ours = {
        index: {-1: "cpu", -2: "disk"}.get(share.device, share.device)
        for share in shares(set_up(question))
        for index in share.layers
    }
    expected = {
        index: next(
            place
            for module, place in theirs.items()
            if f"model.layers.{index}.".startswith(f"{module}." if module else "")
        )
        for index in range(len(plan.model.layers))
    }
    assert ours == expected
