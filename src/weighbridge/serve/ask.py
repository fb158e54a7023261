"""From a request to its answer: read it, give it to a worker, send what comes back."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from weighbridge.serve.language import asked_language
from weighbridge.serve.pool import Job, Pool, Reply
from weighbridge.serve.problems import MEDIA_TYPE, Problem
from weighbridge.serve.routes import Route
from weighbridge.serve.settings import Settings
from weighbridge.serve.store import Store

Answer = Callable[[Request], Awaitable[Response]]
LINES, EVENTS = "application/x-ndjson", "text/event-stream"
JOINED = ("on",)
GONE = 499
KINDS_NOT_FOUND = {"ModelReferenceError", "HardwareError", "HubError"}


class Desk:
    """Takes requests, and knows the jobs that stream."""

    def __init__(self, settings: Settings, pool: Pool, store: Store) -> None:
        self.settings = settings
        self.pool = pool
        self.store = store
        self.jobs: dict[str, asyncio.Task[Reply]] = {}
        self.tables: dict[Job, Reply] = {}

    def posted(self, route: Route) -> Answer:
        """The answer to a ``POST`` of a route."""

        async def answer(request: Request) -> Response:
            _check_type(request)
            job = self._job(route, await request.body(), request)
            media = _streams(request)
            if media is not None:
                return self._stream(job, media, request)
            return await self._whole(job, request)

        return answer

    def queried(self, route: Route) -> Answer:
        """The answer to a ``GET``: the names of the query are those of a body."""

        async def answer(request: Request) -> Response:
            body = json.dumps(query_of(request)).encode()
            return await self._whole(self._job(route, body, request), request)

        return answer

    def listed(self, work: str, filters: tuple[str, ...]) -> Answer:
        """The answer to a ``GET`` of one of the tables."""

        async def answer(request: Request) -> Response:
            asked = query_of(request)
            asked.pop("lang", None)
            unknown = next((name for name in asked if name not in filters), None)
            if unknown is not None:
                raise Problem("input", f"there is no filter {unknown[:40]!r} here")
            lang = _language(request)
            job = Job(work, json.dumps(asked).encode(), self.settings.seconds, lang=lang)
            if job in self.tables:
                return _answered(self.tables[job])
            return await self._whole(job, request)

        return answer

    async def prepare(self, tables: list[str]) -> None:
        """Keep the whole tables: they are the same every time."""
        for name in tables:
            job = Job(name, b"{}", self.settings.long_seconds)
            with suppress(Problem):
                self.tables[job._replace(seconds=self.settings.seconds)] = await self.pool.run(job)

    def one(self, work: str) -> Answer:
        """The answer to a ``GET`` of one row by its name; a name that leads nowhere is a 404."""

        async def answer(request: Request) -> Response:
            name = request.path_params["name"]
            asked = {"model" if work == "model" else "name": name}
            lang = _language(request)
            job = Job(work, json.dumps(asked).encode(), self.settings.seconds, lang=lang)
            try:
                return await self._whole(job, request)
            except Problem as problem:
                if problem.kind in KINDS_NOT_FOUND:
                    raise Problem("not-found", problem.detail, problem.kind) from None
                raise

        return answer

    async def cancel(self, request: Request) -> Response:
        """End a job that streams."""
        task = self.jobs.get(request.path_params["job"])
        if task is None:
            raise Problem("not-found", "there is no such job; it may have ended")
        task.cancel()
        return Response(status_code=204)

    def _job(self, route: Route, body: bytes, request: Request) -> Job:
        seconds = self.settings.long_seconds if route.long else self.settings.seconds
        handle = Store.handle(body) if route.name == "headers" else None
        patient = _patient(request.headers.get("priority", ""))
        return Job(route.name, body, seconds, route.long, handle, _language(request), patient)

    async def _answer(self, job: Job, told: Any = None) -> Reply:
        answer = await self.pool.run(job, told)
        if job.handle is not None:
            self.store.keep(job.handle, job.body)
        return answer

    async def _whole(self, job: Job, request: Request) -> Response:
        """The whole answer; the work ends where the client goes away."""
        work = asyncio.ensure_future(self._answer(job))
        gone = asyncio.ensure_future(_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return Response(status_code=GONE)
            return _answered(work.result())
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    def _stream(self, job: Job, media: str, request: Request) -> Response:
        if self.pool.waiting >= self.settings.waiting:
            raise Problem("busy", "too many questions wait already; ask again in a moment")
        written = _event if media == EVENTS else _line
        headers = {"content-language": _language(request), "x-accel-buffering": "no"}
        return StreamingResponse(self._events(job, written), media_type=media, headers=headers)

    async def _events(
        self, job: Job, written: Callable[[str, bytes], bytes]
    ) -> AsyncIterator[bytes]:
        """The job's number, how far it is, and its answer or its problem."""
        news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(64)
        number = secrets.token_urlsafe(16)
        task = asyncio.ensure_future(self._answer(job, news.put))
        self.jobs[number] = task
        end = asyncio.ensure_future(_when_done(task, news))
        try:
            yield written("job", json.dumps({"id": number}).encode())
            while (item := await news.get()) is not None:
                yield written("progress", json.dumps(item).encode())
            try:
                yield written("result", b'{"result":' + task.result().body + b"}")
            except Problem as problem:
                yield written("problem", b'{"problem":' + problem.body() + b"}")
            except asyncio.CancelledError:
                ended = Problem("gone", "the work was ended, as it was asked")
                yield written("problem", b'{"problem":' + ended.body() + b"}")
        finally:
            self.jobs.pop(number, None)
            end.cancel()
            task.cancel()


async def _when_done(task: asyncio.Task[Reply], news: asyncio.Queue[dict[str, Any] | None]) -> None:
    await asyncio.wait({task})
    await news.put(None)


async def _gone(request: Request) -> None:
    """Returns when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _line(event: str, data: bytes) -> bytes:
    return b'{"event":"' + event.encode() + b'",' + data.lstrip()[1:] + b"\n"


def _event(event: str, data: bytes) -> bytes:
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"


def _streams(request: Request) -> str | None:
    accepted = request.headers.get("accept", "")
    return next((media for media in (LINES, EVENTS) if media in accepted), None)


def _answered(reply: Reply) -> Response:
    language = {"content-language": reply.lang}
    return Response(reply.body, media_type="application/json", headers=language)


def _check_type(request: Request) -> None:
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "application/json":
        raise Problem("media-type", "the body must be JSON: Content-Type: application/json")


def _language(request: Request) -> str:
    asked, accepted = request.query_params.get("lang"), request.headers.get("accept-language")
    return asked_language(asked, accepted)


def _patient(priority: str) -> bool:
    """Whether a ``Priority`` of RFC 9218 asks for less than the usual urgency, 3.

    >>> _patient("u=6"), _patient("i, u=1"), _patient("")
    (True, False, False)
    """
    urgency = re.search(r"(?:^|[,\s])u=([0-7])(?![0-9])", priority[:100])
    return urgency is not None and int(urgency[1]) > 3


def query_of(request: Request) -> dict[str, str]:
    """The query as an object; a name given twice is refused, but for lists of hardware."""
    asked: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in asked and name not in JOINED:
            raise Problem("malformed", f"{name[:40]!r} is given twice in the query")
        asked[name] = f"{asked[name]},{value}" if name in asked else value
    return asked


def problem_response(problem: Problem) -> Response:
    """A problem as an answer."""
    return Response(problem.body(), problem.status, problem.headers(), media_type=MEDIA_TYPE)
