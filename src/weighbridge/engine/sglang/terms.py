"""The terms of one rank: weights, pools, graphs, workspaces, and what a pass needs for a while."""

from __future__ import annotations

from typing import Any

from weighbridge.engine.served import (
    COMMUNICATORS,
    COMMUNICATORS_SOURCE,
    LOADED,
    LOADED_SOURCE,
    RankWeights,
    Spread,
    assumed_term,
    forward_bytes,
    largest,
    together,
)
from weighbridge.engine.sglang.pool import context_length
from weighbridge.engine.sglang.setup import Setup
from weighbridge.memory.context import process_context
from weighbridge.term import Term, exact
from weighbridge.units import MIB, minimum

# Attention workspaces, taken between the pools and the graphs: FlashInfer's buffer of 384 MiB (512
# for Qwen and others, envs.py SGLANG_FLASHINFER_WORKSPACE_SIZE) with its plans, TRT-LLM's of 512 or
# 150, next to nothing for FlashAttention 3. Logs, pool end less graph begin: flashinfer 0.42 to
# 0.75 GiB, fa3 0.05 to 0.10 (0.58 once), aiter 0.2.
WORKSPACES: dict[str, tuple[int, int, int]] = {
    "flashinfer": (450 * MIB, 384 * MIB, 800 * MIB),
    "fa3": (80 * MIB, 30 * MIB, 620 * MIB),
    "trtllm_mha": (560 * MIB, 150 * MIB, 900 * MIB),
    "trtllm_mla": (220 * MIB, 128 * MIB, 600 * MIB),
    "dsa": (400 * MIB, 100 * MIB, 1200 * MIB),
    "aiter": (230 * MIB, 100 * MIB, 1000 * MIB),
    "unknown": (300 * MIB, 30 * MIB, 900 * MIB),
}
# Families for which flashinfer_backend.py asks for 512 MiB.
LARGER_BUFFERS = ("qwen2", "qwen3", "mimo")
LARGER_BUFFER = (625 * MIB, 512 * MIB, 900 * MIB)
WORKSPACES_SOURCE = (
    "SGLang environ.py and layers/attention/*_backend.py (0.5.23) for the buffers; logs, 'Memory "
    "pool end' less 'Capture cuda graph begin', for the rest"
)
# Per captured size: 3 sizes 0.07 GiB, 4 sizes 0.09 to 0.11, 36 sizes 1.0 to 1.04 (TP 2); off the
# line lie 13 sizes 0.93 (Grok, TP 4) and 23 sizes 0.89 (TP 8), hence the bounds.
GRAPH_EACH = 29 * MIB
GRAPHS_SOURCE = (
    "fitted on SGLang logs, 'Capture cuda graph end. mem usage': 0.07–0.11 GiB for 3 and 4 sizes, "
    "0.89 for 23 and 1.02 for 36; sizes from cuda_graph_hook.py"
)
PREFILL_EACH = 8 * MIB


def facts_basis(setup: Setup) -> Any:
    """``assumed`` where the architecture is, else ``config``."""
    return "assumed" if setup.model.basis == "assumed" else "config"


def context(setup: Setup, device: int) -> list[Term]:
    """The process's own part, and what ranks that talk to each other keep for it."""
    card = setup.question.cards[device] if setup.question.cards else None
    size = process_context(card)
    found = [
        assumed_term(
            "context",
            device,
            Spread(size.typical, size.low, size.high),
            "one process on the device",
            {},
            size.source,
            calibrated=True,
        )
    ]
    if setup.feed.tensor * setup.layout.pipeline > 1:
        found.append(
            assumed_term(
                "workspace",
                device,
                Spread(*COMMUNICATORS),
                "communicators of torch.distributed and NCCL",
                {"ranks": setup.feed.tensor * setup.layout.pipeline},
                COMMUNICATORS_SOURCE,
                calibrated=True,
            )
        )
    return found


def free_before(setup: Setup, device: int) -> Spread:
    """What is free before loading: the card less context and communicators."""
    card = setup.question.cards[device]
    taken = context(setup, device)
    return Spread(
        card.usable_bytes - sum(term.bytes for term in taken),
        card.usable_low - sum(term.high for term in taken),
        card.usable_high - sum(term.low for term in taken),
    )


def weights(setup: Setup, device: int, held: RankWeights) -> Term:
    """The rank's pieces in their format."""
    offloaded = int(float(setup.own.get("cpu_offload_gb") or 0) * 2**30)
    size, weighed = held.size, held.weighed
    inputs: dict[str, Any] = {
        f"parameters of the rank in {setup.storage.name}": weighed.elements_in_format,
        "bits each, scales included": round(
            weighed.in_format * 8 / max(weighed.elements_in_format, 1), 4
        ),
    }
    formula = "parameters of the rank × bits / 8"
    if weighed.elements_left_alone:
        inputs["parameters left alone (embeddings, head, norms)"] = weighed.elements_left_alone
        inputs["bits of those"] = setup.storage.rest_bits
        formula += " + parameters left alone × their bits / 8"
    if offloaded:
        inputs["bytes in host memory (cpu_offload_gb)"] = min(offloaded, size.bytes)
        formula += " − cpu_offload_gb"
    kept = Spread(*(max(value - offloaded, 0) for value in size))
    return Term("weights", device, "resident", *kept, facts_basis(setup), formula, inputs,
                setup.storage.source)  # fmt: skip


