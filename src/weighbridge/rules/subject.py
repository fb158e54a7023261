"""What the articles' formulas ask of a model, taken from its plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Layer, Model
from weighbridge.planner import Plan
from weighbridge.units import GB, MB

REMEMBERED = ("kv_cache", "state")
_FACTORS = {"t": 1000 * GB, "b": GB, "m": MB}
_SIZE = re.compile(
    r"(?:^|[-_ ])(?:(?P<experts>\d{1,3})x)?(?P<number>\d{1,6}(?:\.\d{1,6})?)(?P<unit>[tbm])"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Named:
    """A size as it is spoken: ``7B``, its parameters, and whether it stands in the name."""

    text: str
    parameters: int
    in_name: bool


@dataclass(frozen=True, slots=True)
class Heads:
    """Attention as config.json states it; ``derived`` where head dim is hidden / heads."""

    heads: int
    kv_heads: int
    head_dim: int
    derived: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """A plan as a writer of rules sees it: a few numbers, and our terms to compare with."""

    plan: Plan
    named: Named
    bits: int
    cache_bits: int
    heads: Heads | None
    tokens: int

    @property
    def model(self) -> Model:
        """The model of the plan."""
        return self.plan.model

    @property
    def parameters(self) -> int:
        """Every parameter, counted."""
        return self.plan.model.parameters

    @property
    def layers(self) -> int:
        """Layers of the language model."""
        return len(self.plan.model.layers)

    @property
    def sequences(self) -> int:
        """Sequences at once."""
        return self.plan.request.workload.concurrency

    @property
    def devices(self) -> int:
        """Devices that the plan spreads over."""
        return len(self.plan.devices)

    @property
    def weights(self) -> int:
        """Our weights."""
        return self.plan.term("weights")

    @property
    def remembered(self) -> int:
        """Our cache, with recurrent state where there is some."""
        return self.of(REMEMBERED)

    @property
    def rest(self) -> int:
        """Our total less weights and cache."""
        return self.plan.total - self.weights - self.remembered

    @property
    def format_name(self) -> str:
        """The storage format of the weights."""
        return self.plan.settings.get("weights", "16-bit")

    def names(self) -> tuple[str, ...]:
        """The names of the plan's terms, once each, in the ledger's order."""
        return tuple(dict.fromkeys(term.name for term in self.plan.terms))

    def of(self, names: tuple[str, ...]) -> int:
        """Bytes of our terms of these names."""
        return sum(self.plan.term(name) for name in names)

    def storage(self) -> StorageFormat | None:
        """The row of the weights' format; None where the checkpoint's own has none."""
        try:
            return find_format(self.format_name)
        except RequestError:
            return None

    def left_in_16_bit(self) -> int:
        """Parameters that a quantized format leaves as they are."""
        storage = self.storage()
        if storage is None:
            return 0
        return weigh_parameters(self.model.every_parameter(), storage).elements_left_alone


def subject_of(plan: Plan) -> Subject:
    """The numbers that the formulas put in for this plan."""
    prefill = all(device.phase == "prefill" for device in plan.devices)
    return Subject(
        plan=plan,
        named=named_size(plan.model.id, plan.model.parameters),
        bits=nominal_bits(plan.settings.get("weights", "")),
        cache_bits=nominal_bits(plan.cache.dtype),
        heads=heads_of(plan.model),
        tokens=int(plan.tokens.prompt if prefill else plan.tokens.cached),
    )


def nominal_bits(name: str) -> int:
    """The bits that a format is named after; 16 where its name holds none.

    >>> [nominal_bits(name) for name in ("bf16", "fp8-block", "nf4-dq", "gptq-int4", "q4_k")]
    [16, 8, 4, 4, 4]
    """
    digits = re.search(r"[1-9]\d*", name)
    return int(digits[0]) if digits else 16


def named_size(model_id: str, parameters: int) -> Named:
    """The size in a model's name, or the count rounded as it would be spoken.

    >>> named_size("meta-llama/Llama-2-7b-hf", 6_738_415_616).text
    '7B'
    >>> named_size("deepseek-ai/DeepSeek-V3", 671_026_404_352).text
    '671B'
    """
    found = _SIZE.search(model_id.rstrip("/").rpartition("/")[2])
    if found is not None:
        whole, _, fraction = found["number"].partition(".")
        factor = _FACTORS[found["unit"].lower()] * int(found["experts"] or 1)
        size = int(whole) * factor + int(fraction or 0) * factor // 10 ** len(fraction)
        if size:
            return Named(found[0].lstrip("-_ ").upper().replace("X", "x"), size, True)
    unit, letter = (GB, "B") if parameters >= GB else (MB, "M")
    step = max(unit if parameters >= 10 * unit else unit // 10, 1)
    size = max(round(parameters / step), 1) * step
    return Named(f"{size / unit:g}{letter}", size, False)


def heads_of(model: Model) -> Heads | None:
    """Heads of the commonest attention in the stack; None where no layer has any."""
    attending = [group for group in model.layer_groups() if group[0].mixer.score_heads]
    if not attending:
        return None
    layer: Layer = max(attending, key=lambda group: group[1])[0]
    mixer: Any = layer.mixer
    heads = layer.mixer.score_heads
    stated = getattr(mixer, "k_dim", None)
    return Heads(
        heads,
        getattr(mixer, "kv_heads", heads),
        stated or model.hidden // heads,
        stated is None,
    )
