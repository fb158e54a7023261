"""PEFT's published MetaMathQA runs (method_comparison/MetaMathQA/run.py) as traces.

Llama-3.2-3B in bf16, batches of four, padded. The loader sorts each bucket of twenty batches from
long to short and the loop empties PyTorch's cache every ten steps, so that the longest batch of
all comes right after the cache was emptied: the replay runs a short step, empties the cache, and
runs the longest one. How long that is, is not published: LONGEST was fitted on one row (rank-32
LoRA, ``use: fit``), and all others are reported.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

from weighbridge.model.catalog import find
from weighbridge.trace.build import build, give_storage
from weighbridge.trace.measure import workspace_of
from weighbridge.trace.optimizers import make_optimizer, states_of
from weighbridge.trace.passes import fake_world
from weighbridge.trace.patches import real_roads, replaced
from weighbridge.trace.question import Question
from weighbridge.trace.replay import CachingAllocator
from weighbridge.trace.tracker import StorageTracker

LONGEST, SHORT = 704, 160


def peft_model(row: dict[str, Any], device: str = "meta") -> Any:
    """The base with the row's adapter, on a device that holds no values."""
    import peft
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    found = find(row["model"])
    assert found is not None
    base = build(Question(config=found.config, run="train"), device)
    if row["adapter"] is None:
        return base
    kind = PEFT_TYPE_TO_CONFIG_MAPPING[row["adapter"]["peft_type"]]
    names = set(kind.__dataclass_fields__)
    values = {name: value for name, value in row["adapter"].items() if name in names}
    values["task_type"] = "CAUSAL_LM"
    autocast = row["training"].get("autocast_adapter_dtype", True)
    with torch.device(device):
        return peft.get_peft_model(base, kind(**values), autocast_adapter_dtype=autocast)  # type: ignore[arg-type]


def _without_values(row: dict[str, Any]) -> Any:
    """On meta; on a CPU, uninitialised, where making an adapter reads the base's values."""
    from transformers.initialization import no_init_weights

    try:
        with replaced(torch.Tensor, "item", lambda _: 1):
            return peft_model(row)
    except (NotImplementedError, RuntimeError):
        with no_init_weights():
            return peft_model(row, "cpu")


def optimizer_of(row: dict[str, Any], model: Any) -> Any:
    kind = row["training"].get("optimizer_type", "AdamW")
    if kind == "lora-fa":
        from peft.optimizers import create_lorafa_optimizer

        kwargs = row["training"]["optimizer_kwargs"]
        return create_lorafa_optimizer(model, **kwargs)
    return make_optimizer("adamw_torch", [*model.parameters()])


def traced_reserved(row: dict[str, Any], longest: int = LONGEST) -> tuple[int, int]:
    """(reserved, allocated) at their highest over the longest step."""
    model = _without_values(row)
    with ExitStack() as stack:
        stack.enter_context(fake_world(fake=True))
        stack.enter_context(real_roads("cuda", "auto"))
        stack.enter_context(replaced(torch.Tensor, "item", lambda _: 1))
        give_storage(model)
        model.train()
        optimizer = optimizer_of(row, model)
        if row["adapter"] is not None:
            # run.py measures the base first; leaving this block thaws every adapter, also those
            # that the optimizer of LoRA-FA has frozen.
            with model.disable_adapter():
                pass
        tracker = StorageTracker(model, workspace_of(row["gpu"]))
        tracker.adopt(model.parameters(), "parameter")
        tracker.adopt(model.buffers(), "buffer")
        emptied = _loop(model, optimizer, tracker, row["batch"], (SHORT, longest))
        log = tracker.log()
    allocator, held = CachingAllocator(), {}
    for number, event in enumerate(log.events):
        if number == emptied:
            allocator.empty_cache()
        if event >= 0 and log.storages[event].size:
            held[event] = allocator.take(log.storages[event].size)
        elif event < 0 and ~event in held:
            allocator.give(held.pop(~event))
    return allocator.peak_reserved, allocator.peak_allocated


def _loop(
    model: Any, optimizer: Any, tracker: StorageTracker, batch: int, lengths: tuple[int, ...]
) -> int:
    """The training loop, its variables kept as run.py keeps them; the event of the emptying."""
    emptied = 0
    outputs = loss = data = labels = None
    with tracker.running():
        for length in lengths:
            emptied = tracker.count()
            ids = torch.zeros(batch, length, dtype=torch.long)
            mask = torch.ones(batch, length, dtype=torch.long)
            data = {"input_ids": ids, "attention_mask": mask}
            del ids, mask
            labels = data["input_ids"].clone()
            data["labels"] = labels
            optimizer.zero_grad()
            outputs = model(**data, num_items_in_batch=float(batch * length))
            loss = outputs.loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            tracker.tag(states_of(optimizer), "optimizer")
    del outputs, loss, data, labels
    return emptied
