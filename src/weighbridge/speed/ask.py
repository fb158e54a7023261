"""A request → its speed: the setting that an engine would run, timed, with bounds.

Where an engine has no constants of its own the floor (``roofline``) is all that is known; a plan
says which of the two it shows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.engine.layout import Layout, settle_layout
from weighbridge.engine.storage import settle_storage
from weighbridge.errors import RequestError
from weighbridge.formats.cache import find_cache_format
from weighbridge.formats.format import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import parse_machine
from weighbridge.memory.cache import Streams, own_streams
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.request import Deployment, Request, Tokens, settle_tokens
from weighbridge.speed.constants import Constants, Fitted, constants_of, platform_of
from weighbridge.speed.kernels import kernels_of
from weighbridge.speed.rates import arithmetic_rate, rates_of
from weighbridge.speed.serve import Load, Pace, Setting, pace_of
from weighbridge.speed.shape import shape_of
from weighbridge.speed.speculative import measured_tokens
from weighbridge.speed.step import Cost, Split
from weighbridge.units import maximum

# Prompt tokens in one pass where no option says it: vLLM config/scheduler.py for servers with much
# memory, SGLang server_args.py, TensorRT-LLM llm_args.py (max_num_tokens), llama.cpp's n_ubatch.
CHUNKS = {"vllm": 8192, "sglang": 8192, "tensorrt-llm": 8192, "llama.cpp": 512, "ollama": 512}
TIED = {"llama.cpp", "ollama"}
USUAL_INPUT, USUAL_OUTPUT = 1024, 256


class Subject(NamedTuple):
    """What is timed, settled: the model in its format on the cards of one layout."""

    model: Model
    storage: StorageFormat
    engine: str
    cards: tuple[Card, ...]
    layout: Layout
    tokens: Tokens
    element: float
    sequences: int
    chunk: int
    drafts: int = 0
    streams: Streams = own_streams
    notes: tuple[str, ...] = ()

    @property
    def card(self) -> Card:
        """The slowest card, for which the others wait."""
        return min(self.cards, key=lambda card: card.bandwidth or 0)


class Answer(NamedTuple):
    """The pace of a subject, the bounds of its constants, and what was assumed."""

    subject: Subject
    setting: Setting
    pace: Pace
    fitted: Fitted
    ridge: float
    notes: tuple[str, ...] = ()

    @property
    def intensity(self) -> float:
        """Operations for each byte that a decode step moves."""
        return intensity_of(self.pace.step)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON prints it."""
        from weighbridge.speed.result import speed_to_dict

        return speed_to_dict(self)

    @property
    def prompt_intensity(self) -> float:
        """The same of a prompt."""
        return intensity_of(self.pace.prompt)


def intensity_of(work: Any) -> float:
    """Operations per byte of a pass."""
    from weighbridge.speed.work import touched

    part = touched(work.experts, work.top_k, work.routed)
    moved = work.dense_bytes + work.expert_bytes * part + work.cache_bytes + work.state_bytes
    return float(work.operations / moved)


def ask(
    request: Request,
    drafts: int = 0,
    model: Model | None = None,
    fitted: Fitted | None = None,
) -> Answer:
    """The speed of a request. Raises RequestError where no card is named or it cannot be said."""
    subject = settle(request, drafts, model)
    found = answer(subject, fitted)
    if found is None:
        raise RequestError(
            f"the speed of {subject.engine} on {subject.card.name} is not known: "
            + missing(subject)
        )
    return found


