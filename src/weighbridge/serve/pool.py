"""The workers: how many run, how many wait, and how long one may take.

All workers but one are quiet: the system gives them time that nobody else wants. Long work and
work that its asker calls patient (``Priority: u=4`` and above, RFC 9218) go to these, so that a
slider is answered at once while a map is being drawn.

A worker that takes too long, dies, or whose asker is gone is ended and replaced; a thread could not
be. Long work may hold all workers but one, so that short questions are always answered.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from weighbridge.serve.frames import packed, read_frame_async
from weighbridge.serve.problems import Problem
from weighbridge.serve.settings import Settings

Told = Callable[[dict[str, Any]], Awaitable[None]]
Supply = Callable[[str], bytes | None]
START_SECONDS = 60.0
RETRY_SECONDS = 1.0
QUIET = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1",
         "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip

# A worker that asks no Hub has no use for its token.
SECRETS = ("HF_", "HUGGING", "AWS_", "OPENAI_", "ANTHROPIC_")


class Job(NamedTuple):
    """A question: the work's name, the body as it was sent, how long it may take."""

    work: str
    body: bytes
    seconds: float
    long: bool = False
    handle: str | None = None
    lang: str = "en"
    patient: bool = False


class Reply(NamedTuple):
    """An answer as it is sent, and the language of its words."""

    body: bytes
    lang: str


class Worker:
    """One process, and the two pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process, *, quiet: bool) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.quiet = quiet
        self.questions = process.stdin
        self.answers = process.stdout

    async def ask(self, job: Job, told: Told | None, supply: Supply) -> Reply:
        """The answer of a job; raises Problem where there is none."""
        asked = {"work": job.work, "handle": job.handle, "lang": job.lang}
        self.questions.write(packed(asked, job.body))
        await self.questions.drain()
        while True:
            head, body = await read_frame_async(self.answers)
            if "done" in head:
                return Reply(body, head["lang"])
            if "problem" in head:
                raise Problem(head["problem"], head["detail"], head.get("kind"))
            if "need" in head:
                kept = supply(head["need"])
                self.questions.write(packed({"found": kept is not None}, kept or b""))
                await self.questions.drain()
            elif "progress" in head and told is not None:
                await told(head["progress"])

    def end(self) -> None:
        """End the process, whatever it is doing."""
        with suppress(ProcessLookupError):
            self.process.kill()


class Idle:
    """Workers that wait for a question, and questions that wait for a worker."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []
        self._waiting: list[tuple[bool, asyncio.Future[Worker]]] = []

    async def get(self, *, quiet: bool) -> Worker:
        """A worker: a quiet one where ``quiet``, any other rather than a quiet one where not."""
        fitting = [each for each in self._workers if each.quiet or not quiet]
        if fitting:
            found = min(fitting, key=lambda each: each.quiet)
            self._workers.remove(found)
            return found
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append((quiet, turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.put(turn.result())
            raise
        finally:
            self._waiting = [each for each in self._waiting if each[1] is not turn]

    def put(self, worker: Worker) -> None:
        """Give a worker to whoever has waited longest for one like it, or let it wait."""
        for quiet, turn in self._waiting:
            if not turn.done() and (worker.quiet or not quiet):
                turn.set_result(worker)
                return
        self._workers.append(worker)


class Pool:
    """Workers that wait, and those who wait for one."""

    def __init__(self, settings: Settings, supply: Supply) -> None:
        self.settings = settings
        self.supply = supply
        self.waiting = 0
        self.ended = 0
        self.size = max(settings.workers, 1)
        self._idle = Idle()
        self._every: set[Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._long = asyncio.Semaphore(max(self.size - 1, 1))
        self._closed = False
        self._at_work = 0

    @property
    def ready(self) -> bool:
        """Whether a worker is there, be it at work."""
        return bool(self._every)

    @property
    def busy(self) -> int:
        """How many workers are at work."""
        return self._at_work

    async def open(self) -> None:
        """Start the workers; the first is waited for."""
        for place in range(self.size):
            self.later(self._add(quiet=place > 0))
        first = next(iter(self._tasks))
        await asyncio.wait([first], timeout=START_SECONDS)

    async def close(self) -> None:
        """End everything."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for worker in self._every:
            worker.end()
        for worker in list(self._every):
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.process.wait(), 5)

    async def run(self, job: Job, told: Told | None = None) -> Reply:
        """The answer of a job. Raises Problem: busy, too long, or what the worker says."""
        if self.waiting >= self.settings.waiting:
            raise Problem("busy", "too many questions wait already; ask again in a moment")
        if not job.long:
            return await self._run(job, told)
        await self._in_time(self._long.acquire())
        try:
            return await self._run(job, told)
        finally:
            self._long.release()

    async def _run(self, job: Job, told: Told | None) -> Reply:
        quiet = self.size > 1 and (job.long or job.patient)
        worker: Worker = await self._in_time(self._idle.get(quiet=quiet))
        whole = False
        self._at_work += 1
        try:
            async with asyncio.timeout(job.seconds):
                answer = await worker.ask(job, told, self.supply)
            whole = True
            return answer
        except Problem:
            whole = True
            raise
        except TimeoutError:
            raise Problem(
                "too-long",
                f"the answer took more than {job.seconds:g} s, and was cut off; ask for less",
            ) from None
        except (EOFError, ConnectionError, ValueError):
            raise Problem(
                "too-much", "the worker that was asked ended before it answered; ask for less"
            ) from None
        finally:
            self._at_work -= 1
            if whole and not self._closed:
                self._idle.put(worker)
            else:
                self._replace(worker)

    async def _in_time(self, turn: Any) -> Any:
        """A turn, within the time that one may wait for it."""
        self.waiting += 1
        try:
            return await asyncio.wait_for(turn, self.settings.wait_seconds)
        except TimeoutError:
            raise Problem("busy", "no worker became free in time; ask again in a moment") from None
        finally:
            self.waiting -= 1

    def _replace(self, worker: Worker) -> None:
        worker.end()
        self._every.discard(worker)
        self.ended += 1
        if not self._closed:
            self.later(self._add(quiet=worker.quiet))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background, until the end at most."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self, *, quiet: bool) -> None:
        """Start a worker, and another time where it does not start."""
        while not self._closed:
            worker: Worker | None = None
            try:
                worker = Worker(await _start(hub=self.settings.hub), quiet=quiet)
                self._every.add(worker)
                async with asyncio.timeout(START_SECONDS):
                    await self._greet(worker)
            except (OSError, EOFError, TimeoutError):
                if worker is not None:
                    worker.end()
                    self._every.discard(worker)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._idle.put(worker)
                return

    async def _greet(self, worker: Worker) -> None:
        set_up = self.settings
        allowed = {"root": set_up.root, "hub": set_up.hub, "memory": set_up.memory,
                   "answer_bytes": set_up.answer_bytes, "quiet": worker.quiet}  # fmt: skip
        worker.questions.write(packed(allowed))
        await worker.questions.drain()
        head, _ = await read_frame_async(worker.answers)
        if "ready" not in head:
            raise EOFError("a worker did not start")


async def _start(*, hub: bool) -> asyncio.subprocess.Process:
    kept = {k: v for k, v in os.environ.items() if hub or not k.startswith(SECRETS)}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the folder that the server was started in holds no part of it
        "-m",
        "weighbridge.serve.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**kept, **QUIET, "PYTHONPATH": _path()},
        start_new_session=True,
    )


def _path() -> str:
    """Where a worker finds this very package."""
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
