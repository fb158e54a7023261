"""The terms of one rank in each phase: what is always there, and what comes and goes."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.hardware.card import Card
from weighbridge.memory.context import process_context
from weighbridge.model.facts import Layer
from weighbridge.term import Basis, Phase, Term, exact
from weighbridge.training.activations import (
    Kept,
    batch,
    before_loss,
    cast_weights,
    further_masks,
    head_input,
    kept_by_layers,
    mask,
    rotary,
    stream,
    walk,
)
from weighbridge.training.buffers import Buffers, buffers_of
from weighbridge.training.loss import LossBytes, loss_bytes
from weighbridge.training.optimizers import step_scratch
from weighbridge.training.ranks import Stage, in_flight
from weighbridge.training.setup import Setup, inputs_of
from weighbridge.training.states import BLOCK, States, states_of
from weighbridge.units import MIB, ceil_div

CUBLAS, CUBLAS_HOPPER = 8_519_680, 32 * MIB
HOPPER = ("9.0", "10.0", "10.3", "12.0")
SLACK = (58, 6, 220)
SLACK_EXPANDABLE = (10, 0, 40)
SLACK_VARIED = (119, 30, 220)
OTHER_CODE = {"torch": (95, 115), "liger": (85, 125), "megatron": (70, 130)}
EAGER_HIGH, EXPERTS_HIGH, CASTS = 50, 50, 15
NO_LOSS = LossBytes(0, 0, 0, 0, 0)


class Moment(NamedTuple):
    """One moment: bytes of gradients, activations, logits and buffers that are there, with what the
    activations are."""

    gradients: int
    activations: int
    logits: int
    buffers: int
    words: str
    activations_low: int = 0
    activations_high: int = 0
    logits_high: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.gradients + self.activations + self.logits + self.buffers


class Rank(NamedTuple):
    """What a rank of one stage holds: terms that stay, terms by phase, and bytes in the host."""

    resident: tuple[Term, ...]
    phases: dict[Phase, tuple[Term, ...]]
    host: tuple[Term, ...]
    states: States


def rank_of(setup: Setup, stage: Stage, card: Card | None) -> Rank:
    """The ledger of one rank of a stage."""
    states = states_of(setup, stage)
    kept = kept_by_layers(setup, stage)
    alive = in_flight(setup.training, setup.ranks, stage.number)
    loss = _loss(setup) if stage.last and setup.model.generates else NO_LOSS
    buffers = buffers_of(setup, states, stage)
    moments = {
        "forward": _forward(setup, stage, states, kept, loss, buffers, alive),
        "backward": _backward(setup, stage, states, kept, loss, buffers, alive),
        "step": _step(setup, states, buffers),
    }
    resident, host = _resident(setup, states, kept, card)
    fixed = sum(term.bytes for term in resident)
    phases = {phase: _terms(setup, phase, moment, fixed) for phase, moment in moments.items()}
    return Rank(resident, phases, host, states)  # type: ignore[arg-type]


def _loss(setup: Setup) -> LossBytes:
    model, tensor = setup.model, setup.ranks.tensor
    made = loss_bytes(
        setup.loss,
        setup.tokens,
        ceil_div(model.vocab, tensor),
        model.hidden,
        outputs=setup.training.keep_outputs,
        fp32=setup.style.compute == 4,
        widened=setup.regime.casts,
    )
    if not setup.style.quirk.capped or setup.loss.name in {"cut", "liger"}:
        return made
    capped = setup.tokens * ceil_div(model.vocab, tensor) * setup.style.compute
    return made._replace(
        **{name: getattr(made, name) + capped for name in ("forward", "kept", "backward", "high")}
    )


def _accumulated(setup: Setup, states: States) -> int:
    """Gradients that earlier micro-batches have left."""
    return gradients_held(setup, states) if setup.training.grad_accumulation > 1 else 0


def gradients_held(setup: Setup, states: States) -> int:
    """Gradients once the backward pass is over."""
    if setup.optimizer.gradients == "layer":
        return max(states.largest, 0) * setup.gradient_element
    if offloads_states(setup):
        return 0
    return states.gradients


def offloads_states(setup: Setup) -> bool:
    """Whether gradients and optimizer states stand in host memory."""
    return setup.training.offload in {"optimizer", "all", "nvme"}


def _forward(setup: Setup, stage: Stage, states: States, kept: Kept, loss: LossBytes,
             buffers: Buffers, alive: float) -> Moment:  # fmt: skip
    end = before_loss(setup) + head_input(setup) if stage.last else 0
    end += cast_weights(setup, stage, forward=True)
    size = _alive(kept.layers, alive) + end + _common(setup)
    spread = _spread(kept, alive)
    words = f"{kept.formula}" + (f" × {alive:g} micro-batches in flight" if alive > 1 else "")
    logits = loss.forward + loss.outputs  # the step before left its outputs in the loop's hands
    return Moment(_accumulated(setup, states), size, logits, buffers.forward, words,
                  size + spread[0], size + spread[1], max(loss.high, logits))  # fmt: skip


def _alive(size: Any, count: float) -> int:
    return int(size * count)


def _spread(kept: Kept, alive: float) -> tuple[int, int]:
    return _alive(kept.low - kept.layers, alive), _alive(kept.high - kept.layers, alive)


def _common(setup: Setup) -> int:
    return int(rotary(setup) + batch(setup) + mask(setup))


def _backward(setup: Setup, stage: Stage, states: States, kept: Kept, loss: LossBytes,
              buffers: Buffers, alive: float) -> Moment:  # fmt: skip
    """The worst of: the loss, the last layer, the first layer, and the end."""
    held = _alive(kept.layers, alive)
    low, high = _spread(kept, alive)
    common, flow = _common(setup), int(stream(setup))
    end = (before_loss(setup) if stage.last else 0) + further_masks(setup, stage)
    end += cast_weights(setup, stage)
    before = _accumulated(setup, states)
    finished = gradients_held(setup, states)
    found: list[Moment] = []
    if stage.last:
        found.append(
            Moment(
                before,
                held + end + common,
                loss.backward,
                buffers.loss,
                "at the loss: all that layers keep, and the final norm",
                held + end + common + low,
                held + end + common + high,
                loss.high,
            )
        )
    for layer, first in _ends(stage):
        found.append(_at_layer(setup, states, kept, loss, buffers, layer, (held, low, high),
                               first=first, alone=alive <= 1))  # fmt: skip
    if alive <= 1 and setup.checkpointing in {"none", "full"}:
        found += [_inside(setup, states, loss, buffers, stage, index) for index in _middle(stage)]
    twice = 0
    if setup.model.tied and stage.first and stage.last and setup.trains_base:
        twice = 2 * states.embedding * setup.gradient_element
        if setup.sharding not in {"none", "ddp"}:
            twice = 0
    # Where both gradients of a tied matrix stand beside their sum, the stream's is gone.
    last = int(batch(setup)) + (0 if twice else flow)
    if setup.sharding in {"fsdp", "fsdp2"}:
        finished -= states.trained_outer * setup.gradient_element // setup.ranks.shards
    found.append(Moment(max(finished, before), last, loss.outputs, buffers.end + twice,
                        "at the end: the stream's gradient", last, last, loss.outputs))  # fmt: skip
    return max(found, key=lambda moment: moment.total)


def _ends(stage: Stage) -> list[tuple[Layer, bool]]:
    if not stage.layers:
        return []
    return [(stage.layers[-1], False), (stage.layers[0], True)]


def _at_layer(
    setup: Setup,
    states: States,
    kept: Kept,
    loss: LossBytes,
    buffers: Buffers,
    layer: Layer,
    held: tuple[int, int, int],
    *,
    first: bool,
    alone: bool,
) -> Moment:
    """In the backward of one layer: gradients of the layers behind it are there already."""
    step = walk(setup, layer)
    flow = int(stream(setup))
    whole, low, high = held
    recomputed = setup.checkpointing != "none"
    segment = kept.again if setup.every > 1 else 0
    rest = (flow if recomputed else step.saved) if first and alone else whole
    if not recomputed:
        rest -= step.saved
    elif first and alone and setup.checkpointing == "selective":
        rest = whole // max(len(setup.model.layers), 1)
    here = rest + max(step.peak, segment) + flow + _common(setup)
    own = sum(setup.trained(p) for p in layer.parameters)
    before = _accumulated(setup, states)
    element = setup.gradient_element
    cut = max(setup.ranks.tensor, 1)
    share = states.gradients / max(states.whole_gradients, 1)
    if offloads_states(setup) or setup.optimizer.gradients == "layer":
        made = max(own // cut, states.largest) * element
    elif first:
        # A tied matrix has its gradient from the head already.
        missing = 0 if setup.model.tied else states.embedding
        behind = states.trained - missing - own // cut
        made = int(behind * element * share) + (step.elements // cut) * element
    else:
        after = states.trained_outer - (0 if setup.model.tied else states.embedding)
        made = int(after * element * share) + (step.elements // cut) * element
    made = max(made, before)
    words = "in a layer's backward: what it keeps or computes again, and gradients"
    return Moment(made, here, loss.outputs, buffers.layer, words, here + min(low, 0) // 2, here +
                  high, loss.outputs)  # fmt: skip


def _middle(stage: Stage) -> list[int]:
    """The last place of each kind of layer that stands at neither end."""
    ends = {id(layer) for layer, _ in _ends(stage)}
    places = {id(layer): index for index, layer in enumerate(stage.layers)}
    return [index for kind, index in places.items() if kind not in ends]


def _inside(setup: Setup, states: States, loss: LossBytes, buffers: Buffers, stage: Stage,
            index: int) -> Moment:  # fmt: skip
    """In the backward of a layer amid others: what those before it keep, gradients of those after
    it."""
    layer = stage.layers[index]
    step, flow = walk(setup, layer), int(stream(setup))
    if setup.checkpointing == "none":
        kept = {id(each): walk(setup, each).saved for each, _ in stage.groups()}
        rest = sum(kept[id(each)] for each in stage.layers[:index])
    else:
        rest = (index + 1) * flow
    here = int(rest + step.peak + flow + _common(setup))
    after = states.trained_outer - (0 if setup.model.tied else states.embedding)
    after += sum(setup.trained(p) for each in stage.layers[index + 1 :] for p in each.parameters)
    share = states.gradients / max(states.whole_gradients, 1)
    cut, element = max(setup.ranks.tensor, 1), setup.gradient_element
    made = int(after // cut * element * share) + (step.elements // cut) * element
    if offloads_states(setup) or setup.optimizer.gradients == "layer":
        made = states.largest * element
    made = max(made, _accumulated(setup, states))
    return Moment(made, here, loss.outputs, buffers.layer,
                  "in a layer's backward: what it keeps or computes again, and gradients",
                  here, here, loss.outputs)  # fmt: skip


def _step(setup: Setup, states: States, buffers: Buffers) -> Moment:
    optimizer = 0 if offloads_states(setup) else states.optimizer
    largest = states.largest // (max(setup.ranks.shards, 1) if setup.sharding != "none" else 1)
    if setup.sharding == "ddp":
        largest = states.largest
    scratch = step_scratch(setup.optimizer, optimizer, largest, setup.state_element)
    if offloads_states(setup):
        scratch = step_scratch(setup.optimizer, 0, 0, setup.state_element)
    held = gradients_held(setup, states)
    return Moment(held, scratch.bytes, 0, buffers.step, f"step: {scratch.formula}",
                  scratch.low, scratch.high, 0)  # fmt: skip


def _terms(setup: Setup, phase: str, moment: Moment, fixed: int) -> tuple[Term, ...]:
    """A moment as terms, with the allocator's slack over everything that PyTorch holds."""
    p: Any = phase
    inputs = inputs_of(setup)
    basis: Basis = "config"
    if moment.activations_low != moment.activations_high:
        basis = "assumed"
    least, most = OTHER_CODE[setup.style.kernels]
    if setup.style.attention == "eager" and setup.style.kernels == "torch":
        most += EAGER_HIGH
    if setup.ranks.expert > 1:
        most += EXPERTS_HIGH
    if setup.regime.casts:
        least, most = least - CASTS, most + CASTS
    terms = [
        exact("gradients", moment.gradients, basis="config", phase=p,
              formula="trained elements whose gradient is there × bytes",
              inputs={"bytes": setup.gradient_element}, source=setup.regime.source),
        Term("activations", 0, p, moment.activations,
             max(min(moment.activations, moment.activations_low), 0) * least // 100,
             max(moment.activations, moment.activations_high) * most // 100, basis, moment.words,
             inputs, ACTIVATIONS),
        Term("logits", 0, p, moment.logits, moment.logits * 6 // 7,
             max(moment.logits, moment.logits_high), "config", setup.loss.formula, inputs,
             setup.loss.source),
        Term("workspace", 0, p, moment.buffers, moment.buffers // 2, moment.buffers * 2,
             "config", "buffers of the sharding in this phase", {"sharding": setup.sharding},
             BUFFERS),
    ]  # fmt: skip
    terms = [term for term in terms if term.high]
    return (*terms, _slack(setup, p, fixed + sum(term.bytes for term in terms)))


