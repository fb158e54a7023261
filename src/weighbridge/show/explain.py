"""A term explained: what it is in words, and in a plan its formula with the numbers put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.errors import RequestError
from weighbridge.planner import DevicePlan, Plan
from weighbridge.show.labels import BASES, LOOKS, label, look, phase_label, place
from weighbridge.show.why import show_inputs
from weighbridge.term import Term
from weighbridge.words import say

WORDS = {
    "weights": "The parameters of the model in the format they are held in, with its scales.",
    "master_weights": "A second copy of the weights in fp32, to which an optimizer adds its steps.",
    "adapters": "The small matrices of LoRA beside the weights.",
    "gradients": "One number for every parameter that is trained, kept until the optimizer steps.",
    "optimizer": "What the optimizer remembers of each trained parameter, such as Adam's moments.",
    "kv_cache": "Keys and values of every token so far, kept so that no token is computed twice; "
    "it grows with context and with sequences at once.",
    "state": "The fixed state of recurrent layers, one for each sequence, however long.",
    "activations": "What a pass keeps while it runs: hidden states, attention, feed-forward; in "
    "training also what the backward pass will need.",
    "logits": "One score for every entry of the vocabulary at each position that is scored.",
    "workspace": "Scratch memory of kernels and libraries, such as cuBLAS's.",
    "graphs": "Captured CUDA graphs and the buffers that they own.",
    "context": "What the driver and its libraries take for a process before a model is loaded.",
    "reserve": "What the allocator holds beyond what is in use: rounding and gaps between blocks.",
}


class Explanation(NamedTuple):
    """The terms that were asked for, with those of a plan where one was made."""

    names: tuple[str, ...]
    plan: Plan | None = None

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON prints it."""
        devices = () if self.plan is None else self.plan.devices
        return {
            "schema": 1,
            "version": __version__,
            "model": None if self.plan is None else self.plan.model.id,
            "terms": [_explained(name, devices) for name in self.names],
        }


def explain_term(term: str | None, plan: Plan | None) -> Explanation:
    """One term or all; of a plan those that it has."""
    if term is not None and term not in LOOKS:
        raise RequestError(f"there is no term {term[:40]!r}; there are {', '.join(LOOKS)}")
    if term is not None:
        return Explanation((term,), plan)
    if plan is None:
        return Explanation(tuple(LOOKS))
    has = {each.name for device in plan.devices for each in _terms(device)}
    return Explanation(tuple(sorted(has, key=place)), plan)


def _explained(name: str, devices: Sequence[DevicePlan]) -> dict[str, Any]:
    vendor = next((each.card.vendor for each in devices if each.card is not None), None)
    return {
        "name": name,
        "label": say(label(name, vendor)),
        "what": say(WORDS.get(name, "")),
        "colour": look(name).colour,
        "terms": [
            _in_numbers(device.index, term)
            for device in devices
            for term in _terms(device)
            if term.name == name
        ],
    }


def _terms(device: DevicePlan) -> list[Term]:
    """Each term of every phase of a device, once."""
    every = (term for terms in device.phases.values() for term in terms)
    return list({(term.name, term.phase, term.bytes, term.formula): term for term in every}
                .values())  # fmt: skip


def _in_numbers(device: int, term: Term) -> dict[str, Any]:
    return {
        **term.to_dict(),
        "device": device,
        "phase_label": say(phase_label(term.phase)),
        "basis_label": say(BASES.get(term.basis, term.basis)),
        "with": show_inputs(term.inputs),
    }
