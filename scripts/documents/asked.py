"""The plans that the reference is filled from: one per engine, and three of training."""

from __future__ import annotations

from functools import cache
from typing import Any

import weighbridge as wb
from weighbridge.engine import MODULES
from weighbridge.term import Term

TERM_WORDS = {
    "weights": "the parameters as the format stores them, on this device",
    "kv_cache": "keys and values (or latents) of the tokens held; the whole pool where an engine "
    "takes one",
    "state": "recurrent and convolution states: fixed per sequence, whatever its length",
    "activations": "intermediate results of a pass; in training, what is kept for the backward one",
    "logits": "scores over the vocabulary, and what the loss or the sampler makes of them",
    "workspace": "buffers that libraries and the engine keep: rotary tables, cuBLAS, NCCL, masks",
    "graphs": "captured CUDA graphs",
    "context": "what the process itself takes of the device: driver context and kernels",
    "gradients": "gradients of what is trained",
    "optimizer": "states of the optimizer",
    "master_weights": "a copy of the weights in higher precision that the optimizer updates",
    "adapters": "LoRA weights beside the model's",
    "reserve": "what the allocator hoards: reserved and not in use",
}
SERVED: dict[str, tuple[str, dict[str, Any]]] = {
    "transformers": ("llama-3.1-8b", {"on": "rtx-4090"}),
    "vllm": ("llama-3.1-8b", {"on": "rtx-4090", "context": 8192}),
    "sglang": ("llama-3.1-8b", {"on": "rtx-4090", "context": 8192}),
    "tensorrt-llm": ("llama-3.1-8b", {"on": "rtx-4090", "context": 8192}),
    "llama.cpp": ("llama-3.1-8b", {"on": "rtx-4090", "weights": "q4_k_m", "context": 8192}),
    "ollama": ("llama-3.1-8b", {"on": "rtx-4090", "weights": "q4_k_m", "context": 8192}),
}
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "transformers": ("falcon-mamba-7b", {"on": "rtx-4090"})
}
TRAINED: dict[str, tuple[str, dict[str, Any]]] = {
    "full training": ("llama-3.1-8b", {"method": "full", "on": "8xh100", "sharding": "fsdp2"}),
    "mixed precision": ("llama-3.1-8b", {"method": "full", "on": "8xh100", "sharding": "zero3",
                                         "precision": "deepspeed-bf16"}),
    "LoRA": ("llama-3.1-8b", {"method": "lora", "on": "rtx-4090"}),
    "QLoRA": ("llama-3.1-8b", {"method": "qlora", "on": "rtx-4090"}),
}  # fmt: skip


@cache
def asked() -> dict[str, tuple[Term, ...]]:
    """Terms of the first device by what was asked, in the order in which plans hold them."""
    found = {}
    for engine in MODULES:
        name, options = SERVED[engine]
        found[engine] = _first(wb.plan(name, engine=engine, **options))
    for engine, (name, options) in STATES.items():
        found[f"{engine} ({name})"] = _first(wb.plan(name, engine=engine, **options))
    for title, (name, options) in TRAINED.items():
        found[title] = _first(wb.train(name, seq_len=4096, **options))
    return found


def _first(plan: Any) -> tuple[Term, ...]:
    """Terms of every phase of the first device, those of the peak first."""
    device = plan.devices[0]
    every = (*device.terms, *(term for terms in device.phases.values() for term in terms))
    return tuple(term for term in every if term.bytes)


def makers() -> dict[str, list[str]]:
    """Who makes each term."""
    found: dict[str, list[str]] = {}
    for who, terms in asked().items():
        for name in dict.fromkeys(term.name for term in terms):
            found.setdefault(name, []).append(who)
    return found
