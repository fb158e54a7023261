"""The page: files that the package build made, served as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

PAGE = Path(__file__).parent / "page"
ABSENT = (
    "This Weighbridge was built without its page, because Node was absent when the package was "
    "built. The API answers all the same: /openapi.json describes it, and "
    "/api/v1/plan?model=llama-3.1-8b&on=rtx-4090 is an example.\n"
)


def add_page(app: Any, folder: Path = PAGE) -> None:
    """Serve the page at ``/`` and its files beside it; a sentence where it was not built."""
    index = folder / "index.html"
    if not index.is_file():
        app.add_route("/", _absent, methods=["GET", "HEAD"])
        return

    async def page(request: Request) -> Response:
        del request
        return FileResponse(index, media_type="text/html", headers={"cache-control": "no-cache"})

    app.add_route("/", page, methods=["GET", "HEAD"])
    app.mount("/assets", _Assets(directory=folder / "assets", check_dir=False), name="assets")
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name != "index.html":
            app.add_route(f"/{file.name}", _file(file), methods=["GET", "HEAD"])


async def _absent(request: Request) -> Response:
    del request
    return PlainTextResponse(ABSENT, status_code=404)


def _file(path: Path) -> Any:
    async def one(request: Request) -> Response:
        del request
        return FileResponse(path)

    return one


class _Assets(StaticFiles):
    """Files whose names change with their content."""

    def file_response(self, *values: Any, **named: Any) -> Response:
        """Kept by the browser as long as it likes."""
        response = super().file_response(*values, **named)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
