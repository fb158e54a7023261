"""Requests as columns: what arrives, and what became of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import repeat

UNSET = -1.0


class Requests:
    """Columns over requests, by number: when each came, its lengths, and when its tokens came.

    ``group`` numbers the shared prefix of a prompt (-1: none), ``shared`` are its tokens. ``began``
    and ``ended`` are the times of the first and the last token, -1 before. ``replica`` served it,
    ``preempted`` counts how often it was put back.
    """

    __slots__ = (
        "began", "ended", "group", "input", "output", "preempted", "replica", "shared", "user",
        "when",
    )  # fmt: skip

    def __init__(
        self,
        when: Iterable[float],
        inputs: Sequence[int],
        outputs: Sequence[int],
        group: Sequence[int] | None = None,
        shared: Sequence[int] | None = None,
    ) -> None:
        self.input, self.output = array("q", inputs), array("q", outputs)
        count = len(self.input)
        self.when = array("d", when)
        self.group = array("q", repeat(-1, count) if group is None else group)
        self.shared = array("q", repeat(0, count) if shared is None else shared)
        self.user = array("q", repeat(-1, count))
        self.began, self.ended = array("d", repeat(UNSET, count)), array("d", repeat(UNSET, count))
        self.replica = array("q", repeat(-1, count))
        self.preempted = array("q", repeat(0, count))

    def __len__(self) -> int:
        return len(self.input)
