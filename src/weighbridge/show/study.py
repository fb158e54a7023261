"""A study as it runs, on standard error, and what came of it."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from weighbridge.study.run import Swept
from weighbridge.words import say

WIDTH = 30
EACH = 0.1  # seconds between two pictures of the bar


class Progress:
    """A bar where standard error is a terminal; else a line at the start of every tenth."""

    def __init__(self) -> None:
        self.shown = -1.0
        self.tenth = -1
        self.terminal = sys.stderr.isatty()
        self.began = time.monotonic()
        self.first = -1

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.terminal and self.shown >= 0:
            print(file=sys.stderr)

    def told(self, done: int, size: int) -> None:
        """So many points of so many are finished."""
        now = time.monotonic()
        self.first = done if self.first < 0 else self.first
        if self.terminal and (now - self.shown >= EACH or done == size):
            self.shown = now
            print(f"\r{bar_text(done, size)}{self._left(done, size, now)}", end="",
                  file=sys.stderr, flush=True)  # fmt: skip
        elif not self.terminal and done * 10 // size > self.tenth:
            self.tenth = done * 10 // size
            print(f"{done:,} of {size:,} points", file=sys.stderr, flush=True)

    def _left(self, done: int, size: int, now: float) -> str:
        """How long the rest takes at the pace so far, padded over what stood there."""
        made = done - self.first
        if made <= 0 or done == size:
            return " " * 16
        return f", {(now - self.began) / made * (size - done):,.0f} s left".ljust(16)


def bar_text(done: int, size: int) -> str:
    """``[######----] 60 of 100 points``."""
    full = WIDTH * done // size
    return f"[{'#' * full}{'-' * (WIDTH - full)}] {done:,} of {size:,} points"


def swept_to_text(swept: Swept) -> str:
    """Where the table is, and how its points were worked out."""
    lines = [say(f"{swept.points:,} points in {swept.out}")]
    if swept.resumed:
        lines.append(say(f"  {swept.resumed:,} from the run before"))
    if swept.by_arrays:
        lines.append(say(f"  {swept.by_arrays:,} by arrays, a group of one structure at a time"))
    lines += [say(f"  {count:,} one by one: {why}") for why, count in swept.reasons.items()]
    return "\n".join(lines)
