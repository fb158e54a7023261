"""OpenAPI: operations from the table of routes, schemas from the options and the shapes."""

from __future__ import annotations

from typing import Any

from weighbridge.serve.problems import KINDS, MEDIA_TYPE, STATUSES
from weighbridge.serve.routes import Route
from weighbridge.serve.schema import HEADERS, LANGUAGE, body_schema, query_schema
from weighbridge.serve.shapes import SHAPES, schema_of

REF = "#/components/schemas/"


def operation(
    work: str,
    *,
    body: Route | None = None,
    query: Route | None = None,
    filters: tuple[str, ...] = (),
    parameters: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What OpenAPI says of one operation."""
    found: dict[str, Any] = {"responses": _responses(work)}
    known: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True,
         "schema": {"type": "string", "minLength": 1, "maxLength": 200}}
        for name in parameters
    ]  # fmt: skip
    if query is not None:
        schema = query_schema(query)
        required = schema.get("required", [])
        known += [
            {"name": name, "in": "query", "required": name in required, "schema": each}
            for name, each in schema["properties"].items()
        ]
    known += [{"name": name, "in": "query", "schema": {"type": "string", "maxLength": 200}}
              for name in filters]  # fmt: skip
    if body is not None or filters:
        known += [{"name": "lang", "in": "query", "schema": LANGUAGE}]
    if known:
        found["parameters"] = known
    if body is not None:
        schema = HEADERS if work == "headers" else body_schema(body)
        found["requestBody"] = {
            "required": True, "content": {"application/json": {"schema": schema}}
        }  # fmt: skip
    return found


def _responses(work: str) -> dict[str, Any]:
    problem = {MEDIA_TYPE: {"schema": {"$ref": f"{REF}Problem"}}}
    found: dict[str, Any] = {
        str(status): {"description": _title(status), "content": problem} for status in STATUSES
    }
    if work == "none":
        return {"204": {"description": "The work is ended"}, **found}
    name = SHAPES[work].__name__ if work in SHAPES else None
    schema = {"$ref": REF + name} if name else {"type": "object"}
    return {"200": {"description": "The answer",
                    "content": {"application/json": {"schema": schema}}}, **found}  # fmt: skip


def _title(status: int) -> str:
    return " or ".join(kind.title for kind in KINDS.values() if kind.status == status)


def document(app: Any) -> None:
    """Let the application describe itself with the shapes as components."""
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = made()
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            for name in SHAPES:
                schema = schema_of(name)
                schemas.update(schema.pop("$defs", {}))
                schemas[SHAPES[name].__name__] = schema
        return app.openapi_schema  # type: ignore[no-any-return]

    app.openapi = described
