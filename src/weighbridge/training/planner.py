"""TrainingRequest → TrainingPlan: every rank's ledger, the verdict, and how long a step takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weighbridge._version import __version__
from weighbridge.hardware.machine import Machine, parse_machine
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model
from weighbridge.planner import DevicePlan, Verdict, Weighing, weighed_verdict
from weighbridge.records import record
from weighbridge.request import TrainingRequest
from weighbridge.term import Term
from weighbridge.training.ledger import Rank, rank_of
from weighbridge.training.ranks import Ranks, stages
from weighbridge.training.setup import Setup, settle

if TYPE_CHECKING:
    from weighbridge.training.speed import TrainingSpeed


@record
class TrainingPlan(Weighing):
    """What each rank holds in each phase of a step, and the host for all ranks together."""

    request: TrainingRequest
    ranks: Ranks
    trained: int
    length: int
    settings: Mapping[str, str]
    setup: Setup
    speed: TrainingSpeed | None = None
    version: str = __version__

    @property
    def tokens_per_step(self) -> int:
        """Tokens that all ranks see between two updates."""
        asked = self.request.training
        return asked.micro_batch * asked.grad_accumulation * self.length * self.ranks.data

    def to_dict(self) -> dict[str, Any]:
        """The plan as ``--json`` prints it."""
        from weighbridge.show.training import training_to_dict

        return training_to_dict(self)

    def __str__(self) -> str:
        from weighbridge.show.training import training_to_text

        return training_to_text(self)

    def _repr_html_(self) -> str:
        from weighbridge.show.html import answer_to_html
        from weighbridge.show.training import facts

        return answer_to_html(self, facts(self))

    def _repr_markdown_(self) -> str:
        from weighbridge.show.training import training_to_markdown

        return training_to_markdown(self)


def plan_training(request: TrainingRequest, model: Model | None = None) -> TrainingPlan:
    """The plan of a request; ``model`` saves reading it again."""
    training = request.training
    machine = parse_machine(training.on) if training.on is not None else None
    model = load_model(request.model) if model is None else model
    setup = settle(model, training, machine)
    devices, host, trained = _devices(setup, machine)
    from weighbridge.training.presets import with_companions

    devices, notes = with_companions(setup, devices)
    from weighbridge.training.speed import training_speed

    return TrainingPlan(
        request=request,
        model=model,
        machine=machine,
        devices=devices,
        verdict=weighed_verdict(devices),
        assumptions=tuple(dict.fromkeys((*model.notes, *setup.notes, *notes,
                                         *(machine.notes if machine else ())))),
        ranks=setup.ranks,
        host=_host(host),
        trained=trained,
        length=setup.length,
        settings=setup.settings,
        setup=setup,
        speed=training_speed(setup, machine),
    )  # fmt: skip


def _devices(
    setup: Setup, machine: Machine | None
) -> tuple[tuple[DevicePlan, ...], tuple[Term, ...], int]:
    """Ranks of one stage hold the same: each stage is weighed once for each kind of card."""
    ranks = setup.ranks
    each = ranks.world // ranks.pipeline
    made: list[DevicePlan] = []
    host: list[Term] = []
    trained = 0
    for stage in stages(setup.model, ranks.pipeline):
        weighed: dict[Any, Rank] = {}
        for place in range(each):
            index = stage.number * each + place
            card = machine.devices[index] if machine else None
            if card not in weighed:
                weighed[card] = rank_of(setup, stage, card)
            rank = weighed[card]
            made.append(_device(rank, index, card))
            host += [term._replace(device=index) for term in rank.host]
        trained += next(iter(weighed.values())).states.trained * ranks.tensor
    return tuple(made), tuple(host), trained


def _host(terms: tuple[Term, ...]) -> DevicePlan | None:
    """What all ranks leave in host memory, one term for each name."""
    if not terms:
        return None
    summed: dict[str, Term] = {}
    for term in terms:
        held = summed.get(term.name)
        more = (held.bytes, held.low, held.high) if held is not None else (0, 0, 0)
        summed[term.name] = term._replace(
            device=-1,
            bytes=term.bytes + more[0],
            low=term.low + more[1],
            high=term.high + more[2],
        )
    kept = tuple(summed.values())
    return DevicePlan("host memory", -1, None, "step", kept, {"step": kept})


def _device(rank: Rank, index: int, card: Any) -> DevicePlan:
    phases = {
        phase: tuple(term._replace(device=index) for term in (*rank.resident, *terms))
        for phase, terms in rank.phases.items()
    }
    peak = max(phases, key=lambda phase: sum(term.bytes for term in phases[phase]))
    return DevicePlan(card.name if card else "any device", index, card, peak, phases[peak], phases)


__all__ = ["TrainingPlan", "Verdict", "plan_training"]
