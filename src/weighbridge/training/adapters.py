"""LoRA: which weights get an adapter, and what the adapters hold (Hu et al., arXiv:2106.09685).

PEFT's ``all-linear`` takes every ``nn.Linear`` of the layers, not the head (peft/tuners/
tuners_utils.py). Fused experts and routers are plain parameters in Transformers 5; from 0.19 on
PEFT adapts those of known mixtures as well (peft/utils/transformers_weight_conversion.py), which
is not counted here and said in a note.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.model.facts import Model, Parameter
from weighbridge.records import record

EXPERTS_LEFT_OUT = (
    "adapters on the routed experts are not counted: PEFT from 0.19 adapts fused experts of known "
    "mixtures where all linear layers are named, which takes more; --lora-targets attention names "
    "none of them"
)
QUERY_VALUE = ("q_proj", "v_proj", "query", "value", "query_key_value", "qkv_proj", "Wqkv",
               "c_attn", "q_b_proj", "kv_b_proj")  # fmt: skip


@record
class Adapters:
    """Adapters of ``rank`` on the parameters whose names are in ``names``.

    ``element`` is their bytes per element; ``dropout`` says that their input passes a dropout.
    """

    rank: int
    element: int
    names: frozenset[str]
    dropout: bool = False
    dora: bool = False

    def on(self, parameter: Parameter) -> bool:
        """Whether the parameter has an adapter."""
        return parameter.name in self.names

    def elements(self, parameter: Parameter) -> int:
        """r · (in + out), and DoRA's magnitude per output; 0 without an adapter."""
        if not self.on(parameter):
            return 0
        out, into = parameter.shape
        return (self.rank * (out + into) + (out if self.dora else 0)) * parameter.copies


class Target(NamedTuple):
    """A linear layer that could be adapted, and whether it belongs to a mixer."""

    parameter: Parameter
    mixing: bool


def candidates(model: Model) -> list[Target]:
    """Every linear weight of the layers, once per name."""
    found: dict[str, Target] = {}
    for layer, _ in model.layer_groups():
        for mixing, parameters in (
            (True, layer.mixer.parameters),
            (False, layer.feed_forward.parameters),
        ):
            for each in parameters:
                if each.role == "linear" and len(each.shape) == 2:
                    found.setdefault(each.name, Target(each, mixing))
    return list(found.values())


def make_adapters(model: Model, targets: str, rank: int, element: int, *, dropout: bool,
                  dora: bool) -> Adapters:  # fmt: skip
    """The adapters that ``targets`` means; RequestError where it names nothing of the model."""
    chosen = _chooser(targets)
    linears = candidates(model)
    names = frozenset(each.parameter.name for each in linears if chosen(each))
    if not names:
        known = ", ".join(sorted({_module(each.parameter) for each in linears}))
        raise RequestError(
            f"lora_targets {targets[:60]!r} names no linear layer of {model.id}; it has {known}"
        )
    return Adapters(rank, element, names, dropout, dora)


def module_names(model: Model, adapters: Adapters) -> list[str]:
    """The last part of the adapted modules' names, as ``target_modules`` lists them."""
    return sorted({_module(each.parameter) for each in candidates(model)
                   if adapters.on(each.parameter)})  # fmt: skip


def _module(parameter: Parameter) -> str:
    return parameter.name.removesuffix(".weight").rsplit(".", 1)[-1]


def _chooser(targets: str) -> Callable[[Target], bool]:
    known: dict[str, Callable[[Target], bool]] = {
        "all-linear": lambda _: True,
        "attention": lambda each: each.mixing,
        "mlp": lambda each: not each.mixing,
        "qv": lambda each: each.mixing and _module(each.parameter) in QUERY_VALUE,
    }
    if targets in known:
        return known[targets]
    wanted = {name.strip() for name in targets.split(",") if name.strip()}
    return lambda each: _module(each.parameter) in wanted
