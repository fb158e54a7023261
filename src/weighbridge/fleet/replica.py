"""One engine under load: a queue, a batch, a pool of blocks, and jumps from event to event.

Between two events (a request that comes, ends, or finds no block) nothing changes but the context,
which grows by one token a step in every sequence; the time of such steps is a closed form, so that
they are one jump. Sequences are kept by what never changes in a jump: ``base`` + the number of
decode steps so far is what a sequence has cached, and ``end`` the number at which it is through.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from weighbridge.fleet.clock import Chunk, Clock
from weighbridge.fleet.policy import Limits, Policy
from weighbridge.fleet.prefixes import Prefixes
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.tally import Tally

NEVER = float("inf")


class Replica:
    """A scheduler with its cache. ``next`` is the end of the jump under way, infinite when idle."""

    def __init__(
        self, number: int, clock: Clock, policy: Policy, limits: Limits, requests: Requests,
        *, role: str = "both", late: float = 0.0,
    ) -> None:  # fmt: skip
        self.number, self.clock, self.policy, self.limits = number, clock, policy, limits
        self.requests, self.role, self.late = requests, role, late
        self.tally = Tally()
        self.prefixes = Prefixes(policy.block)
        self.time, self.next, self.version = 0.0, NEVER, 0
        self.waiting: deque[int] = deque()
        self.partial: list[list[int]] = []
        self.heap: list[tuple[int, int, int]] = []
        self.order: list[tuple[int, int]] = []
        self.alive: dict[int, int] = {}
        self.base: dict[int, int] = {}
        self.need: dict[int, int] = {}
        self.left: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self.held: dict[int, int] = {}
        self._block, self._reserve = policy.block, policy.reserve
        self.phase = [0] * policy.block
        self.done = self.seen = self.count = self.admitted = 0
        self.free = limits.blocks
        self.queued = 0
        self._steps = self._held = 0
        self._patient = policy.poll > 1 or policy.hold > 0
        self._chunks: list[Chunk] = []
        self._attended = 0.0
        self._finishing: list[int] = []

    # -- from outside ---------------------------------------------------------------------------

    @property
    def load(self) -> int:
        """Requests that it has: waiting, in prefill, decoding."""
        return self.queued + self.count + len(self.partial)

    def submit(self, request: int, now: float, *, cached: bool = False) -> None:
        """Take a request; ``cached`` says that its prompt is computed already, elsewhere."""
        blocked = bool(self.waiting)
        inputs, outputs = self.requests.input[request], self.requests.output[request]
        self.need[request] = 0 if cached else inputs
        self.left[request] = outputs - 1
        self.waiting.append(request)
        self.queued += 1
        if self.next == NEVER:
            # Others may come at the same moment: it looks when they are all there.
            self.time = self.next = max(self.time, now)
            self.version += 1
        elif (not blocked and self._steps > 1) or (
            self._held and self._steps > 1 and self._asked() >= self.policy.hold_tokens
        ):
            self._cut(now)

    def _cut(self, now: float) -> None:
        """End the jump at the first step that ends at ``now`` or later."""
        steps = self.clock.steps_until(self.count, self.seen, now - self.time, self._steps)
        if self.policy.poll > 1:
            steps += -(self.done + steps) % self.policy.poll
        if steps < self._steps:
            self._steps = steps
            self.next = self.time + self.clock.run(self.count, self.seen, steps)
            self.version += 1

    def advance(self) -> list[int]:
        """Finish the jump under way and begin the next; returns the requests that ended."""
        self._finishing = []
        start, self.time = self.time, self.next
        if self._chunks:
            self._after_prompts(start)
        elif self._steps:
            self._after_decode(start)
        self._retire()
        self.plan()
        return self._finishing

    # -- the end of a jump ----------------------------------------------------------------------

    def _grow(self, steps: int) -> None:
        """Every sequence that decodes has ``steps`` more cached."""
        done, count = self.done, self.count
        if not self._reserve:
            block, phase = self._block, self.phase
            rounds, rest = divmod(steps, block)
            grown = rounds * count
            if rest:
                last = -done % block
                first = last - rest + 1
                grown += sum(phase[max(first, 0) : last + 1])
                if first < 0:
                    grown += sum(phase[first:])
            self.free -= grown
        self.done = done + steps
        self.seen += steps * count

    def _after_decode(self, start: float) -> None:
        steps = self._steps
        self.tally.decode(self.count, self.seen, steps, self.time - start)
        self._grow(steps)

    def _after_prompts(self, start: float) -> None:
        beside = self.count if self.policy.mixed else 0
        tokens = 0
        for new, _ in self._chunks:
            tokens += new
        self.tally.prompt(beside, self.seen, tokens, self.time - start, self.count)
        self.tally.attended += self._attended
        if beside:
            self._grow(1)
        kept: list[list[int]] = []
        for entry in self.partial:
            request, total, reached = entry[0], entry[1], entry[2]
            if reached < total:
                kept.append(entry)
            else:
                self._begin(request, total)
        self.partial = kept
        self._chunks = []

    def _begin(self, request: int, cached: int) -> None:
        """A prompt is through: its first token is out, and it decodes."""
        times = self.requests.began
        if times[request] < 0:
            times[request] = self.time + self.late * self._pace()
        if self.left[request] <= 0 or self.role == "prefill":
            self._leave(request, cached)
            return
        self._decode(request, cached)

    def _pace(self) -> float:
        """Seconds of a decode step as it now is."""
        count = self.count + 1
        return self.clock.decode(count, self.seen + self.clock.near)

    def _decode(self, request: int, cached: int) -> None:
        order = self.alive[request]
        base = self.base[request] = cached - self.done
        heappush(self.heap, (self.done + self.left[request], order, request))
        self.ends[request] = self.done + self.left[request]
        self.phase[base % self._block] += 1
        self.count += 1
        self.seen += cached

    def _leave(self, request: int, cached: int) -> None:
        self.requests.ended[request] = max(self.time, self.requests.began[request])
        self._release(request, cached)
        del self.need[request], self.left[request]
        self._finishing.append(request)

    def _release(self, request: int, cached: int) -> None:
        """Give the blocks of a request back."""
        del self.alive[request]
        self.ends.pop(request, None)
        if self._reserve:
            self.free += self.held.pop(request)
        else:
            self.free += -(-cached // self._block) - self.held.pop(request)
        group = self.requests.group[request]
        if group >= 0:
            self.prefixes.leave(group)

    def _retire(self) -> None:
        """Those who have their last token leave."""
        heap, alive = self.heap, self.alive
        while heap and heap[0][0] <= self.done:
            _, order, request = heappop(heap)
            if alive.get(request) == order:
                cached = self.base[request] + self.done
                self._stop(request)
                self._leave(request, cached)

    def _stop(self, request: int) -> None:
        """Take a request out of those who decode."""
        base = self.base.pop(request)
        self.count -= 1
        self.seen -= base + self.done
        self.phase[base % self._block] -= 1

    # -- the next jump --------------------------------------------------------------------------

    def plan(self) -> None:
        """Decide what the next steps are, and when they end."""
        self.version += 1
        put_back = self.free < self.count and not self._reserve and self._make_room()
        beside = self.count if self.policy.mixed else 0
        budget = self.limits.tokens - beside
        chunks: list[Chunk] = []
        for entry in self.partial:
            budget = self._chunk(entry, budget, chunks)
        wait = 0
        if not put_back and self.waiting:
            wait = self._patience(bool(self._chunks)) if self._patient else 0
            if not wait:
                self._admit(budget, chunks)
        self._chunks = chunks
        if chunks:
            self._steps, clock = 1, self.clock
            self._attended = clock.attention(chunks)
            seconds = clock.prompts(beside, self.seen + beside, chunks, self._attended)
            self.next = self.time + seconds
        elif self.count:
            self._steps = 1 if put_back else self._until_event()
            if wait:
                self._steps = min(self._steps, wait)
            self.next = self.time + self.clock.run(self.count, self.seen, self._steps)
        else:
            self._steps, self.next = 0, NEVER

    def _patience(self, after_prompts: bool) -> int:
        """Decode steps for which those who wait are not looked at; 0 to admit now."""
        policy = self.policy
        if not self.count:
            self._held = 0
            return 0
        if policy.poll > 1 and not after_prompts:
            return -self.done % policy.poll
        if not policy.hold:
            return 0
        if not self._held:
            self._held = self.done + policy.hold
        if self.done >= self._held or self._asked() >= policy.hold_tokens:
            self._held = 0
            return 0
        return self._held - self.done

    def _enough(self) -> bool:
        """Whether the prompts that are held are as many as was waited for."""
        return self._held > 0 and self._asked() >= self.policy.hold_tokens

    def _asked(self) -> int:
        """Prompt tokens that wait."""
        return sum(self.need[request] for request in self.waiting)

    def _until_event(self) -> int:
        """Steps until a sequence ends or the blocks do, at least one."""
        heap, alive = self.heap, self.alive
        while alive.get(heap[0][2]) != heap[0][1]:
            heappop(heap)
        steps, block = heap[0][0] - self.done, self.policy.block
        if self.policy.reserve or self.free * block >= (steps + block) * self.count:
            return steps
        rounds, left = divmod(self.free, self.count)
        most = rounds * block
        while most < steps:
            left -= self.phase[-(self.done + most) % block]
            if left < 0:
                break
            most += 1
        return max(min(steps, most), 1)

    def _chunk(self, entry: list[int], budget: int, chunks: list[Chunk]) -> int:
        """As much of a prompt as the budget allows; returns what is left of it."""
        new = min(entry[1] - entry[2], budget)
        if new > 0:
            entry[2] += new
            chunks.append(Chunk(new, entry[2]))
        return budget - max(new, 0)

    def _admit(self, budget: int, chunks: list[Chunk]) -> None:
        """First come, first served, while tokens, sequences and blocks last."""
        waiting, block, reserve = self.waiting, self.policy.block, self.policy.reserve
        requests = self.requests
        while waiting and (budget > 0 or not self.need[waiting[0]]):
            if self.count + len(self.partial) >= self.limits.sequences:
                return
            request = waiting[0]
            ready = not self.need[request]
            total = requests.input[request] if ready else self.need[request]
            group, hit = requests.group[request], 0
            if group >= 0:
                hit = self.prefixes.hit(group, requests.shared[request], total)
            own = -(-total // block) - hit // block
            wanted = -(-(total + self.left[request]) // block) - hit // block if reserve else own
            if wanted > self.free:
                self.free += self.prefixes.evict(wanted - self.free, group)
            if wanted > self.free:
                return
            waiting.popleft()
            self.queued -= 1
            self.free -= wanted
            self.admitted += 1
            self.alive[request] = self.admitted
            self.order.append((self.admitted, request))
            if len(self.order) > 4 * len(self.alive) + 1000:
                self.order = [each for each in self.order if self.alive.get(each[1]) == each[0]]
            requests.replica[request] = self.number
            if group >= 0:
                self.prefixes.enter(group)
            if ready:
                self._take_over(request, total, wanted if reserve else 0)
                continue
            kept = self.prefixes.keep(group, requests.shared[request], hit) if group >= 0 else 0
            self.held[request] = wanted if reserve else (hit + kept) // block
            if reserve and kept:
                self.held[request] -= kept // block
            entry = [request, total, hit]
            budget = self._chunk(entry, budget, chunks)
            self.partial.append(entry)

    def _take_over(self, request: int, total: int, held: int) -> None:
        """A prompt that was computed elsewhere decodes at once."""
        self.held[request] = held
        self._decode(request, total)

    def _make_room(self) -> bool:
        """Put the youngest back until the next step has its blocks; returns whether any was."""
        block, put_back = self.policy.block, False
        while (short := self.phase[-self.done % block] - self.free) > 0:
            gained = self.prefixes.evict(short, -1)
            self.free += gained
            if not gained and not self._put_back():
                break
            put_back = put_back or not gained
        return put_back

    def _put_back(self) -> bool:
        """The youngest gives up its cache and waits at the head of the queue."""
        while self.order:
            order, request = self.order.pop()
            if self.alive.get(request) != order:
                continue
            partial = [entry for entry in self.partial if entry[0] == request]
            if partial:
                self.partial.remove(partial[0])
                cached, self.need[request] = partial[0][1], partial[0][1]
            else:
                cached = self.base[request] + self.done
                self._stop(request)
                self.need[request] = cached + 1
                self.left[request] = self.ends[request] - self.done - 1
            self._release(request, cached)
            self.waiting.appendleft(request)
            self.queued += 1
            self.requests.preempted[request] += 1
            return True
        return False