ACTIVATIONS = (
    "tensors saved by the code of Transformers 5.23 for this kind of layer, listed on the meta "
    "device; byte-exact for Llama against PyTorch's own accounting. Bounds: other versions and "
    "frameworks keep up to 5 % less and 15 % more, eager attention in older versions 50 % more, "
    "ranks whose experts are chosen more often as well; autocast 15 % either way, as "
    "loops differ in what they cast"
)
BUFFERS = "torch FSDP2, DDP and DeepSpeed sources; see training/buffers.py"


def _slack(setup: Setup, phase: Phase, allocated: int) -> Term:
    expandable = setup.training.expandable_segments
    typical, low, high = SLACK_EXPANDABLE if expandable else SLACK
    source = ("replay of PyTorch's caching allocator over 28 training steps: 1.006–1.174, "
              "median 1.058; up to 1.22 where few large blocks come and go")  # fmt: skip
    if expandable:
        source = "expandable segments: reserved follows allocated"
    elif setup.training.batching == "padded":
        typical, low, high = SLACK_VARIED
        source = ("batches of varied lengths leave holes: fitted on PEFT's MetaMathQA run of LoRA "
                  "rank 32 (22,292,725,760 bytes reserved)")  # fmt: skip
    return Term(
        "reserve", 0, phase, allocated * typical // 1000, allocated * low // 1000,
        allocated * high // 1000, "calibrated", "allocated × share that the allocator hoards",
        {"allocated": allocated, "share": typical / 1000}, source,
    )  # fmt: skip


