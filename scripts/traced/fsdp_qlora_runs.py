"""fsdp_qlora's published runs with whole replicas (DDP), as traces.

Answer.AI's train.py of March 2024 with Transformers 4.38: Llama-2-7B, LoRA of rank 64 on all but
the output projection, adapters in bf16, dropout 0.1, reentrant checkpointing, AdamW in foreach,
the model's output kept through backward. That version keeps a causal mask of all positions as a
buffer of 64-bit integers, makes a mask of the batch from it (all positions squared, through a
64-bit copy), cuts it anew in every layer, turns the logits to fp32 inside the model and copies them
once more to shift them (models/llama/modeling_llama.py, _update_causal_mask); all that is done
here, the rest is the present code. Nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from scripts.traced.fsdp1_wrap import wrap
from weighbridge.model.catalog import find
from weighbridge.trace.build import build, give_storage
from weighbridge.trace.log import Log
from weighbridge.trace.measure import CUBLAS_WORKSPACE
from weighbridge.trace.optimizers import make_optimizer, states_of
from weighbridge.trace.passes import fake_world
from weighbridge.trace.patches import real_roads, replaced
from weighbridge.trace.question import Question
from weighbridge.trace.replay import replay
from weighbridge.trace.tracker import StorageTracker

TARGETS = "k_proj,q_proj,v_proj,up_proj,down_proj,gate_proj"


def traced_reserved(row: dict[str, Any]) -> int:
    """Peak of the allocator's segments over two steps, those that wrapping left included."""
    return _replayed(_log_of(row, 1, steps=2))


def reserved_after_wrap(row: dict[str, Any], ranks: int) -> int:
    """Segments that are reserved once the model is wrapped, before the first step."""
    return _replayed(_log_of(row, ranks, steps=0))


def _replayed(log: Log) -> int:
    return replay([storage.size for storage in log.storages], log.events).peak_reserved


def _log_of(row: dict[str, Any], ranks: int, steps: int) -> Log:
    found = find(row["model"])
    assert found is not None
    question = Question(
        config=found.config, run="train", method=row["method"], targets=TARGETS, rank=64,
        adapters_fp32=False, lora_dropout=0.1, checkpointing=True, reentrant=True,
    )  # fmt: skip
    model = build(question).to(torch.device("meta"))
    for each in model.parameters():
        if each.requires_grad:
            each.data = each.data.to(torch.bfloat16)
    with ExitStack() as stack:
        stack.enter_context(fake_world(fake=True))
        stack.enter_context(real_roads("cuda", "auto"))
        size = found.config["max_position_embeddings"]
        every = torch.empty((size, size), dtype=torch.bool, device="meta")
        model.register_buffer("causal_mask", every, persistent=False)
        give_storage(model)
        stack.enter_context(_masks(model))
        tracker = StorageTracker(model, CUBLAS_WORKSPACE)
        tracker.adopt(model.buffers(), "buffer")
        with tracker.running():
            wrap(model, _is_unit, ranks)
        trained = [each for each in model.parameters() if each.requires_grad]
        _loop(model, make_optimizer("adamw_torch", trained), tracker, row, steps)
        return tracker.log()


def _is_unit(module: torch.nn.Module) -> bool:
    """get_wrapping_policy of train.py: decoder layers, and trained modules without children."""
    weight = getattr(module, "weight", None)
    leaf = next(module.children(), None) is None
    trained = leaf and weight is not None and bool(weight.requires_grad)
    return trained or type(module).__name__ == "LlamaDecoderLayer"


@contextmanager
def _masks(model: Any) -> Iterator[None]:
    """Masks as 4.38 makes and cuts them."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.models.llama import modeling_llama

    def whole(*_: Any, inputs_embeds: Any, **__: Any) -> Any:
        batch, kind = inputs_embeds.shape[0], inputs_embeds.dtype
        every = model.causal_mask[None, None, :, :].repeat(batch, 1, 1, 1)
        return every.to(kind) * torch.finfo(kind).min

    def attend(module: Any, q: Any, k: Any, v: Any, mask: Any, **kwargs: Any) -> Any:
        cut = mask[:, :, torch.arange(q.shape[-2]), : k.shape[-2]]
        q, k, v = (each.contiguous() for each in (q, k, v))
        return sdpa_attention_forward(module, q, k, v, cut, **kwargs)

    functions = modeling_llama.ALL_ATTENTION_FUNCTIONS
    before = functions["sdpa"]
    functions["sdpa"] = attend
    try:
        with replaced(modeling_llama, "create_causal_mask", whole):
            yield
    finally:
        functions["sdpa"] = before


def _loop(
    model: Any, optimizer: Any, tracker: StorageTracker, row: dict[str, Any], steps: int
) -> None:
    shape = (row["batch"], row["seq_len"])
    with tracker.running():
        for _ in range(steps):
            ids = torch.zeros(shape, dtype=torch.long)
            output, loss = _forward(model, ids)
            loss.backward()
            optimizer.step()
            tracker.tag(states_of(optimizer), "optimizer")
            optimizer.zero_grad()
            del output, loss


def _forward(model: Any, ids: Any) -> tuple[Any, Any]:
    """LlamaForCausalLM.forward of 4.38: fp32 logits, shifted by a contiguous copy."""
    output = model(input_ids=ids)
    output.logits = output.logits.float()
    shifted = output.logits[..., :-1, :].contiguous()
    labels = ids[..., 1:].contiguous().view(-1)
    shifted = shifted.view(-1, shifted.shape[-1])
    return output, torch.nn.functional.cross_entropy(shifted, labels)
