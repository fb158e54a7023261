"""The terms of one rank: weights, what a step needs, buffers, cache."""

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
)
from weighbridge.engine.tensorrt_llm.setup import BATCH_OF_2048, Setup
from weighbridge.memory.context import process_context
from weighbridge.model.feed_forward import MixtureOfExperts
from weighbridge.term import Basis, Phase, Term
from weighbridge.units import GIB, MIB, minimum

# What the PyTorch backend takes outside torch before it sizes the cache, beside context and
# communicators: graphs, cuBLAS, the autotuner. Qwen3-0.6B on H100 (1.2.1) leaves 1.0 GiB.
OUTSIDE = (GIB, 400 * MIB, 2560 * MIB)
OUTSIDE_SOURCE = (
    "fitted on one log, Qwen3-0.6B on H100 with 1.2.1: 68.69 GiB of cache from 0.9 of what is "
    "free; a log of the same version on a card of 12 GB leaves 0.7 GiB"
)
# Per token of a step, bytes of the execution context in units of 3I/TP + 4H: 2.4 and 2.9 in two
# logs of Llama-2-7B, 1.7 of Llama-2-70B, up to 5.2 of Llama-3-8B.
EXECUTION = 2.6
CONTEXT_SOURCE = (
    "form after the widest layer of a pass; fitted on 'Allocated … for execution context memory' "
    "of Llama-2-7B (2.4 and 2.9 B); Llama-2-70B shows 1.7 and Llama-3-8B 5.2"
)
# Bytes per element of batch × vocabulary: the decoder's logits and sampling state, 12 in 1.0 and 23
# to 36 in 0.12; runtime buffers 2.6 in 1.0 and 5.5 to 9 in 0.12; a log of
# 0.19 fits the newer ones.
DECODER, RUNTIME = (12, 10, 36), (3, 2, 10)
OLD_DECODER, OLD_RUNTIME = (33, 10, 40), (9, 2, 12)
BUFFERS_SOURCE = (
    "fitted on '… for decoder' and '… for runtime buffers' in logs of Llama-2 with batches of "
    "2,048 and 4,096 (0.12 and 1.0)"
)
ENGINE_OTHER = (1536 * MIB, 800 * MIB, 3700 * MIB)
ENGINE_OTHER_SOURCE = (
    "the memory line of five logs (total less available) less its named parts: 0.8 to 3.7 GiB"
)


def facts_basis(setup: Setup) -> Basis:
    """``assumed`` where the architecture is, else ``config``."""
    return "assumed" if setup.model.basis == "assumed" else "config"


def before_cache(setup: Setup, device: int, held: RankWeights) -> list[Term]:
    """What a rank holds when it sizes its cache, all of it there for good."""
    card = setup.question.cards[device] if setup.question.cards else None
    size = process_context(card)
    found = [
        assumed_term("context", device, Spread(size.typical, size.low, size.high),
                     "one process on the device", {}, size.source, calibrated=True),
        weights(setup, device, held),
    ]  # fmt: skip
    ranks = setup.feed.tensor * setup.layout.pipeline
    if ranks > 1:
        found.append(
            assumed_term("workspace", device, Spread(*COMMUNICATORS),
                         "communicators of NCCL and MPI, and buffers of its own all-reduce",
                         {"ranks": ranks}, COMMUNICATORS_SOURCE + "; assumed to be alike")
        )  # fmt: skip
    if setup.backend == "tensorrt":
        return [*found, execution(setup, device), *buffers(setup, device)]
    found.append(
        assumed_term("workspace", device, Spread(*LOADED), "what loading leaves beside the weights",
                     {}, LOADED_SOURCE + "; assumed to be alike")
    )  # fmt: skip
    count = len(setup.graphs)
    found.append(
        assumed_term("graphs", device, Spread(*OUTSIDE),
                     "graphs, cuBLAS and autotuner, outside torch",
                     {"sizes": count, "largest": max(setup.graphs, default=0)}, OUTSIDE_SOURCE,
                     calibrated=True)
    )  # fmt: skip
    return found


