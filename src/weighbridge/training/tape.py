"""What a backward pass must find again: a layer as a tape of operations.

Each operation states what it saves (by the tensor's name, so that one tensor saved twice counts
once), the bytes of the gradients it hands on, and the elements of the weight it trains. Walking the
tape backwards gives the most that is alive beside the layer's own inputs. All bytes are per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Op(NamedTuple):
    """One operation of a forward pass, as its backward sees it.

    ``reads`` and ``makes`` name activations; ``saves`` are (tensor, bytes per token), ``grads`` the
    bytes per token of each input's gradient, ``scratch`` what its backward needs besides, and
    ``trains`` the elements of weights whose gradient it makes. ``forward`` is the bytes per token
    of its output. ``fixed`` bytes are kept whatever the tokens, and ``fixed_scratch`` of them are
    needed besides in its backward (a weight that is made anew from its adapter, its gradient).
    ``early`` says that what it alone saves is gone before its own gradients are made, as an
    adapter's backward runs before that of the layer below it.
    """

    reads: tuple[str, ...]
    makes: str
    saves: tuple[tuple[str, Any], ...]
    grads: tuple[Any, ...]
    forward: Any
    scratch: Any = 0
    trains: int = 0
    fixed: int = 0
    fixed_scratch: int = 0
    early: bool = False


Tape = Sequence[Op]


def saved(tape: Tape, without: frozenset[str] = frozenset()) -> Any:
    """Bytes per token that the tape keeps, each tensor once."""
    total: Any = 0
    for size in _tensors(tape, without).values():
        total = total + size
    return total


def fixed(tape: Tape) -> int:
    """Bytes that the tape keeps whatever the tokens."""
    return sum(op.fixed for op in tape)


def _tensors(tape: Tape, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {name: size for op in tape for name, size in op.saves if name not in without}


class Peak(NamedTuple):
    """Bytes per token at a tape's worst moment, and the trained elements whose gradient is there.

    ``per_token`` counts saved tensors and gradients of activations; ``fixed`` bytes stand beside.
    """

    per_token: Any
    elements: int
    fixed: int = 0


def moments(tape: Tape, without: frozenset[str] = frozenset()) -> list[Peak]:
    """Each moment of the walk back: after which the next operation's tensors are freed.

    The stream's own gradient is no part of it: what a norm hands on is added to it in place.
    """
    alive = _tensors(tape, without)
    first = {name: index for index, op in reversed(list(enumerate(tape))) for name, _ in op.saves}
    gradients: dict[str, Any] = {}
    made, found, steady = 0, [], fixed(tape)
    for index in reversed(range(len(tape))):
        op = tape[index]
        made += op.trains
        held = _sum(alive) + _sum(gradients)
        done = [name for name, start in first.items() if start == index]
        if op.early:
            found.append(Peak(held + op.scratch, made, steady))
            held = held - _sum({name: alive[name] for name in done if name in alive})
        found.append(Peak(held + sum(op.grads) + op.scratch, made, steady + op.fixed_scratch))
        steady -= op.fixed
        for name, size in zip(op.reads, op.grads, strict=True):
            if not name.startswith("stream"):
                gradients.setdefault(name, size)
        gradients.pop(op.makes, None)
        for name in done:
            alive.pop(name, None)
    return found


def _sum(sizes: dict[str, Any]) -> Any:
    total: Any = 0
    for size in sizes.values():
        total = total + size
    return total
