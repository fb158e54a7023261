"""The shapes of answers, for OpenAPI: what ``--json`` prints, one class an object.

Answers may hold more than stands here; what stands here is always there.
"""

from __future__ import annotations

from typing import Any

# What pydantic asks for before Python 3.12.
from typing_extensions import NotRequired, TypedDict  # noqa: UP035


class Problem(TypedDict):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    kind: NotRequired[str]


class Term(TypedDict):
    """One number of the ledger, with its bounds, its evidence and its reason."""

    name: str
    phase: str
    bytes: int
    low: int
    high: int
    basis: str
    formula: str
    inputs: dict[str, Any]
    source: str


class Phase(TypedDict):
    """What a device holds in one phase."""

    total_bytes: int
    low: int
    high: int
    terms: list[Term]


class Device(TypedDict):
    """One device: its terms at the peak and in every phase."""

    name: str
    index: int
    capacity_bytes: int | None
    usable_bytes: int | None
    phase: str
    terms: list[Term]
    total_bytes: int
    low: int
    high: int
    fits: bool | None
    phases: dict[str, Phase]


class Facts(TypedDict):
    """What was weighed."""

    id: str
    family: str
    architecture: str
    parameters: int
    active_parameters: int
    layers: int
    max_positions: int | None
    basis: str
    source: str
    answers: dict[str, Any]


class Named(TypedDict):
    """A model in short."""

    id: str
    parameters: int


class Remedy(TypedDict):
    """A change that makes it fit."""

    option: str
    value: str
    total_bytes: int
    why: str


Verdict = TypedDict(
    "Verdict", {"fits": bool | None, "sure": bool, "because": str, "try": list[Remedy]}
)


class Cache(TypedDict):
    """The KV cache: what a token and a sequence take, and how much there is room for."""

    dtype: str
    bytes_per_token: int
    bytes_per_sequence: int
    state_bytes_per_sequence: int
    capacity_tokens: int | None
    max_concurrency: float | None


class Engine(TypedDict):
    """The engine, and the lines that it would log."""

    name: str
    version: str
    log: list[str]


class Plan(TypedDict):
    """As ``weigh plan --json``."""

    schema: int
    version: str
    model: Facts
    request: dict[str, Any]
    devices: list[Device]
    host: Device | None
    total_bytes: int
    low: int
    high: int
    kv: Cache
    verdict: Verdict
    speed: dict[str, Any] | None
    engine: Engine


class Train(TypedDict):
    """As ``weigh train --json``."""

    schema: int
    version: str
    model: Facts
    request: dict[str, Any]
    trained_parameters: int
    tokens_per_step: int
    devices: list[Device]
    host: Device | None
    total_bytes: int
    low: int
    high: int
    verdict: Verdict
    speed: dict[str, Any] | None


class Reach(TypedDict):
    """The most of one option that fits, and what binds."""

    option: str
    value: int
    binding: str
    total_bytes: int | None


class Lever(TypedDict):
    """One change and what it moves."""

    changes: dict[str, Any]
    why: str
    option: str
    before: int
    after: int


class Point(TypedDict):
    """A context and the most users at it."""

    context: int
    users: int


class Fit(TypedDict):
    """As ``weigh fit --json``."""

    schema: int
    model: Named
    request: dict[str, Any]
    longest_context: Reach
    most_users: Reach
    best_format: str | None
    frontier: list[Point]
    levers: list[Lever]


class DeviceCount(TypedDict):
    """A card, and how many of it."""

    name: str
    count: int


class Speed(TypedDict):
    """As ``weigh speed --json``."""

    schema: int
    version: str
    model: Named
    request: dict[str, Any]
    device: DeviceCount
    speed: dict[str, Any]
    assumed: list[str]
    what_if: NotRequired[list[dict[str, Any]]]


class Rules(TypedDict):
    """As ``weigh rules --json``."""

    schema: int
    version: str
    model: Named
    rules: list[dict[str, Any]]
    claims: list[dict[str, Any]]


class InNumbers(Term):
    """A term of a plan, with the line that puts the numbers in."""

    device: int
    phase_label: str
    basis_label: str


class Explained(TypedDict):
    """A term in words, and in a plan."""

    name: str
    label: str
    what: str
    colour: str
    terms: list[InNumbers]


class Explain(TypedDict):
    """Terms explained."""

    schema: int
    version: str
    model: str | None
    terms: list[Explained]


