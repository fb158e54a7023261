"""How llama.cpp spends devices: everything is reserved on loading, device by device.

Model buffers by layer, KV buffers for the whole context, states for every slot, and a compute
buffer that follows from the graph of one pass (``stack``, ``allocator``). The programs' defaults
differ by version (``versions``, ``settings``); ``--fit`` is followed (``fitting``).
"""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.engine import CacheFacts, Capacity, DeviceSpending, Question, Spending
from weighbridge.engine.llama_cpp import advice, fitting, ledger, settings, versions
from weighbridge.engine.llama_cpp.buffers import Buffers, Described, Gpu, describe
from weighbridge.engine.llama_cpp.log import log_lines
from weighbridge.engine.llama_cpp.points import by_points
from weighbridge.engine.llama_cpp.settings import Settings
from weighbridge.engine.llama_cpp.versions import NEWEST, parse_version, version_text
from weighbridge.engine.llama_cpp.weights import weigh
from weighbridge.errors import EngineError, RequestError
from weighbridge.hardware.card import Card
from weighbridge.memory.context import process_context
from weighbridge.model.facts import Model
from weighbridge.request import Deployment, Tokens

__all__ = ["NEWEST", "default_context", "parse_version", "spend", "stated_context", "version_text"]

BACKENDS = {"NVIDIA": "CUDA", "AMD": "ROCm", "Apple": "Metal", "Intel": "SYCL"}
UNBOUNDED = 2**62


def stated_context(deployment: Deployment) -> int | None:
    """The tokens that one sequence can reach under ``-c``, ``-np`` and ``-kvu``."""
    return settings.stated_context(deployment)


def default_context(model: Model, _: versions.Version) -> int | None:
    """All that the model was trained with (``-c 0``), which ``--fit`` may shorten."""
    return model.max_positions


def spend(question: Question) -> Spending:
    """The buffers of every device and of the host."""
    if question.engine.version < versions.OLDEST:
        raise EngineError(f"{question.engine} is older than what is modelled")
    if not question.model.generates:
        raise RequestError(
            f"{question.model.id} does not generate; llama.cpp's embedding mode is not modelled"
        )
    return by_points(question, _spend)


def _spend(question: Question) -> Spending:
    model, tokens = question.model, question.tokens
    chosen = settings.settle(
        question.deployment, model, question.engine.version, tokens.context - 1,
        question.concurrency,
    )  # fmt: skip
    if chosen.split == "tensor":
        raise RequestError("split_mode tensor is not modelled; use layer, row or none")
    described = describe(model, weigh(model, question.deployment.weights))
    gpus = devices_of(question.cards)
    before = chosen
    chosen, buffers = fitting.fit(described, chosen, gpus)
    bounded = bool(question.cards)
    return Spending(
        devices=tuple(
            _device(described, chosen, buffers, question.cards, device)
            for device in range(len(gpus))
        ),
        cache=_facts(chosen, buffers),
        storage=described.weights.storage,
        notes=(*chosen.notes, *_notes(question, before, chosen, buffers)),
        settings=_shown(question, described, chosen, buffers),
        capacity=_capacity(question, before, chosen) if bounded else None,
        tokens=_shortened(question, before, chosen),
        log=log_lines(chosen, gpus, buffers),
        refusal=advice.refusal(described, chosen, gpus, buffers) if bounded else None,
        host=_device(described, chosen, buffers, question.cards, buffers.placement.host),
    )


def devices_of(cards: Sequence[Card]) -> list[Gpu]:
    """The devices as llama.cpp names them; one without an end where none was named."""
    if not cards:
        return [Gpu("CUDA", "CUDA0", UNBOUNDED)]
    found, counts = [], dict[str, int]()
    for card in cards:
        kind = BACKENDS.get(card.vendor, "Vulkan")
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        free = max(card.usable_bytes - process_context(card).typical, 0)
        found.append(Gpu(kind, f"{kind}{number}", free))
    return found


