"""The routes as an ASGI application: FastAPI around the pool of workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from weighbridge._version import __version__
from weighbridge.serve.ask import GONE, Desk, problem_response
from weighbridge.serve.document import document, operation
from weighbridge.serve.guard import Guard
from weighbridge.serve.page import add_page
from weighbridge.serve.pool import Pool
from weighbridge.serve.problems import Problem
from weighbridge.serve.routes import Route, available
from weighbridge.serve.settings import Settings
from weighbridge.serve.store import Store
from weighbridge.serve.watch import MEDIA_TYPE, Metrics, Watch

PREFIX = "/api/v1"
LISTS = (
    ("models", "The models of the catalogue", ("text",)),
    ("cards", "The accelerators of the table",
     ("text", "vendor", "kind", "architecture", "min_memory", "max_memory")),
    ("options", "The tables of options", ()),
)  # fmt: skip
ONE = (("models", "model", "The card of one model"), ("cards", "card", "One accelerator"))
STATUS_NAMES = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type"}


def make_app(settings: Settings | None = None, *, log: bool = True) -> Any:
    """The whole application: watch around guard around routes."""
    settings = settings or Settings()
    store = Store(settings.kept_bytes, settings.kept_seconds)
    pool = Pool(settings, store.find)
    metrics = Metrics(pool)
    desk = Desk(settings, pool, store)
    app = FastAPI(
        title="Weighbridge", version=__version__, lifespan=_lifespan(pool, desk),
        docs_url=None, redoc_url=None, openapi_url="/openapi.json",
    )  # fmt: skip
    _add_work(app, desk)
    _add_lists(app, desk)
    _add_health(app, pool, metrics)
    add_page(app)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_fault)
    document(app)
    return Watch(Guard(app, settings), metrics, log=log)


def _lifespan(pool: Pool, desk: Desk) -> Callable[[Any], Any]:
    """Workers from start to end; the tables that a page asks for first are made ahead."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        del app
        await pool.open()
        pool.later(desk.prepare([name for name, _, _ in LISTS]))
        try:
            yield
        finally:
            await pool.close()

    return lifespan


def _add_work(app: Any, desk: Desk) -> None:
    for row in available():
        _add(app, f"/{row.path}", "POST", row.summary, desk.posted(row),
             operation(row.name, body=row))  # fmt: skip
        if row.get:
            _add(app, f"/{row.path}", "GET", row.summary, desk.queried(row),
                 operation(row.name, query=row))  # fmt: skip
    headers = Route(
        "headers", "Headers of a file, as someone else read them", base="none", get=False
    )
    _add(app, "/headers", "POST", headers.summary, desk.posted(headers),
         operation("headers", body=headers))  # fmt: skip
    _add(app, "/jobs/{job}", "DELETE", "End work that streams", desk.cancel,
         operation("none", parameters=("job",)))  # fmt: skip


def _add_lists(app: Any, desk: Desk) -> None:
    for name, summary, filters in LISTS:
        _add(app, f"/{name}", "GET", summary, desk.listed(name, filters),
             operation(name, filters=filters))  # fmt: skip
    for path, name, summary in ONE:
        _add(app, f"/{path}/{{name:path}}", "GET", summary, desk.one(name),
             operation(name, parameters=("name",)))  # fmt: skip


def _add(
    app: Any, path: str, method: str, summary: str, answer: Any, described: dict[str, Any]
) -> None:
    name = path.partition("{")[0].strip("/").replace("/", "_") + ("_one" if "{" in path else "")
    app.add_api_route(
        PREFIX + path,
        answer,
        methods=[method],
        summary=summary,
        response_model=None,
        operation_id=f"{method.lower()}_{name}",
        openapi_extra=described,
    )


def _add_health(app: Any, pool: Pool, metrics: Metrics) -> None:
    async def healthy(request: Request) -> Response:
        del request
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def ready(request: Request) -> Response:
        del request
        if not pool.ready:
            raise Problem("busy", "no worker has started yet")
        return Response(b'{"status":"ready"}', media_type="application/json")

    async def measured(request: Request) -> Response:
        del request
        text = await asyncio.to_thread(metrics.text)
        return Response(text, headers={"content-type": MEDIA_TYPE})

    for path, answer, summary in (
        ("/healthz", healthy, "Whether it runs"),
        ("/readyz", ready, "Whether it can answer"),
    ):
        app.add_api_route(path, answer, methods=["GET"], summary=summary, response_model=None,
                          openapi_extra=operation("health"))  # fmt: skip
    app.add_route("/metrics", measured, methods=["GET"])


async def _on_problem(request: Request, problem: Exception) -> Response:
    del request
    assert isinstance(problem, Problem)
    return problem_response(problem)


async def _on_gone(request: Request, error: Exception) -> Response:
    """Nobody reads it; it stands in the log."""
    del request, error
    return Response(status_code=GONE)


async def _on_http(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    name = STATUS_NAMES.get(error.status_code, "malformed")
    response = problem_response(Problem(name, SAID.get(name, str(error.detail))))
    for key, value in (error.headers or {}).items():
        response.headers[key] = value
    return response


SAID = {
    "not-found": "there is no such route; /openapi.json lists those that there are",
    "method": "this route does not take that method; Allow says which it takes",
}


async def _on_fault(request: Request, error: Exception) -> Response:
    del request
    said = f"this request met a fault of Weighbridge ({type(error).__name__}); please report it"
    return problem_response(Problem("error", said))