def _resident(
    setup: Setup, states: States, kept: Kept, card: Card | None
) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Terms that stay from step to step, and those that stand in the host's memory."""
    here: list[Term] = []
    host: list[Term] = []
    away = setup.training.offload
    element = setup.storage.name if setup.storage else f"{setup.weight_element} bytes"
    facts = {"elements": states.held, "ranks": setup.ranks.shards, "stored as": element}
    source = setup.storage.source if setup.storage else setup.regime.source
    weights = exact("weights", states.weights, basis=_basis(setup), inputs=facts, source=source,
                    formula="elements on this rank × bytes each")  # fmt: skip
    (host if away in {"all", "nvme"} else here).append(weights)
    if setup.adapters is not None:
        here.append(
            exact(
                "adapters",
                states.adapters,
                basis="config",
                source=PEFT,
                formula="Σ rank × (in + out) × bytes",
                inputs={"rank": setup.adapters.rank, "elements": states.trained},
            )
        )
    place = host if offloads_states(setup) else here
    if states.master:
        place.append(exact("master_weights", states.master, basis="config",
                           source=setup.regime.source, formula="trained elements × 4 / ranks",
                           inputs={"elements": states.trained}))  # fmt: skip
    counted = place is here and setup.optimizer.scratch in {"none", "foreach", "loop"}
    held = states.optimizer + (states.tensors * BLOCK + states.rounding if counted else 0)
    low = 0 if setup.optimizer.paged else held
    place.append(Term("optimizer", 0, "resident", held, low, held, "config",
                      f"states of {setup.optimizer.title} in blocks of 512 bytes, and a step "
                      "counter per tensor",
                      {"elements": states.trained, "element": setup.state_element},
                      setup.optimizer.source))  # fmt: skip
    if offloads_states(setup):
        host.append(exact("gradients", states.gradients, basis="config",
                          source="DeepSpeed offload_optimizer, FSDP CPUOffload",
                          formula="trained elements × bytes / ranks",
                          inputs={"elements": states.trained}))  # fmt: skip
    if kept.host:
        host.append(
            exact(
                "activations",
                int(kept.host),
                basis="config",
                source=ACTIVATIONS,
                formula="layers × tokens × hidden × bytes",
                inputs=inputs_of(setup),
            )
        )
    here += _outside(setup, card)
    return tuple(here), tuple(host)


PEFT = "peft lora/layer.py: A and B per adapted matrix; DoRA a magnitude per output"


def _basis(setup: Setup) -> Basis:
    basis: Any = setup.model.basis
    return basis if basis in {"assumed", "config", "header"} else "config"


def _outside(setup: Setup, card: Card | None) -> list[Term]:
    """cuBLAS's workspaces, and the process's context."""
    context = process_context(card)
    hopper = card is not None and card.compute_capability in HOPPER
    each = CUBLAS_HOPPER if hopper else CUBLAS
    return [
        Term("workspace", 0, "resident", 2 * each, 2 * CUBLAS, 2 * CUBLAS_HOPPER, "traced",
             "2 × cuBLAS workspace: of the forward thread and of autograd's",
             {"workspace": each}, "torch CUDABlas getCUDABlasLtWorkspaceSize; A100 runs of Liger "
             "differ from the trace by 2 × 8,519,680 bytes"),
        Term("context", 0, "resident", context.typical, context.low,
             context.high + (512 * MIB if setup.ranks.world > 1 else 0), "assumed",
             "a process's context on the device, and NCCL's channels where there are several ranks",
             {}, context.source),
    ]  # fmt: skip