def weights(setup: Setup, device: int, held: RankWeights) -> Term:
    """The rank's pieces in their format."""
    weighed = held.weighed
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
    return Term("weights", device, "resident", *held.size, facts_basis(setup), formula, inputs,
                setup.storage.source)  # fmt: skip


def _wide(setup: Setup) -> int:
    """Elements per token of the execution context: the widest feed-forward and four of width H."""
    widest = 0
    for layer, _ in setup.model.layer_groups():
        feed = layer.feed_forward
        inner = int(getattr(feed, "intermediate", 0) or 0)
        if isinstance(feed, MixtureOfExperts):
            inner *= feed.top_k
        widest = max(widest, -(-inner // setup.feed.tensor))
    return 3 * widest + 4 * setup.model.hidden


def execution(setup: Setup, device: int) -> Term:
    """Activations of the TensorRT backend, allocated once for the largest step."""
    size = int(setup.step * _wide(setup) * EXECUTION)
    return assumed_term(
        "activations",
        device,
        Spread(size, size * 6 // 10, size * 21 // 10),
        f"max_num_tokens × {EXECUTION} B × (3I/TP + 4H)",
        {"max_num_tokens": setup.step, "TP": setup.feed.tensor},
        CONTEXT_SOURCE,
        calibrated=True,
    )


def buffers(setup: Setup, device: int) -> list[Term]:
    """Decoder, runtime buffers and what the TensorRT backend holds beside them."""
    decoder, runtime = DECODER, RUNTIME
    if setup.version < BATCH_OF_2048:
        decoder, runtime = OLD_DECODER, OLD_RUNTIME
    elements = setup.batch * setup.model.vocab
    found = [
        assumed_term("workspace", device, Spread(*(elements * each for each in sizes)),
                     f"max_batch_size × vocabulary × {sizes[0]} B, {what}",
                     {"max_batch_size": setup.batch, "vocabulary": setup.model.vocab},
                     BUFFERS_SOURCE, calibrated=True)
        for sizes, what in ((decoder, "decoder"), (runtime, "runtime buffers"))
    ]  # fmt: skip
    other = assumed_term("workspace", device, Spread(*ENGINE_OTHER),
                         "TensorRT's runtime, cuBLAS and plugins", {}, ENGINE_OTHER_SOURCE,
                         calibrated=True)  # fmt: skip
    return [*found, other]


def profiled(setup: Setup, device: int) -> Term:
    """Activations of the PyTorch backend's profiling run, of the largest step."""
    return _activations(setup, device, setup.step, "prefill")


def _activations(setup: Setup, device: int, tokens: Any, phase: Phase) -> Term:
    size, formula = forward_bytes(setup.model, tokens, setup.feed.tensor, setup.element)
    return assumed_term(
        "activations",
        device,
        Spread(size, size // 2, size * 5 // 2),
        formula,
        {"tokens": tokens, "TP": setup.feed.tensor},
        "the widest layer of a forward pass; coefficients measured in vLLM and Transformers; "
        "'Memory dynamically allocated during inference' of gpt-oss-120b shows 1.2 of it",
        phase=phase,
    )


def passing(setup: Setup, device: int) -> dict[Phase, tuple[Term, ...]]:
    """What a step needs for a while; the TensorRT backend has allocated it before."""
    many = setup.question.concurrency
    rows = minimum(many, setup.batch)
    size = rows * setup.model.vocab * 8
    found: dict[Phase, tuple[Term, ...]] = {}
    phases: tuple[tuple[Phase, Any], ...] = (
        ("prefill", minimum(setup.question.tokens.prompt * many, setup.step)),
        ("decode", rows),
    )
    for phase, tokens in phases:
        logits = assumed_term("logits", device, Spread(size, size // 2, 2 * size),
                              "sequences × vocabulary × (4 + 4) B",
                              {"vocabulary": setup.model.vocab},
                              "TensorRT-LLM _torch/pyexecutor/sampler.py: logits in fp32, sampled",
                              phase=phase)  # fmt: skip
        if setup.backend == "tensorrt":
            found[phase] = ()
        else:
            found[phase] = (_activations(setup, device, tokens, phase), logits)
    return found
