"""What a replica did, in sums: steps by batch size, tokens, waits between tokens."""

from __future__ import annotations

# Waits between tokens are counted in bins of 10 µs.
PER_SECOND = 100_000


class Tally:
    """Sums over the steps of one replica; ``gaps`` counts waits between tokens by bin."""

    def __init__(self) -> None:
        self.busy = 0.0
        self.steps: dict[int, int] = {}
        self.mixed: dict[int, int] = {}
        self.prompt_steps = self.prompt_tokens = self.alone = 0
        self.seen = self.seen_mixed = 0
        self.attended = 0.0
        self.gaps: dict[int, int] = {}
        self._stall = 0.0

    def decode(self, count: int, seen: int, steps: int, seconds: float) -> None:
        """``steps`` of ``count`` sequences, from ``seen`` cached positions."""
        self.busy += seconds
        self.steps[count] = self.steps.get(count, 0) + steps
        self.seen += steps * seen + count * steps * (steps + 1) // 2
        each = seconds / steps
        if self._stall:
            self._gap(each + self._stall, count)
            self._stall = 0.0
            steps -= 1
        self._gap(each, count * steps)

    def prompt(self, beside: int, seen: int, tokens: int, seconds: float, count: int) -> None:
        """A step with ``tokens`` of prompts beside ``beside`` of the ``count`` who decode."""
        self.busy += seconds
        self.prompt_steps += 1
        self.prompt_tokens += tokens
        self.alone += not beside
        if beside:
            self.steps[beside] = self.steps.get(beside, 0) + 1
            self.mixed[beside] = self.mixed.get(beside, 0) + 1
            self.seen += seen + beside
            self.seen_mixed += seen + beside
            self._gap(seconds, beside)
        elif count:
            self._stall += seconds

    def copy(self) -> Tally:
        """The sums as they are now."""
        other = Tally()
        other.__dict__.update(
            {k: dict(v) if isinstance(v, dict) else v for k, v in self.__dict__.items()}
        )
        return other

    def since(self, before: Tally) -> Tally:
        """What was done since ``before``."""
        other = self.copy()
        for name, value in before.__dict__.items():
            mine = other.__dict__[name]
            if isinstance(value, dict):
                for key, count in value.items():
                    mine[key] -= count
            elif name != "_stall":
                other.__dict__[name] = mine - value
        return other

    def _gap(self, seconds: float, count: int) -> None:
        place = int(seconds * PER_SECOND)
        self.gaps[place] = self.gaps.get(place, 0) + count


def gap_at(place: int) -> float:
    """The middle of a bin in seconds."""
    return (place + 0.5) / PER_SECOND
