"""Seconds of an engine's steps as a few coefficients, so that millions of them cost nothing.

``speed`` times a step from its work: bytes, operations, messages, launches. Here that model is
asked once for each batch size, and what is left are sums: a decode step of ``n`` sequences with
``seen`` cached tokens between them takes ``base(n) + slope · seen``, and prompts mixed into it add
their arithmetic, which runs while the weights are read anyway.

Where layers see a window only, the time of a step is no straight line in the context; the line
through ``near`` and ``far`` positions stands in, which are those of the workload.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from weighbridge.speed.mixing import Pass, mixing_operations
from weighbridge.speed.serve import Setting
from weighbridge.speed.step import (
    Split,
    decode_split,
    latency,
    reductions,
    weight_times,
)
from weighbridge.speed.work import Work, decode_work, prefill_work, touched

# Tokens up to which passes are captured (vLLM ``max_cudagraph_capture_size``).
GRAPHED = 512


class Span(NamedTuple):
    """Positions between which the context of a step is taken as linear."""

    near: int
    far: int


class Chunk(NamedTuple):
    """``new`` prompt tokens of one request, the last of which is its token ``upto``."""

    new: int
    upto: int


class Pieces(NamedTuple):
    """A decode step of a batch size, split where prompts would change it: seconds, bytes, work.

    ``dense`` and ``expert`` are (reading, computing), which overlap; ``rest`` is everything else.
    """

    rest: float
    dense: tuple[float, float]
    expert: tuple[float, float]
    seconds: float
    waiting: float
    moved: float
    operations: float


SHARP = 3


def both(memory: float, arithmetic: float) -> float:
    """Seconds of two that overlap (``speed.step.both`` of plain numbers, but for rounding)."""
    if not arithmetic:
        return memory
    return float((memory**SHARP + arithmetic**SHARP) ** (1 / SHARP))


class Clock:
    """The steps of one replica (one rank of data parallelism) of a setting."""

    def __init__(self, setting: Setting, span: Span, floor: float = 0.0) -> None:
        self.setting, self.floor = setting, floor
        self.near = max(span.near, 1)
        self.far = max(span.far, self.near + 1)
        load = setting.load
        self.each = float((1 + load.drafts / len(setting.shape.model.layers)) / load.accepted)
        first, last = (self._split(1, at) for at in (self.near, self.far))
        steps = self.far - self.near
        stages = setting.shape.layout.pipeline
        self.slope = self.each * float(last.seconds - first.seconds) / steps / stages
        works = self._work(1, self.near), self._work(1, self.far)
        self.seen_bytes = (works[1].cache_bytes - works[0].cache_bytes) / steps / stages
        self.seen_operations = (
            (works[1].mixing_operations - works[0].mixing_operations) / steps / stages
        )
        wait = [max(float(s.weights + s.cache - s.arithmetic), 0.0) for s in (first, last)]
        self.seen_wait = self.each * (wait[1] - wait[0]) / steps / stages
        self._pieces: dict[int, Pieces] = {}
        self._mixed: dict[int, float] = {}
        self._base: list[float] = [0.0]
        self._prompt_coefficients()

    # -- decode ---------------------------------------------------------------------------------

    def _work(self, own: int, position: int) -> Work:
        shape, cached, load = self.setting.shape, self.setting.cached, self.setting.load
        return decode_work(shape, own * shape.layout.data, position, cached, int(load.drafts))

    def _split(self, own: int, position: int) -> Split:
        return decode_split(self._work(own, position), self.setting.cost)

    def base(self, sequences: int) -> float:
        """Seconds of a decode step of ``sequences`` that have nothing cached."""
        known = self._base
        while len(known) <= sequences:
            n = len(known)
            known.append(
                self.each * float(self._split(n, self.near).seconds) - self.slope * n * self.near
            )
        return known[sequences]

    def decode(self, sequences: int, seen: int) -> float:
        """Seconds of a decode step; ``seen`` are all positions after it."""
        return self.base(sequences) + self.slope * seen

    def run(self, sequences: int, seen: int, steps: int) -> float:
        """Seconds of ``steps`` decode steps in a row, the first from ``seen`` cached positions."""
        known = self._base
        base = known[sequences] if sequences < len(known) else self.base(sequences)
        return steps * base + self.slope * (steps * seen + sequences * steps * (steps + 1) // 2)

    def steps_until(self, sequences: int, seen: int, seconds: float, most: int) -> int:
        """The fewest steps, at least one and at most ``most``, that last ``seconds``."""
        bend = self.slope * sequences / 2
        rise = self.base(sequences) + self.slope * (seen + sequences / 2)
        guess = (
            (sqrt(rise * rise + 4 * bend * seconds) - rise) / (2 * bend)
            if bend > 0
            else seconds / rise
        )
        steps = min(max(int(guess), 1), most)
        while steps < most and self.run(sequences, seen, steps) < seconds:
            steps += 1
        while steps > 1 and self.run(sequences, seen, steps - 1) >= seconds:
            steps -= 1
        return steps

    def pieces(self, sequences: int) -> Pieces:
        """The parts of a decode step at the near end of the span."""
        found = self._pieces.get(sequences)
        if found is None:
            found = self._pieces[sequences] = self._cut(sequences)
        return found

    def _cut(self, sequences: int) -> Pieces:
        if not sequences:
            return Pieces(0.0, (0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0, 0.0)
        work, cost = self._work(sequences, self.near), self.setting.cost
        split = decode_split(work, cost)
        (dense, expert), (dense_time, expert_time) = weight_times(work, cost)
        overlapped = both(dense, dense_time) + both(expert, expert_time)
        part = touched(work.experts, work.top_k, work.routed)
        seen = sequences * self.near
        return Pieces(
            self.base(sequences) - self.each * overlapped,
            (self.each * dense, self.each * dense_time),
            (self.each * expert, self.each * expert_time),
            self.base(sequences),
            self.each * max(float(split.weights + split.cache - split.arithmetic), 0.0)
            - self.seen_wait * seen,
            work.dense_bytes
            + work.expert_bytes * part
            + work.cache_bytes
            + work.state_bytes
            - self.seen_bytes * seen,
            work.operations - self.seen_operations * seen,
        )

    # -- prompts --------------------------------------------------------------------------------

    def _prompt_coefficients(self) -> None:
        """What a prompt token, a prompt, and a pass with prompts cost."""
        setting, cost = self.setting, self.setting.cost
        c, rates, shape = cost.constants, cost.rates, self.setting.shape
        one, two = (prefill_work(shape, 1, n, n, setting.cached) for n in (1, 2))
        (dense, expert), _ = weight_times(one._replace(routed=1e12), cost)
        self._dense, self._expert = float(dense), float(expert)
        per_token = two.dense_operations - one.dense_operations
        self._token = per_token / (c.prefill_rate * rates.dense)
        self._head = (one.dense_operations - per_token) / (c.prefill_rate * rates.dense)
        self._expert_token = one.expert_operations / (c.expert_prefill_rate * rates.expert)
        self._half, self._per_expert = c.half_rows, one.top_k / one.experts
        self._attention = 1 / (c.attention_rate * rates.plain)
        self._link = float(reductions(one, cost, fixed=False))
        self._fixed = c.prefill_layer * one.layers + one.messages * float(latency(cost, one.ranks))
        self._step = c.step
        self._routed = shape.layout.data
        self._experts, self._top_k = one.experts, one.top_k
        self.token_operations = per_token + one.expert_operations
        self.head_operations = one.dense_operations - per_token
        self.weight_bytes = one.dense_bytes + one.expert_bytes

    def mixing(self, upto: int) -> float:
        """Operations of attention among the first ``upto`` tokens of a prompt, on one rank."""
        known = self._mixed.get(upto)
        if known is None:
            seen, known = Pass(upto, upto), 0.0
            for layer, count, _, heads in self.setting.shape.parts:
                known += (
                    float(count * heads * mixing_operations(layer.mixer, seen)) if upto else 0.0
                )
            self._mixed[upto] = known
        return known

    def attention(self, chunks: list[Chunk]) -> float:
        """Operations of attention of these chunks, each seeing what came before it."""
        total, known = 0.0, self._mixed
        for new, upto in chunks:
            total += known[upto] if upto in known else self.mixing(upto)
            if new < upto:
                total -= self.mixing(upto - new)
        return total

    def prompts(
        self, sequences: int, seen: int, chunks: list[Chunk], attended: float | None = None
    ) -> float:
        """Seconds of a step with chunks of prompts beside ``sequences`` that decode.

        Weights are read once for both, and the arithmetic of both runs beside the reading. A pass
        of many tokens runs without CUDA graphs: it takes ``floor`` at least, which is what
        launching its kernels from the host takes. ``attended`` is the chunks' attention, if known.
        """
        tokens = 0
        for new, _ in chunks:
            tokens += new
        own = self.pieces(sequences)
        each = max(tokens * self._per_expert, 1.0)
        dense = own.dense[1] + tokens * self._token + len(chunks) * self._head
        dense += (self.attention(chunks) if attended is None else attended) * self._attention
        expert = 0.0
        if self._expert:
            routed = (sequences + tokens) * self._routed
            read = self._expert * float(touched(self._experts, self._top_k, routed))
            expert = both(
                read, own.expert[1] + tokens * self._expert_token * (1 + self._half / each)
            )
        rest = own.rest + self.slope * seen if sequences else self._step
        seconds = both(self._dense, dense) + expert + rest + tokens * self._link + self._fixed
        return float(max(seconds, self.floor) if tokens > GRAPHED else seconds)
