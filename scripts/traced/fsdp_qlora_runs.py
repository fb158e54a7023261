"""fsdp_qlora's published runs with whole replicas (DDP), as traces.

Answer.AI's train.py of March 2024 with Transformers 4.38: Llama-2-7B, LoRA of rank 64 on all but
the output projection, adapters in bf16, dropout 0.1, reentrant checkpointing, AdamW in foreach,
the model's output kept through backward. That version always passes a mask to sdpa, turns the
logits to fp32 inside the model and copies them once more to shift them; all three are done here,
the rest is the present code. Nothing is fitted.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

from weighbridge.model.catalog import find
from weighbridge.trace.build import build, give_storage
from weighbridge.trace.measure import CUBLAS_WORKSPACE
from weighbridge.trace.optimizers import make_optimizer, states_of
from weighbridge.trace.passes import fake_world
from weighbridge.trace.patches import real_roads
from weighbridge.trace.question import Question
from weighbridge.trace.replay import replay
from weighbridge.trace.tracker import StorageTracker

TARGETS = "k_proj,q_proj,v_proj,up_proj,down_proj,gate_proj"


def traced_reserved(row: dict[str, Any]) -> int:
    """Peak of the allocator's segments over two steps."""
    found = find(row["model"])
    assert found is not None
    question = Question(
        config=found.config, run="train", method=row["method"], targets=TARGETS, rank=64,
        adapters_fp32=False, lora_dropout=0.1, checkpointing=True, reentrant=True,
    )  # fmt: skip
    model = build(question).to(torch.device("meta"))
    trained = [each for each in model.parameters() if each.requires_grad]
    for each in trained:
        each.data = each.data.to(torch.bfloat16)
    with ExitStack() as stack:
        stack.enter_context(fake_world(fake=True))
        stack.enter_context(real_roads("cuda", "auto"))
        give_storage(model)
        trained = [each for each in model.parameters() if each.requires_grad]
        tracker = StorageTracker(model, CUBLAS_WORKSPACE)
        tracker.adopt(model.parameters(), "parameter")
        tracker.adopt(model.buffers(), "buffer")
        _loop(model, make_optimizer("adamw_torch", trained), tracker, row)
        log = tracker.log()
    return replay([storage.size for storage in log.storages], log.events).peak_reserved


def _loop(model: Any, optimizer: Any, tracker: StorageTracker, row: dict[str, Any]) -> None:
    shape = (row["batch"], row["seq_len"])
    with tracker.running():
        for _ in range(2):
            ids = torch.zeros(shape, dtype=torch.long)
            mask = torch.ones(shape, dtype=torch.long)
            output, loss = _forward(model, ids, mask)
            loss.backward()
            trained = [each for group in optimizer.param_groups for each in group["params"]]
            torch.nn.utils.clip_grad_norm_(trained, 0.3)
            optimizer.step()
            tracker.tag(states_of(optimizer), "optimizer")
            optimizer.zero_grad()
            output = loss = None
    del output, loss


def _forward(model: Any, ids: Any, mask: Any) -> tuple[Any, Any]:
    """LlamaForCausalLM.forward of 4.38: fp32 logits, shifted by a contiguous copy."""
    output = model(input_ids=ids, attention_mask=mask)
    output.logits = output.logits.float()
    shifted = output.logits[..., :-1, :].contiguous()
    labels = ids[..., 1:].contiguous().view(-1)
    shifted = shifted.view(-1, shifted.shape[-1])
    return output, torch.nn.functional.cross_entropy(shifted, labels)