def loaded(device: int) -> Term:
    """What loading leaves beside the weights."""
    return assumed_term(
        "workspace",
        device,
        Spread(*LOADED),
        "what loading leaves beside the weights",
        {},
        LOADED_SOURCE,
        calibrated=True,
    )


def draft(setup: Setup, device: int) -> list[Term]:
    """A draft's own layer; its embedding and head are shared with the target once it is loaded."""
    if setup.speculation is None or not setup.speculation.layers:
        return []
    model, tensor = setup.model, setup.feed.tensor
    layer = sum(layer.elements for layer in model.layers) // len(model.layers)
    table = model.vocab * model.hidden
    own = (layer + 2 * model.hidden**2) // tensor
    size = Spread(*(setup.element * value for value in (own, own // 2, own + 2 * table // tensor)))
    return [
        assumed_term(
            "weights",
            device,
            size,
            "one layer and a projection of twice the hidden width, in 16 bit; at most its own "
            "embedding and head beside them",
            {"elements of an average layer": layer, "vocabulary": model.vocab, "ranks": tensor},
            "SGLang models/*_nextn.py and llama_eagle.py: one decoder layer, fc of 2H × H; a log "
            "of Qwen3.8-27B shows 5.53 GiB, its own tables included",
        )
    ]


def request_table(setup: Setup, device: int, requests: int, length: int) -> Term:
    """The slots of every token of every request (memory_pool.py, ReqToTokenPool: int32)."""
    extra = 4 + (setup.speculation.tokens if setup.speculation else 0)
    size = requests * (length + extra) * 4
    return exact(
        "workspace",
        size,
        device=device,
        basis="config",
        formula="running requests × (context + 4 + draft tokens) × 4 B",
        inputs={"running requests": requests, "context": length},
        source="SGLang mem_cache/memory_pool.py, ReqToTokenPool",
    )


def after(setup: Setup, device: int, requests: int | None) -> list[Term]:
    """What follows the pools: the requests' table, attention's workspace, graphs."""
    found = []
    if requests:
        found.append(request_table(setup, device, requests, context_length(setup)))
    return [*found, attention_workspace(setup, device), *graphs(setup, device)]


def attention_workspace(setup: Setup, device: int) -> Term:
    """What the attention backend takes between the pools and the graphs."""
    buffers = WORKSPACES.get(setup.kernel, WORKSPACES["unknown"])
    if setup.kernel == "flashinfer" and setup.model.family.startswith(LARGER_BUFFERS):
        buffers = LARGER_BUFFER
    return assumed_term(
        "workspace",
        device,
        Spread(*buffers),
        f"buffers of the {setup.kernel} attention backend",
        {},
        WORKSPACES_SOURCE,
        calibrated=True,
    )


def graphs(setup: Setup, device: int) -> list[Term]:
    """Captured graphs for decoding and, since 0.5.10, for prefill."""
    found = []
    count = len(setup.graphs)
    if count:
        size = count * GRAPH_EACH
        found.append(
            assumed_term(
                "graphs",
                device,
                Spread(size, size * 3 // 10, 3 * size),
                "29 MiB × captured batch sizes",
                {"sizes": count, "largest": max(setup.graphs)},
                GRAPHS_SOURCE,
                calibrated=True,
            )
        )
    if setup.prefill_graphs:
        sizes = len(setup.prefill_graphs)
        size = sizes * PREFILL_EACH
        found.append(
            assumed_term(
                "graphs",
                device,
                Spread(size, size // 2, 4 * size),
                "8 MiB × captured prefill sizes",
                {"sizes": sizes, "largest": max(setup.prefill_graphs)},
                "SGLang arg_groups/memory_hook.py reserves 8 MiB a size outside torch; a log with "
                "74 sizes shows 1.99 GiB (sglang#14422)",
            )
        )
    return found


def prefill(setup: Setup, device: int) -> list[Term]:
    """What a chunk of prefill needs while it passes."""
    tokens = minimum(setup.question.tokens.prompt * setup.question.concurrency, setup.chunk)
    size, formula = forward_bytes(setup.model, tokens, setup.feed.tensor, setup.element)
    return [
        assumed_term(
            "activations",
            device,
            Spread(size, size // 2, 2 * size),
            formula,
            {"tokens": tokens, "TP": setup.feed.tensor},
            "the widest layer of a forward pass; coefficients measured in vLLM and Transformers, "
            "experts from SGLang layers/moe/fused_moe_triton/fused_moe.py",
            phase="prefill",
        ),
        logits(setup, device, setup.question.concurrency, "prefill"),
    ]


def logits(setup: Setup, device: int, rows: Any, phase: Any) -> Term:
    """Logits of the last token of each sequence, gathered over the ranks, in 16 bit and in fp32."""
    each = setup.model.vocab * (setup.element + 4)
    size = rows * each
    return assumed_term(
        "logits",
        device,
        Spread(size, size // 2, 3 * size),
        f"sequences × vocabulary × ({setup.element} + 4) B",
        {"vocabulary": setup.model.vocab},
        "SGLang layers/logits_processor.py: gathered over the ranks, then cast to fp32 to sample",
        phase=phase,
    )


def passing(setup: Setup, device: int) -> Spread:
    """The most that passes through the device for a while."""
    return largest([together(prefill(setup, device)), together(decode(setup, device))])


def decode(setup: Setup, device: int) -> list[Term]:
    """A step of every sequence; its buffers lie in the graphs where one was captured."""
    return [logits(setup, device, setup.question.concurrency, "decode")]
