"""How Hugging Face Transformers spends a device: eager allocation, a cache that grows by
concatenation, and one caching allocator for everything.

A forward pass is walked through the moments at which most can be alive (``moments``). Phases are
``load``, ``prefill`` (the prompt in one pass) and ``decode`` (the last step, with the cache at
its longest). What changed between versions is a table (``versions``).
"""

from __future__ import annotations

from weighbridge.engine import CacheFacts, DeviceSpending, Question, Spending
from weighbridge.engine.transformers import host, resident, terms
from weighbridge.engine.transformers.device_map import DISK, HOST
from weighbridge.engine.transformers.setup import Setup, set_up
from weighbridge.engine.transformers.share import Share, shares
from weighbridge.engine.transformers.versions import NEWEST
from weighbridge.memory.cache import elements_per_token, state_bytes
from weighbridge.term import Phase, Term

__all__ = ["NEWEST", "spend"]


def spend(question: Question) -> Spending:
    """The terms of every device for a model run by Transformers."""
    setup = set_up(question)
    layers = setup.model.layer_groups()
    per_sequence = setup.cached_elements(layers, question.tokens.cached)
    per_token = elements_per_token(layers, kept=setup.kept, streams=setup.streams)
    placed = shares(setup)
    return Spending(
        devices=tuple(_device(setup, share) for share in placed if share.device >= 0),
        cache=CacheFacts(
            dtype=setup.compute,
            bytes_per_token=setup.element * per_token,
            bytes_per_sequence=setup.element * per_sequence,
            state_bytes_per_sequence=state_bytes(layers, setup.element),
            element_bytes=setup.element,
            streams=setup.streams,
        ),
        storage=setup.storage,
        notes=(*setup.notes, *_elsewhere(placed)),
        settings=setup.settings,
        host=_host(setup, placed),
    )


def _elsewhere(placed: list[Share]) -> list[str]:
    """How many layers run on the first GPU without lying on it."""
    places = {HOST: "in host memory", DISK: "on disk"}
    return [
        f"{len(share.layers)} layers lie {places[share.device]} and cross the bus in every pass"
        for share in placed
        if share.device in places and share.layers
    ]


def _host(setup: Setup, placed: list[Share]) -> DeviceSpending | None:
    """What ``device_map`` leaves in host memory; what it leaves on disk is read from the files."""
    for share in placed:
        if share.device == HOST and (share.outer or share.layers):
            terms = tuple(resident.weights(setup, share))
            return DeviceSpending(HOST, terms, {"prefill": (), "decode": ()})
    return None


def _device(setup: Setup, share: Share) -> DeviceSpending:
    always = (
        *resident.weights(setup, share),
        *resident.visitors(setup, share),
        *resident.packing(setup, share),
        *resident.tables(setup, share),
        *resident.workspaces(setup, share),
        *host.mapped(setup, share),
        terms.context(setup, share),
    )
    phases: dict[Phase, tuple[Term, ...]] = {
        "load": _phase(setup, share, "load", resident.loading(setup, share))
    }
    walked: tuple[Phase, ...] = ("prefill", "decode") if setup.model.generates else ("prefill",)
    for phase in walked:
        moving = [*terms.cache(setup, share, phase), *terms.forward(setup, share, phase)]
        phases[phase] = _phase(setup, share, phase, moving)
    return DeviceSpending(share.device, always, phases)


def _phase(setup: Setup, share: Share, phase: Phase, moving: list[Term]) -> tuple[Term, ...]:
    packed = host.packed(setup, share, phase, moving)
    return (*moving, *packed, terms.reserve(setup, share, phase, moving))
