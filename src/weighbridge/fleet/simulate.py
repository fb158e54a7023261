"""The clock of the fleet: arrivals, replicas and what follows from an answer, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from weighbridge.errors import WeighbridgeError
from weighbridge.fleet.replica import NEVER, Replica
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.router import Router
from weighbridge.fleet.tally import Tally

Progress = Callable[[int, int], bool | None]
EVERY = 2000


class Cancelled(WeighbridgeError):
    """A simulation was stopped by its caller."""


class Front(NamedTuple):
    """What stands before the scheduler: ``request`` seconds of reading and tokenizing."""

    request: float = 0.0


class Transfer(NamedTuple):
    """Moving a prompt's cache from a prefill to a decode replica."""

    bytes_per_token: float = 0.0
    bandwidth: float = 1.0
    latency: float = 0.0

    def seconds(self, tokens: int) -> float:
        """Seconds for a prompt."""
        return self.latency + tokens * self.bytes_per_token / self.bandwidth


NONE, AT_ONCE = Front(), Transfer()


class Closed(NamedTuple):
    """Users who ask again: ``users`` at once, ``think`` gives the pause after each answer."""

    users: int
    think: Iterator[float]


class Mark(NamedTuple):
    """A moment, and what every replica had done by then."""

    time: float
    tallies: list[Tally]


class Stage(NamedTuple):
    """Replicas of one role, and who of them gets a request."""

    replicas: list[Replica]
    router: Router


class Fleet:
    """All replicas under one clock."""

    def __init__(
        self, requests: Requests, serve: Stage, front: Front = NONE,
        decode: Stage | None = None, transfer: Transfer = AT_ONCE, closed: Closed | None = None,
    ) -> None:  # fmt: skip
        self.requests, self.serve, self.decode = requests, serve, decode
        self.front, self.transfer, self.closed = front, transfer, closed
        # (time, 1 for the end of a jump, which comes after arrivals of that time, order, who, what)
        self.heap: list[tuple[float, bool, int, int, int]] = []
        everyone = [*serve.replicas, *(decode.replicas if decode else [])]
        self.replicas = sorted(everyone, key=lambda replica: replica.number)
        self.seen = [-1] * len(self.replicas)
        self.ended = self.asked = self.serial = 0
        # The load is steady between the mark of the warm-up and that of the last request asked.
        self.moment = 0.0
        self.marks: dict[int, Mark] = {}
        self.mark_at = {len(requests)}

    def run(self, progress: Progress | None = None) -> float:
        """Serve all requests; returns when the last was answered.

        ``progress`` is told how many of how many are answered; what it returns true for is stopped.
        """
        self._begin()
        heap, replicas, now, told = self.heap, self.replicas, 0.0, EVERY
        while heap:
            now, _, _, replica, item = heappop(heap)
            self.moment = now
            if replica < 0:
                self._arrive(now, replica, item)
                continue
            engine = replicas[replica]
            if engine.version != item:
                continue
            ended = engine.advance()
            if self.seen[replica] != engine.version:
                self._watch(engine)
            for request in ended:
                self._end(engine, request, engine.time)
            if self.ended >= told:
                told += EVERY
                if progress is not None and progress(self.ended, len(self.requests)):
                    raise Cancelled("the simulation was cancelled")
        if progress is not None:
            progress(self.ended, len(self.requests))
        return now

    def _begin(self) -> None:
        if self.closed is None:
            if len(self.requests):
                self._ask(0, self.requests.when[0])
            return
        for user in range(min(self.closed.users, len(self.requests))):
            self._next_of(user, next(self.closed.think))

    def _next_of(self, user: int, now: float) -> None:
        """A user asks the next request there is."""
        if self.asked < len(self.requests):
            self.requests.user[self.asked] = user
            self.requests.when[self.asked] = now
            self._ask(self.asked, now)

    def _ask(self, request: int, now: float) -> None:
        """A request reaches the server: it is at the scheduler when it has been read."""
        self.asked += 1
        if self.asked in self.mark_at:
            moment = self.moment
            self.marks[self.asked] = Mark(moment, [r.tally.copy() for r in self.replicas])
        self._push(now + self.front.request, -1, request)

    def _push(self, when: float, replica: int, item: int) -> None:
        self.serial += 1
        heappush(self.heap, (when, replica >= 0, self.serial, replica, item))

    def _arrive(self, now: float, kind: int, request: int) -> None:
        """A request comes to a replica: -1 to be prefilled, -2 with its cache."""
        if kind == -1 and self.closed is None and self.asked < len(self.requests):
            self._ask(self.asked, self.requests.when[self.asked])
        stage = self.serve if kind == -1 or self.decode is None else self.decode
        engine = stage.router.choose(stage.replicas, self.requests.group[request])
        engine.submit(request, now, cached=kind == -2)
        if self.seen[engine.number] != engine.version:
            self._watch(engine)

    def _watch(self, engine: Replica) -> None:
        """Look at a replica again when its jump ends."""
        self.seen[engine.number] = engine.version
        if engine.next != NEVER:
            self.serial += 1
            heappush(self.heap, (engine.next, True, self.serial, engine.number, engine.version))

    def _end(self, engine: Replica, request: int, now: float) -> None:
        if engine.role == "prefill" and self.requests.output[request] > 1:
            self.requests.ended[request] = -1.0
            self._push(now + self.transfer.seconds(self.requests.input[request]), -2, request)
            return
        self.ended += 1
        if self.closed is not None:
            self._next_of(self.requests.user[request], now + next(self.closed.think))