def _device(
    described: Described,
    chosen: Settings,
    buffers: Buffers,
    cards: Sequence[Card],
    device: int,
) -> DeviceSpending:
    always = ledger.terms(described, chosen, buffers, cards, device)
    return DeviceSpending(device, always, {"load": (), "prefill": (), "decode": ()})


def _facts(chosen: Settings, buffers: Buffers) -> CacheFacts:
    """What a further token of context costs: a cell of every layer that keeps all."""
    per_cell = sum(
        layer.cache // (buffers.cells[None] * chosen.streams)
        for layer in buffers.layers
        if layer.window is None
    )
    cache = sum(buffers.cache) // chosen.streams
    return CacheFacts(
        dtype=f"{_name(chosen.key.name)}/{_name(chosen.value.name)}"
        if chosen.key != chosen.value
        else _name(chosen.key.name),
        bytes_per_token=per_cell,
        bytes_per_sequence=cache,
        state_bytes_per_sequence=sum(buffers.state) // chosen.slots,
        element_bytes=max(chosen.key.size // chosen.key.block, 1),
    )


def _name(name: str) -> str:
    return {"fp32": "f32", "fp16": "f16"}.get(name, name)


def _capacity(question: Question, before: Settings, chosen: Settings) -> Capacity:
    """Tokens are n_ctx; sequences of the settled length are no more than the slots."""
    tokens = _shortened(question, before, chosen) or question.tokens
    length = max(tokens.cached, 1)
    if chosen.unified:
        sequences = min(float(chosen.slots), chosen.total_cells / length)
    else:
        sequences = float(chosen.slots) if chosen.cells >= length else 0.0
    return Capacity(chosen.total_cells, sequences)


def _shortened(question: Question, before: Settings, chosen: Settings) -> Tokens | None:
    """The lengths where ``--fit`` shortened a context that nobody asked for."""
    tokens = question.tokens
    unasked = tokens.cached >= (question.model.max_positions or 0)
    if before.total_cells == chosen.total_cells or not unasked:
        return None
    return tokens._replace(prompt=max(chosen.cells - tokens.output + 1, 1))


def _shown(
    question: Question, described: Described, chosen: Settings, buffers: Buffers
) -> dict[str, str]:
    return {
        "engine": str(question.engine),
        "program": chosen.program,
        "weights": described.weights.storage.name,
        "activations": "fp16",
        "kv_cache_dtype": f"{_name(chosen.key.name)} and {_name(chosen.value.name)}",
        "flash_attn": "on" if chosen.flash else "off",
        "ctx_size": str(chosen.total_cells),
        "parallel": f"{chosen.slots}, {'one cache' if chosen.unified else 'a cache each'}",
        "ubatch_size": str(chosen.pass_tokens),
        "n_gpu_layers": f"{buffers.placement.on_gpu} of {len(buffers.layers) + 1}",
    }


def _notes(question: Question, before: Settings, chosen: Settings, buffers: Buffers) -> list[str]:
    notes = []
    if before.total_cells != chosen.total_cells:
        notes.append(
            f"--fit shortens the context from {before.total_cells:,} to {chosen.total_cells:,}"
        )
    if before.cpu_moe != chosen.cpu_moe:
        notes.append(f"--fit keeps the experts of {chosen.cpu_moe} layers in host memory")
    if before.layers != chosen.layers:
        notes.append(f"--fit puts {buffers.placement.on_gpu} layers on the GPU")
    if not question.cards:
        notes.append("a CUDA device is assumed where none is named")
    if chosen.unified and chosen.slots > 1:
        notes.append(f"{chosen.slots} slots share {chosen.total_cells:,} cells")
    if question.model.towers and not chosen.mmproj:
        notes.append("vision and audio are left out; name their file with --mmproj")
    if question.deployment.own.get("model_draft"):
        notes.append("the draft model's own buffers are not counted; plan it by itself")
    return notes
