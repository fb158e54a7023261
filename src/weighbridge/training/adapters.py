"""LoRA: which weights get an adapter, and what the adapters hold (Hu et al., arXiv:2106.09685).

PEFT's ``all-linear`` takes every ``nn.Linear`` of the layers, not the head (peft/tuners/
tuners_utils.py), and of known mixtures the fused experts and routers (see training/mixtures.py).
An adapter of a stack of E experts is two matrices of E · rank rows and columns (lora/layer.py,
ParamWrapper), and the layer computes with the sum of the stack and their product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.model.facts import Model, Parameter
from weighbridge.records import record
from weighbridge.training.mixtures import MAPPED, PAIRED, adaptable, fused, module_of

STACKED = (
    "PEFT from 0.19 on adapts the fused experts and routers of this family, and every layer then "
    "keeps a whole copy of its experts until its backward; --lora-targets attention names none"
)
QUERY_VALUE = ("q_proj", "v_proj", "query", "value", "query_key_value", "qkv_proj", "Wqkv",
               "c_attn", "q_b_proj", "kv_b_proj")  # fmt: skip


@record
class Adapters:
    """Adapters of ``rank`` on the parameters whose names are in ``names``.

    ``element`` is their bytes per element; ``dropout`` says that their input passes a dropout.
    Those in ``wrapped`` are parameters rather than modules: the sum of weight and update is made.
    """

    rank: int
    element: int
    names: frozenset[str]
    dropout: bool = False
    dora: bool = False
    wrapped: frozenset[str] = frozenset()

    def on(self, parameter: Parameter) -> bool:
        """Whether the parameter has an adapter."""
        return parameter.name in self.names

    def elements(self, parameter: Parameter) -> int:
        """Elements of the adapter's matrices, all copies; 0 without an adapter."""
        return sum(each.elements for each in self.matrices(parameter))

    def matrices(self, parameter: Parameter) -> tuple[Parameter, ...]:
        """A of (r, in) and B of (out, r), and DoRA's magnitude per output.

        A stack of E experts has A of (E · r, in) and B of (out, E · r); gate and up share one A,
        and their B has 2 · E · r columns, of which each is counted with half of A's rows.
        """
        if not self.on(parameter):
            return ()
        out, into = parameter.shape
        if fused(parameter):
            rows = self.rank * parameter.copies
            wide = 2 if module_of(parameter) in PAIRED else 1
            return (Parameter("a", (rows, into), "linear"),
                    Parameter("b", (out, wide * rows), "linear"))  # fmt: skip
        pair = (Parameter("a", (self.rank, into), "linear", parameter.copies),
                Parameter("b", (out, self.rank), "linear", parameter.copies))  # fmt: skip
        return (*pair, Parameter("m", (out,), "norm", parameter.copies)) if self.dora else pair

    def tensors(self, parameter: Parameter) -> int:
        """Trained tensors: gate and up of a stack have one A and one B between them."""
        found = self.matrices(parameter)
        if found and fused(parameter):
            return 1 if module_of(parameter) in PAIRED else 2
        return sum(each.copies for each in found)


class Target(NamedTuple):
    """A linear layer that could be adapted, and whether it belongs to a mixer."""

    parameter: Parameter
    mixing: bool


def candidates(model: Model) -> list[Target]:
    """Every weight of the layers that PEFT can adapt, once per name."""
    found: dict[str, Target] = {}
    for layer, _ in model.layer_groups():
        for mixing, parameters in (
            (True, layer.mixer.parameters),
            (False, layer.feed_forward.parameters),
        ):
            for each in parameters:
                if adaptable(model.family, each):
                    found.setdefault(each.name, Target(each, mixing))
    return list(found.values())


def make_adapters(model: Model, targets: str, rank: int, element: int, *, dropout: bool,
                  dora: bool) -> Adapters:  # fmt: skip
    """The adapters that ``targets`` means; RequestError where it names nothing of the model."""
    chosen = _chooser(targets)
    linears = candidates(model)
    picked = [each.parameter for each in linears if chosen(each)]
    if not picked:
        known = ", ".join(sorted({module_of(each.parameter) for each in linears}))
        raise RequestError(
            f"lora_targets {targets[:60]!r} names no linear layer of {model.id}; it has {known}"
        )
    mapped = MAPPED.get(model.family, frozenset())
    wrapped = frozenset(each.name for each in picked if module_of(each) in mapped)
    if wrapped and (dropout or dora):
        raise RequestError(
            f"PEFT has no {'dropout' if dropout else 'DoRA'} for adapters of fused experts and "
            f"routers, which these targets are in {model.id}; use --lora-targets attention"
        )
    halves = {module_of(each) for each in picked if fused(each)} & PAIRED
    if len(halves) == 1:
        raise RequestError(
            f"gate and up of {model.id}'s experts are one tensor, so that PEFT adapts both or "
            f"neither; lora_targets names {', '.join(halves)} alone"
        )
    names = frozenset(each.name for each in picked)
    return Adapters(rank, element, names, dropout, dora, wrapped)


def module_names(model: Model, adapters: Adapters) -> list[str]:
    """The last part of the adapted modules' names, as ``target_modules`` lists them."""
    return sorted({module_of(each.parameter) for each in candidates(model)
                   if adapters.on(each.parameter)})  # fmt: skip


def _chooser(targets: str) -> Callable[[Target], bool]:
    known: dict[str, Callable[[Target], bool]] = {
        "all-linear": lambda _: True,
        "attention": lambda each: each.mixing,
        "mlp": lambda each: not each.mixing and each.parameter.role != "router",
        "qv": lambda each: each.mixing and module_of(each.parameter) in QUERY_VALUE,
    }
    if targets in known:
        return known[targets]
    wanted = {name.strip() for name in targets.split(",") if name.strip()}
    return lambda each: module_of(each.parameter) in wanted