class Sweep(TypedDict):
    """As ``weigh sweep --json``: ``total_bytes[i][j]`` at contexts[i] and concurrencies[j]."""

    schema: int
    model: Named
    contexts: list[int]
    concurrencies: list[int]
    total_bytes: list[list[int]]
    fits: list[list[bool]] | None
    usable_bytes: int | None


class Room(TypedDict):
    """Bytes of the fullest device with every user's cache, and whether all run at once."""

    schema: int
    model: Named
    contexts: list[int]
    concurrencies: list[int]
    need_bytes: list[list[int]]
    holds: list[list[bool]] | None
    usable_bytes: int | None


class Command(TypedDict):
    """How each word of a command was taken."""

    engine: str
    model: str
    read: list[dict[str, str]]
    no_effect_on_memory: list[str]
    not_modelled: list[str]
    notes: list[str]


class LaunchRead(TypedDict):
    """What a launch command means."""

    schema: int
    model: str
    options: dict[str, Any]
    launch: Command


class Written(TypedDict):
    """A command or a configuration, ready to be copied."""

    schema: int
    target: str
    fits: bool | None
    text: str


class Card(TypedDict):
    """A model's card: its facts, layers, parts and formats."""

    id: str
    family: str
    architecture: str
    source: str
    basis: str
    parameters: int
    active_parameters: int
    max_positions: int | None
    layers: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    stored_bytes: int | None
    weights: list[dict[str, Any]]
    cache: dict[str, Any]
    notes: list[str]


class ModelCard(TypedDict):
    """As ``weigh card MODEL --json``."""

    schema: int
    version: str
    model: Card


class Headers(TypedDict):
    """The handle of headers that were sent, and what they say."""

    schema: int
    model: str
    card: Card


class ModelRow(TypedDict):
    """A model of the catalogue."""

    id: str
    names: list[str]
    type: str
    parameters: int
    active_parameters: int
    layers: int
    kv_bytes_per_token: int
    max_positions: int | None


class Models(TypedDict):
    """As ``weigh models --json``."""

    schema: int
    models: list[ModelRow]


class Accelerator(TypedDict):
    """An accelerator of the table."""

    id: str
    name: str
    vendor: str
    kind: str
    marketed_memory: int
    usable_bytes: int
    usable_low: int
    usable_high: int
    bandwidth: int | None
    dense_flops: dict[str, int]
    source: str


class Cards(TypedDict):
    """As ``weigh cards --json``."""

    schema: int
    cards: list[Accelerator]


class OneCard(TypedDict):
    """As ``weigh card CARD --json``."""

    schema: int
    card: Accelerator
    said: str


class OptionRow(TypedDict):
    """An option: what a control for it needs."""

    name: str
    help: str
    kind: str
    choices: list[str]
    metavar: str
    flag: str
    aliases: list[str]
    auto: bool
    most: int | None
    default: Any
    own: bool


class OptionGroup(TypedDict):
    """Options under a title."""

    title: str
    options: list[OptionRow]


class Options(TypedDict):
    """The tables of options."""

    schema: int
    version: str
    engines: list[str]
    plan: dict[str, list[OptionRow]]
    workload: list[OptionRow]
    training: list[OptionGroup]
    targets: dict[str, list[str]]
    solves: list[str]
    aliases: dict[str, dict[str, str]]
    formats: dict[str, list[dict[str, Any]]]
    routes: dict[str, list[OptionRow]]


class Health(TypedDict):
    """Whether it runs."""

    status: str


SHAPES: dict[str, Any] = {
    "plan": Plan,
    "fit": Fit,
    "speed": Speed,
    "train": Train,
    "rules": Rules,
    "explain": Explain,
    "sweep": Sweep,
    "room": Room,
    "launch_read": LaunchRead,
    "launch_write": Written,
    "train_write": Written,
    "headers": Headers,
    "models": Models,
    "model": ModelCard,
    "cards": Cards,
    "card": OneCard,
    "options": Options,
    "health": Health,
    "problem": Problem,
}


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of an answer, its parts under ``$defs`` of the components; any object for
    work that has no shape here."""
    from pydantic import TypeAdapter

    if name not in SHAPES:
        return {"type": "object"}
    found: dict[str, Any] = TypeAdapter(SHAPES[name]).json_schema(
        ref_template="#/components/schemas/{model}"
    )
    return found