def settle(request: Request, drafts: int = 0, model: Model | None = None) -> Subject:
    """Cards, layout, formats and lengths of a request."""
    deployment, workload = request.deployment, request.workload
    usual: tuple[str, ...] = ()
    if deployment.on is None:
        raise RequestError("no card was named, and speed is a card's; add --on CARD")
    if workload.input_tokens is None and workload.output_tokens is None:
        request = _usual_lengths(request)
        usual = (
            f"{request.workload.input_tokens:,} tokens in and {request.workload.output_tokens:,} "
            "out assumed; set them with --input-tokens and --output-tokens",
        )
    machine = parse_machine(deployment.on)
    model = load_model(request.model) if model is None else model
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, so there is no time per token")
    engine = deployment.engine.partition("==")[0]
    tokens = settle_tokens(request, model.max_positions, generates=True)
    settled = settle_layout(_layers_split(deployment, engine, len(machine.devices)),
                            machine.devices)  # fmt: skip
    said: list[str] = []
    storage = settle_storage(model, deployment.weights, said)[0].for_model(model)
    return Subject(
        model,
        storage,
        engine,
        settled.cards or machine.devices[:1],
        settled.layout,
        tokens,
        _element(deployment.kv_cache_dtype, model),
        workload.concurrency,
        deployment.max_num_batched_tokens or CHUNKS.get(engine, 8192),
        drafts,
        notes=(*usual, *said, *tokens.notes, *machine.notes, *settled.notes),
    )


def _usual_lengths(request: Request) -> Request:
    """A chat's lengths where none are named, cut to the context if one is."""
    context = request.deployment.max_model_len or USUAL_INPUT + USUAL_OUTPUT
    output = min(USUAL_OUTPUT, max(context // 2, 1))
    workload = request.workload._replace(
        input_tokens=max(min(USUAL_INPUT, context - output), 1), output_tokens=output
    )
    return request._replace(workload=workload)


def _layers_split(deployment: Deployment, engine: str, cards: int) -> Deployment:
    """llama.cpp spreads layers over cards, one after the other (``--split-mode layer``)."""
    if engine not in TIED or cards == 1 or deployment.tensor_parallel_size:
        return deployment
    return deployment._replace(tensor_parallel_size=1, pipeline_parallel_size=cards)


def _element(dtype: str, model: Model) -> float:
    if dtype == "auto":
        return 4.0 if model.dtype == "fp32" else 2.0
    return find_cache_format(dtype).bits / 8


def missing(subject: Subject) -> str:
    """Why a subject has no answer."""
    if constants_of(subject.engine, platform_of(subject.card.vendor)) is None:
        return "no measured run of this engine is among the rows that constants were fitted on"
    return "the card's memory bandwidth is not in the table"


def answer(subject: Subject, fitted: Fitted | None = None) -> Answer | None:
    """The pace of a subject; None where the engine has no constants or the card no bandwidth."""
    fitted = fitted or constants_of(subject.engine, platform_of(subject.card.vendor))
    if fitted is None:
        return None
    made = setting_of(subject, fitted.constants)
    if made is None:
        return None
    stated = arithmetic_rate(subject.card, made.cost.kernels.linear)
    ridge = (stated or made.cost.rates.stated) / made.cost.rates.bandwidth
    notes = (
        ()
        if stated
        else (f"arithmetic of {subject.card.name} is not known; 35 operations per byte assumed",)
    )
    return Answer(subject, made, pace_of(made), fitted, ridge, (*subject.notes, *notes))


def setting_of(subject: Subject, constants: Constants) -> Setting | None:
    """The setting of a subject; None where the card's bandwidth is not known."""
    from weighbridge.speed.work import Cached

    kernels = kernels_of(subject.engine, subject.card, subject.storage, subject.element)
    rates = rates_of(subject.card, kernels.linear, kernels.expert)
    if rates is None:
        return None
    cost = Cost(constants, kernels, rates, subject.storage.value_bits < 16)
    load = Load(
        subject.sequences,
        maximum(subject.tokens.prompt, 1),
        maximum(subject.tokens.output, 1),
        subject.chunk,
        subject.drafts,
        measured_tokens(subject.drafts),
    )
    shape = shape_of(subject.model, subject.storage, subject.layout)
    return Setting(shape, cost, load, Cached(subject.element, subject.streams))


def bound_by(split: Split) -> str:
    """What takes most of a pass."""
    parts = {
        "memory bandwidth": split.weights + split.cache,
        "arithmetic": split.compute,
        "communication": split.communicate,
        "launches": split.launches,
        "prompts of others": split.interference,
        "offloaded layers": split.offload,
    }
    if split.arithmetic > split.weights + split.cache:
        parts["arithmetic"] += parts.pop("memory bandwidth")
    return max(parts, key=lambda name: float(parts[name]))
