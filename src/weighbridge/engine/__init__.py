"""How engines spend a device, one file each.

An engine module offers ``spend(question) -> Spending``: from the facts of a model, the settled
lengths and the machine, the terms of every device in every phase; ``NEWEST``, the newest version
modelled; and, where it takes a context by itself, ``default_context(model, version)``, or, where
its own options say it, ``stated_context(deployment)``. One that does not number its
versions as major.minor.patch reads and writes them (``parse_version``, ``version_text``). To add
an engine, write that file, its options in ``options`` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.errors import EngineError
from weighbridge.formats.table import StorageFormat
from weighbridge.hardware.card import Card
from weighbridge.memory.cache import Streams, own_streams
from weighbridge.memory.own import NO_CONSTANTS, OwnConstants, constants_for
from weighbridge.model.facts import Model
from weighbridge.records import record
from weighbridge.request import Deployment, Tokens
from weighbridge.term import Phase, Term

MODULES = {
    "transformers": "weighbridge.engine.transformers",
    "vllm": "weighbridge.engine.vllm",
    "sglang": "weighbridge.engine.sglang",
    "tensorrt-llm": "weighbridge.engine.tensorrt_llm",
    "llama.cpp": "weighbridge.engine.llama_cpp",
    "ollama": "weighbridge.engine.ollama",
}


class Engine(NamedTuple):
    """An engine and its version, as (major, minor, patch)."""

    name: str
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{self.name}=={self.version_text}"

    @property
    def version_text(self) -> str:
        """The version as the engine writes it: ``0.32.0``, ``b7079``."""
        write = getattr(import_module(MODULES[self.name]), "version_text", None)
        return ".".join(map(str, self.version)) if write is None else str(write(self.version))


class Question(NamedTuple):
    """What an engine is asked; ``cards`` is empty where no hardware was named.

    ``concurrency`` and the lengths in ``tokens`` may be int64 arrays. ``own`` are constants that
    were fitted on the user's rows.
    """

    model: Model
    engine: Engine
    deployment: Deployment
    tokens: Tokens
    concurrency: Any
    cards: tuple[Card, ...] = ()
    own: OwnConstants = NO_CONSTANTS


@record
class DeviceSpending:
    """The terms of one device: those always there, and those of each phase.

    ``bounds`` are the least and the most of all terms together, where they cannot all be low or
    high at once: an engine whose pool takes what the others leave.
    """

    index: int
    resident: tuple[Term, ...]
    phases: Mapping[Phase, tuple[Term, ...]]
    bounds: tuple[int, int] | None = None


class CacheFacts(NamedTuple):
    """What the cache costs: per further token, and for a sequence of the settled length.

    ``streams`` are those that the engine keeps of a layer; ``element_bytes`` is an element's size.
    """

    dtype: str
    bytes_per_token: int
    bytes_per_sequence: Any
    state_bytes_per_sequence: int = 0
    element_bytes: int = 2
    streams: Streams = own_streams


class Capacity(NamedTuple):
    """Room for the cache: tokens, and sequences of the settled length."""

    tokens: Any
    sequences: Any


class Refusal(NamedTuple):
    """Why the engine would not start, in its own words or ours, and what would work.

    ``option`` and ``value`` are a change under which it starts, empty where none is known, and
    ``bytes`` what the fullest device holds then. ``others`` are further such changes, each by
    itself.
    """

    message: str
    option: str = ""
    value: str = ""
    others: tuple[tuple[str, str], ...] = ()
    bytes: int = 0


class Spending(NamedTuple):
    """Every device's terms, the cache's facts, the weights' format, and what was assumed.

    An engine that sizes its own pool states its ``capacity``, the lines that it would log, and why
    it would not start; one that takes what the workload needs leaves them out. ``host`` is what
    it takes of host memory, where that is part of the plan. ``tokens`` are other lengths than those
    asked about, where the engine finds the context by itself. ``settings`` say what was settled;
    ``weights``, their format, and ``activations``, the type that is computed in, always.
    """

    devices: tuple[DeviceSpending, ...]
    cache: CacheFacts
    storage: StorageFormat | None = None
    notes: tuple[str, ...] = ()
    settings: Mapping[str, str] = MappingProxyType({})
    capacity: Capacity | None = None
    log: tuple[str, ...] = ()
    refusal: Refusal | None = None
    layout: Layout = Layout()
    host: DeviceSpending | None = None
    tokens: Tokens | None = None


Spend = Callable[[Question], Spending]


def parse_engine(text: str) -> Engine:
    """``transformers`` or ``transformers==4.46.0``; a missing version means the newest modelled.

    Raises :class:`EngineError` naming the engines that are modelled.
    """
    name, separator, version = text.strip().lower().partition("==")
    if name not in MODULES:
        known = ", ".join(MODULES)
        raise EngineError(f"engine {name[:60]!r} is not known; modelled are: {known}")
    module = import_module(MODULES[name])
    newest: tuple[int, int, int] = module.NEWEST
    if not separator:
        return Engine(name, newest)
    own = getattr(module, "parse_version", None)
    if own is not None:
        found = own(version)
        if found is None:
            raise EngineError(
                f"version {version[:40]!r} of {name} cannot be read; write {Engine(name, newest)}"
            )
        return Engine(name, found)
    parts = version.split(".")
    if not 1 <= len(parts) <= 3 or not all(
        p.isascii() and p.isdigit() and len(p) < 5 for p in parts
    ):
        raise EngineError(
            f"version {version[:40]!r} of {name} cannot be read; write {name}=="
            + ".".join(map(str, newest))
        )
    major, minor, patch = (*map(int, parts), 0, 0)[:3]
    return Engine(name, (major, minor, patch))


def stated_context(engine: Engine, deployment: Deployment) -> int | None:
    """The tokens of a sequence, where the engine's own options say them; else None."""
    function = getattr(import_module(MODULES[engine.name]), "stated_context", None)
    return None if function is None else function(deployment)


def default_context(engine: Engine, model: Model) -> int | None:
    """The context that an engine takes where none is named; None where it has no default."""
    function = getattr(import_module(MODULES[engine.name]), "default_context", None)
    return None if function is None else function(model, engine.version)


def spend(question: Question) -> Spending:
    """Ask the question's engine, with constants of one's own where a calibration is at hand."""
    function: Spend = import_module(MODULES[question.engine.name]).spend
    own = constants_for(question.deployment.calibration, *question.engine)
    if own is NO_CONSTANTS:
        return function(question)
    spending = function(question._replace(own=own, cards=own.on(question.cards)))
    return spending._replace(notes=(*spending.notes, *own.notes))
