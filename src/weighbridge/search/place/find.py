"""A request → its placement: settled, sought, and planned by the engine's own rules."""

from __future__ import annotations

from importlib import import_module
from itertools import groupby
from typing import Any

from weighbridge._version import __version__
from weighbridge.engine import Engine, Question, parse_engine
from weighbridge.errors import RequestError
from weighbridge.hardware.machine import Machine, parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import Plan
from weighbridge.records import record
from weighbridge.request import DEFAULT_CONTEXT, Request, Tokens, settle_tokens
from weighbridge.search.place.host import Host
from weighbridge.search.place.spots import Spots, Tried, Weighting
from weighbridge.speed.constants import constants_of, platform_of

ENGINES = {"transformers": "transformers", "llama.cpp": "llama_cpp", "vllm": "vllm"}
# Options that are the answer, and what they are called.
FOUND = {
    "device_map": "--device-map",
    "max_memory": "--max-memory",
    "n_gpu_layers": "-ngl",
    "tensor_split": "-ts",
    "override_tensor": "-ot",
    "cpu_moe": "--cpu-moe",
    "n_cpu_moe": "--n-cpu-moe",
    "no_kv_offload": "-nkvo",
    "split_mode": "-sm",
    "main_gpu": "-mg",
    "fit": "--fit",
    "cpu_offload_gb": "--cpu-offload-gb",
    "tensor_parallel_size": "--tp",
    "pipeline_parallel_size": "--pp",
    "data_parallel_size": "--dp",
}


@record
class Placement:
    """What lies where, how long a token then takes, and what the engine would do by itself.

    ``best`` and ``plan`` are None where nothing fits, and ``because`` says why.
    """

    request: Request
    model: Model
    engine: Engine
    machine: Machine
    host: Host
    tokens: Tokens
    weighting: Weighting
    best: Tried | None
    automatic: Tried | None
    automatic_name: str
    plan: Plan | None
    because: str
    floor: bool
    assumptions: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether any placement fits."""
        return self.best is not None

    def max_memory(self) -> dict[int | str, int]:
        """For ``from_pretrained``: bytes of weights that each device may hold beside the cache and
        all else that lies on it; 0 where nothing lies."""
        if self.best is None or not self.best.weights:
            return {}
        rows = zip(self.best.limits, self.best.used, self.best.weights, strict=False)
        cards = [limit - used + own if own else 0 for limit, used, own in rows]
        return {**dict(enumerate(cards)), "cpu": self.best.limits[-1]}

    def to_dict(self) -> dict[str, Any]:
        """The placement as JSON prints it."""
        from weighbridge.show.place import placement_to_dict

        return placement_to_dict(self)

    def __str__(self) -> str:
        from weighbridge.show.place import placement_to_text

        return placement_to_text(self)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import text_to_html

        return text_to_html(str(self))


def runs(spots: Spots) -> list[tuple[str, int, int | None]]:
    """Neighbours that lie alike as one: their names, their home, where their matrices lie."""
    found = []
    for key, group in groupby(spots, key=lambda spot: (spot.home, spot.moved)):
        names = [spot.block for spot in group]
        found.append((_ranged(names), *key))
    return found


def _ranged(names: list[str]) -> str:
    """``embedding, layers 0–17, head``."""
    words = []
    for numbers, group in groupby(names, key=str.isdecimal):
        each = list(group)
        if not numbers:
            words += each
        elif len(each) == 1:
            words.append(f"layer {each[0]}")
        else:
            words.append(f"layers {each[0]}–{each[-1]}")
    return ", ".join(words)


def place_request(request: Request, host: Host, prefill_weight: float = 0.0) -> Placement:
    """The placement of least time; raises RequestError where none can be sought."""
    engine = parse_engine(request.deployment.engine)
    machine = _checked(request, engine)
    model = load_model(request.model)
    if not model.generates:
        raise RequestError(f"{model.id} does not generate, so there is no time per token")
    settled, said = _settled(request, engine, model)
    tokens = settle_tokens(settled, model.max_positions, generates=True)
    cards, workload = machine.devices, request.workload
    question = Question(model, engine, settled.deployment, tokens, workload.concurrency, cards)
    weighting = Weighting(prefill_weight, int(tokens.prompt))
    module = import_module(f"weighbridge.search.place.{ENGINES[engine.name]}")
    answer = module.place(question, settled, host, weighting)
    plan = None if answer.best is None else answer.plan(answer.best)
    floor = any(constants_of(engine.name, platform_of(card.vendor)) is None for card in cards)
    notes = (*said, *host.notes, *(plan.assumptions if plan else tokens.notes))
    return Placement(
        settled, model, engine, machine, host, tokens, weighting, answer.best, answer.automatic,
        answer.own_name, plan, "" if plan else answer.why_not, floor,
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _checked(request: Request, engine: Engine) -> Machine:
    deployment = request.deployment
    if deployment.on is None:
        raise RequestError("no card was named; add --on CARD, or several: --on rtx-4090,rtx-3060")
    if engine.name not in ENGINES:
        raise RequestError(
            f"placements are found for {', '.join(ENGINES)}, not for {engine.name}; "
            "add --engine llama.cpp for example"
        )
    given = {**deployment._asdict(), **deployment.own}
    for option, flag in FOUND.items():
        if given.get(option) not in {None, False}:
            raise RequestError(f"{flag} is what a placement finds; leave it out")
    machine = parse_machine(deployment.on)
    for card in machine.devices:
        if not card.bandwidth:
            raise RequestError(
                f"the memory bandwidth of {card.name} is not known, so nothing can be timed there; "
                "name a card of `weigh cards`"
            )
    return machine


def _settled(request: Request, engine: Engine, model: Model) -> tuple[Request, list[str]]:
    """The request with the context and the slots that engines would otherwise choose themselves."""
    deployment, workload = request.deployment, request.workload
    said = []
    if deployment.max_model_len is None:
        if workload.input_tokens is None:
            context = min(DEFAULT_CONTEXT, model.max_positions or DEFAULT_CONTEXT)
            said.append(f"context of {context:,} tokens assumed; set it with --context")
            deployment = deployment._replace(max_model_len=context)
        elif engine.name != "transformers":
            context = workload.input_tokens + (workload.output_tokens or 1)
            deployment = deployment._replace(max_model_len=context)
    if engine.name == "llama.cpp" and deployment.max_num_seqs is None:
        deployment = deployment._replace(max_num_seqs=workload.concurrency)
    return request._replace(deployment=deployment), said


VERSION = __version__
