"""Jobs that wait for something slow, several at a time, within a time and without being held up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

Found = TypeVar("Found")


def run_all(
    jobs: Sequence[Callable[[], Found]],
    *,
    threads: int,
    seconds_left: Callable[[], float],
    late: Callable[[], Exception],
    stop: Callable[[], None],
    done: Callable[[int], None] | None = None,
) -> list[Found]:
    """The results of the jobs in their order; the first error ends all and is raised.

    Raises what ``late`` returns where no time is left. The threads are daemons and ``stop`` is
    called to wake them, so that a job which never ends holds up neither the caller nor the exit.
    ``done`` hears how many have ended.
    """
    todo: queue.SimpleQueue[tuple[int, Callable[[], Found]]] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[int, Found | BaseException]] = queue.SimpleQueue()
    stopped = threading.Event()
    for pair in enumerate(jobs):
        todo.put(pair)

    def work() -> None:
        while not stopped.is_set():
            try:
                number, job = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results.put((number, job()))
            except BaseException as error:
                results.put((number, error))

    for _ in range(min(threads, len(jobs))):
        threading.Thread(target=work, daemon=True).start()
    found: dict[int, Found] = {}
    try:
        while len(found) < len(jobs):
            number, result = results.get(timeout=seconds_left())
            if isinstance(result, BaseException):
                raise result
            found[number] = result
            if done is not None:
                done(len(found))
    except queue.Empty:
        raise late() from None
    finally:
        stopped.set()
        if len(found) < len(jobs):
            stop()
    return [found[number] for number in range(len(jobs))]
