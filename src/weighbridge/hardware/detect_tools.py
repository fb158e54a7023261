"""What the probes of :mod:`weighbridge.hardware.detect` may touch: files, commands, modules.

Everything they learn comes through one :class:`Surroundings`, so a test hands them another.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

COMMAND_SECONDS = 5.0
LIBRARY_SECONDS = 5.0

T = TypeVar("T")


def run_command(command: Sequence[str]) -> str:
    """Standard output of ``command``; raises when it is missing, fails or takes over 5 s."""
    import subprocess

    done = subprocess.run(
        list(command),
        capture_output=True,
        check=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
    )
    return done.stdout


def load_module(name: str) -> Any:
    """The module of that name, imported."""
    from importlib import import_module

    return import_module(name)


@dataclass(frozen=True)
class Surroundings:
    """The machine as the probes see it: ``system`` is ``linux``, ``darwin`` or ``win32``."""

    system: str = sys.platform
    root: Path = Path("/")
    run: Callable[[Sequence[str]], str] = run_command
    load: Callable[[str], Any] = load_module
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def read(self, path: str) -> str | None:
        """The stripped text of a file under the root, None where it cannot be read."""
        try:
            with (self.root / path.lstrip("/")).open(encoding="utf-8", errors="replace") as file:
                return file.read(1_000_000).strip()
        except OSError:
            return None

    def read_number(self, path: str) -> int | None:
        """A file that holds one whole number; None for anything else."""
        return whole(self.read(path))

    def folders(self, path: str, pattern: str) -> list[str]:
        """Paths under the root that match, as the probes name them, in order."""
        try:
            found = sorted((self.root / path.lstrip("/")).glob(pattern))
        except OSError:
            return []
        return ["/" + str(item.relative_to(self.root)) for item in found]


def whole(text: str | None) -> int | None:
    """``text`` as a whole number of 0 or more, None for anything else (``[N/A]``, ``max``)."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def attempt(what: str, probe: Callable[[], T], notes: list[str]) -> T | None:
    """What ``probe`` returns; None and a note when it raises anything at all."""
    try:
        return probe()
    except Exception as error:
        notes.append(f"{what}: {describe(error)}")
        return None


def describe(error: BaseException) -> str:
    """An error as one short line."""
    if isinstance(error, FileNotFoundError):
        return "not found"
    if type(error).__name__ == "TimeoutExpired":
        return f"no answer within {COMMAND_SECONDS:g} s"
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def bounded(probe: Callable[[], T], seconds: float = LIBRARY_SECONDS) -> T:
    """What ``probe`` returns within ``seconds``; TimeoutError, leaving it behind, when it hangs."""
    from queue import Empty, SimpleQueue
    from threading import Thread

    answers: SimpleQueue[Callable[[], T]] = SimpleQueue()

    def work() -> None:
        try:
            value = probe()
        except BaseException as error:
            answers.put(partial(_raise, error))
        else:
            answers.put(lambda: value)

    Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    return answer()


def _raise(error: BaseException) -> NoReturn:
    raise error
