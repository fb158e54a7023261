"""The terms of one rank."""

from __future__ import annotations

from typing import Any

from weighbridge.engine import DeviceSpending
from weighbridge.engine.vllm.budget import Rank, requested_bounds
from weighbridge.engine.vllm.setup import Setup
from weighbridge.term import Basis, Phase, Term, exact
from weighbridge.units import maximum

POOL = "vllm v1/core/kv_cache_utils.py, get_kv_cache_config_from_groups"


def device(setup: Setup, rank: Rank, blocks: Any, pool: Any, *, filled: bool) -> DeviceSpending:
    """Everything on a rank. The pool is there from the start, and so is what was profiled: vLLM
    leaves the peak of the activations free. ``filled`` says that the pool takes what is left."""
    always = [
        *_weights(setup, rank),
        *_pool(setup, rank, blocks, pool, filled=filled),
        *_states(setup, rank),
        rank.activation.term("activations", rank.number),
        rank.outside.term("workspace", rank.number),
        *([rank.graphs.term("graphs", rank.number)] if rank.graphs.high else []),
        Term(
            "context",
            rank.number,
            "resident",
            rank.context.typical,
            rank.context.low,
            rank.context.high,
            "calibrated",
            "one process on the device, outside vLLM's request",
            {},
            rank.context.source,
        ),
    ]
    phases: dict[Phase, tuple[Term, ...]] = {"decode": ()} if setup.model.generates else {}
    bounds = _bounds(setup, rank) if filled else None
    return DeviceSpending(rank.number, tuple(always), {**phases, "prefill": ()}, bounds)


def _bounds(setup: Setup, rank: Rank) -> tuple[int, int] | None:
    """What all terms together take: the pool takes what others leave of the request, so that only
    what lies outside the request, and the request itself, move the total."""
    if rank.card is None or setup.question.deployment.kv_cache_memory is not None:
        return None
    if setup.own.get("num_gpu_blocks_override") or not setup.pool.groups:
        return None
    outside, graphs, planned = rank.context, rank.graphs, rank.estimated
    low, high = requested_bounds(rank.card, setup.utilization)
    least = low + outside.low + graphs.low - planned.high
    most = high + outside.high + graphs.high - planned.low
    return least, most


def _weights(setup: Setup, rank: Rank) -> list[Term]:
    mine = rank.loaded
    size = mine.bytes + mine.tables
    layout = setup.layout
    inputs: dict[str, Any] = {
        "parameters of a rank": mine.elements,
        "tables of rotary positions": mine.tables,
        "tensor": layout.tensor,
        "stage": f"{rank.stage + 1} of {layout.pipeline}",
    }
    if mine.offloaded:
        inputs["left in host memory"] = mine.offloaded
    if mine.drafting:
        inputs["drafting layers"] = mine.drafting
    basis: Basis = facts_basis(setup)
    found = [
        Term(
            "weights",
            rank.number,
            "resident",
            size,
            size - size * mine.slack[0] // 1000,
            size + size * mine.slack[1] // 1000,
            basis,
            "pieces of a rank × their format + tables of rotary positions",
            inputs,
            f"{setup.storage.source}; vllm model_executor/layers, linear.py and fused_moe",
        )
    ]
    if mine.adapters:
        found.append(
            Term(
                "adapters",
                rank.number,
                "resident",
                mine.adapters,
                mine.adapters,
                mine.adapters * 5 // 4,
                basis,
                "max_loras · max_lora_rank · Σ linear layers (in + out) · bytes",
                {"max_loras": setup.own.get("max_loras") or 1},
                "vllm lora/layers, create_lora_weights",
            )
        )
    return found


def facts_basis(setup: Setup) -> Basis:
    """The rung that the model's facts stand on."""
    if setup.as_stored:
        return "header"
    return "assumed" if setup.model.basis == "assumed" else "config"


def _states(setup: Setup, rank: Rank) -> list[Term]:
    if not rank.state:
        return []
    return [
        exact(
            "state",
            rank.state,
            device=rank.number,
            basis=facts_basis(setup),
            formula="max_num_seqs × Σ layers, convolution and recurrence",
            inputs={"max_num_seqs": setup.sequences},
            source="vllm model_executor/models/mamba_cache.py (V0)",
        )
    ]


def _pool(setup: Setup, rank: Rank, blocks: Any, size: Any, *, filled: bool) -> list[Term]:
    if not setup.pool.groups:
        return []
    certain = not filled or setup.question.deployment.kv_cache_memory is not None
    certain = certain or bool(setup.own.get("num_gpu_blocks_override"))
    slack = (0, 0) if certain else (rank.available - rank.low, rank.high - rank.available)
    groups = {
        f"group {number}": f"{len(group.layers)} layers, {group.spec.kind}, blocks of {group.block}"
        for number, group in enumerate(setup.pool.groups[:8])
    }
    inputs: dict[str, Any] = {"blocks": blocks, "bytes of a block": size // maximum(blocks, 1)}
    inputs |= groups
    if filled:
        inputs["requested"] = rank.requested
        inputs["available"] = rank.available
    return [
        Term(
            "kv_cache",
            rank.number,
            "resident",
            size,
            maximum(size - max(slack[0], 0), 0),
            size + max(slack[1], 0),
            facts_basis(setup) if certain else "calibrated",
            "⌊(utilization · total − weights − activations − outside torch − graph estimate) / "
            "bytes of a block⌋ blocks, the fewest over all ranks"
            if filled
            else "sequences × blocks of a request × bytes of a block",
            inputs,
            POOL,
        )
    ]
