"""Optimizers, one row each: what they keep per parameter, and what a step needs for a moment.

A state function takes one :class:`Parameter` and the bytes of an element of the tensor that is
optimised (a master copy where there is one). To add an optimizer, add its row.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.model.facts import Parameter
from weighbridge.units import ceil_div

State = Callable[[Parameter, int, int], int]
SMALLEST_QUANTIZED = 4096
MATRICES = frozenset({"linear", "expert"})


class Optimizer(NamedTuple):
    """``state`` gives bytes of a parameter with its copies.

    ``scratch`` names what a step allocates (see :func:`step_scratch`); ``gradients`` is ``layer``
    where each gradient is used and freed during the backward pass; ``trainer`` is the value of
    Transformers' ``optim``; ``paged`` says that the driver may move states to host memory.
    """

    name: str
    title: str
    state: State
    scratch: str
    trainer: str | None
    source: str
    gradients: str = "all"
    paged: bool = False
    work: int = 12


def _states(count: int) -> State:
    return lambda parameter, element, rank: count * element * parameter.elements  # noqa: ARG005


def _quantized(count: int, bits: int, block: int) -> State:
    """``count`` states of ``bits`` with an fp32 scale per block; small tensors stay in fp32."""

    def state(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
        each = prod(parameter.shape)
        if each < SMALLEST_QUANTIZED:
            return count * 4 * parameter.elements
        return count * parameter.copies * (ceil_div(each * bits, 8) + 4 * ceil_div(each, block))

    return state


def _wide(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
    return 8 * parameter.elements


def _factored(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
    """A row and a column of fp32 sums for a matrix; the whole for a vector."""
    if len(parameter.shape) < 2:
        return 4 * parameter.elements
    *stack, rows, columns = parameter.shape
    return 4 * prod(stack) * (rows + columns) * parameter.copies


def _nothing(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
    return 0


def _muon(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
    """One momentum for hidden matrices, AdamW for the rest."""
    matrix = parameter.role in MATRICES and len(parameter.shape) >= 2
    return (1 if matrix else 2) * element * parameter.elements


def _projected(projector: bool) -> State:
    """Two states of rank × the longer side, and a projector of rank × the shorter one."""

    def state(parameter: Parameter, element: int, rank: int) -> int:
        if parameter.role not in MATRICES or len(parameter.shape) < 2:
            return 2 * element * parameter.elements
        *stack, rows, columns = parameter.shape
        longer, shorter = max(rows, columns), min(rows, columns)
        low = min(rank, shorter)
        each = low * (2 * longer + (shorter if projector else 0))
        return element * prod(stack) * each * parameter.copies

    return state


def _one_and_vector(parameter: Parameter, element: int, rank: int) -> int:  # noqa: ARG001
    """A momentum, and a second moment per output row (Adam-mini)."""
    rows = prod(parameter.shape[:-1]) if len(parameter.shape) > 1 else 1
    return element * (parameter.elements + rows * parameter.copies)


TORCH = "torch.optim.AdamW: exp_avg and exp_avg_sq of the parameter's type"
BNB = "bitsandbytes 0.50.2 optim: uint8 states, fp32 absmax per 256, fp32 under 4,096 elements"
OPTIMIZERS = (
    Optimizer("adamw", "AdamW, fused", _states(2), "none", "adamw_torch_fused",
              f"{TORCH}; the fused kernel allocates nothing"),
    Optimizer("adamw-foreach", "AdamW, foreach", _states(2), "foreach", "adamw_torch",
              f"{TORCH}; _foreach_sqrt makes one copy of a state"),
    Optimizer("adamw-loop", "AdamW, one tensor at a time", _states(2), "loop", None,
              f"{TORCH}; two temporaries of the largest tensor"),
    Optimizer("adamw-fp32", "AdamW with states in fp32", _wide, "none", "paged_adamw_32bit",
              "bitsandbytes optim.AdamW 32-bit: two fp32 states"),
    Optimizer("adamw-8bit", "AdamW 8-bit (bitsandbytes)", _quantized(2, 8, 256), "none",
              "adamw_bnb_8bit", BNB),
    Optimizer("paged-adamw-8bit", "paged AdamW 8-bit (bitsandbytes)", _quantized(2, 8, 256),
              "none", "paged_adamw_8bit", f"{BNB}; managed memory, evicted under pressure",
              paged=True),
    Optimizer("paged-adamw-32bit", "paged AdamW (bitsandbytes)", _wide, "none",
              "paged_adamw_32bit", "bitsandbytes optim.PagedAdamW32bit: two fp32 states in "
              "managed memory, evicted under pressure", paged=True),
    Optimizer("adamw-8bit-torchao", "AdamW 8-bit (torchao)", _quantized(2, 8, 256), "loop",
              "adamw_torch_8bit", "torchao optim: uint8 states, an fp32 scale per 256"),
    Optimizer("adamw-4bit-torchao", "AdamW 4-bit (torchao)", _quantized(2, 4, 128), "loop",
              "adamw_torch_4bit", "torchao optim: 4-bit states, an fp32 scale per 128"),
    Optimizer("adafactor", "Adafactor", _factored, "adafactor", "adafactor",
              "transformers optimization.py Adafactor: fp32 rows and columns, no momentum",
              work=20),
    Optimizer("sgd", "SGD", _nothing, "none", "sgd", "torch.optim.SGD without momentum", work=6),
    Optimizer("sgd-momentum", "SGD with momentum", _states(1), "none", "sgd",
              "torch.optim.SGD: momentum_buffer of the parameter's type", work=9),
    Optimizer("lion", "Lion", _states(1), "loop", "lion_32bit",
              "arXiv:2302.06675: one momentum", work=9),
    Optimizer("lion-8bit", "Lion 8-bit (bitsandbytes)", _quantized(1, 8, 256), "none",
              "lion_8bit", BNB, work=7),
    Optimizer("muon", "Muon, with AdamW outside hidden matrices", _muon, "newton", None,
              "torch.optim.Muon: one momentum per matrix; AdamW for embeddings, head, vectors",
              work=20),
    Optimizer("adam-mini", "Adam-mini", _one_and_vector, "loop", None,
              "arXiv:2406.16793: a second moment per block of rows", work=10),
    Optimizer("galore", "GaLore AdamW", _projected(True), "projected", "galore_adamw",
              "arXiv:2403.03507: 2·r·n states and an m·r projector for an m × n matrix"),
    Optimizer("apollo", "APOLLO", _projected(False), "projected", "apollo_adamw",
              "arXiv:2412.05270: 2·r·n states; the random projection is drawn again from a seed"),
    Optimizer("lomo", "LOMO", _nothing, "layer", "lomo",
              "arXiv:2306.09782: the update is made as each gradient appears", gradients="layer",
              work=4),
    Optimizer("adalomo", "AdaLomo", _factored, "layer", "adalomo",
              "arXiv:2310.10195: row and column sums, updated as each gradient appears",
              gradients="layer", work=6),
    Optimizer("adamw-in-backward", "AdamW, each step in the backward pass", _states(2), "layer",
              None, "torch register_post_accumulate_grad_hook (torchtune optimizer_in_bwd)",
              gradients="layer"),
    Optimizer("adamw-8bit-in-backward", "AdamW 8-bit, each step in the backward pass",
              _quantized(2, 8, 256), "layer", None,
              f"{BNB}; torchtune optimizer_in_bwd", gradients="layer"),
)  # fmt: skip


def find_optimizer(name: str) -> Optimizer:
    """The optimizer of a name; RequestError with the known names otherwise."""
    wanted = name.strip().lower().replace("_", "-")
    for optimizer in OPTIMIZERS:
        if wanted in (optimizer.name, (optimizer.trainer or "").replace("_", "-")):
            return optimizer
    known = ", ".join(optimizer.name for optimizer in OPTIMIZERS)
    raise RequestError(f"optimizer {name[:40]!r} is not one of {known}")


class Scratch(NamedTuple):
    """What a step allocates for a moment, with bounds and the formula's words."""

    bytes: int
    low: int
    high: int
    formula: str


def step_scratch(optimizer: Optimizer, states: int, largest: int, element: int) -> Scratch:
    """Temporaries of a step: ``largest`` is the elements of the largest tensor on this rank."""
    tensor = largest * element
    table = {
        "none": (0, 0, 0, "0: the kernel works in place"),
        "layer": (0, 0, 2 * tensor, "0: steps are made in the backward pass"),
        "foreach": (states // 2, states // 2, states // 2, "one copy of a state"),
        "loop": (2 * tensor, tensor, 3 * tensor, "2 × largest tensor"),
        "adafactor": (12 * largest, 8 * largest, 16 * largest, "3 fp32 copies of the largest"),
        "newton": (6 * largest, 4 * largest, 12 * largest, "3 bf16 copies of the largest"),
        "projected": (2 * tensor, tensor, 12 * largest, "2 × largest tensor"),
    }
    return Scratch(*table[optimizer.scratch])
