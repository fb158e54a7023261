"""Schemathesis asks what the OpenAPI says can be asked, and much that it says cannot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from serving import Live

from weighbridge.serve.routes import available

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

from schemathesis import GenerationMode  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

# More of them in a long run: WEIGHBRIDGE_EXAMPLES=200.
EXAMPLES = int(os.environ.get("WEIGHBRIDGE_EXAMPLES", "6"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def described(live: Live) -> Any:
    return schemathesis.openapi.from_url(f"{live.url}/openapi.json")


def labels() -> list[str]:
    """Every operation, as ``POST /api/v1/plan``."""
    from weighbridge.serve.app import LISTS, ONE, PREFIX

    found = [f"POST {PREFIX}/headers", f"DELETE {PREFIX}/jobs/{{job}}"]
    for row in available():
        found += [f"POST {PREFIX}/{row.path}", *([f"GET {PREFIX}/{row.path}"] if row.get else [])]
    found += [f"GET {PREFIX}/{name}" for name, _, _ in LISTS]
    found += [f"GET {PREFIX}/{path}/{{name}}" for path, _, _ in ONE]
    return [*found, "GET /healthz", "GET /readyz"]


@pytest.mark.parametrize("label", labels())
def test_no_question_is_answered_with_a_fault(described: Any, label: str) -> None:
    method, _, path = label.partition(" ")
    operation = described[path][method]
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(right if is_open(operation) else right | wrong)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def asked(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)
        if isinstance(case.body, dict) and case.body.get("model") is not None:
            case.body |= {"model": "llama-3.1-8b", "engine": case.body.get("engine") or "vllm"}
            case.call_and_validate(checks=CHECKS)

    asked()


def is_open(operation: Any) -> bool:
    """Whether nothing can be sent that would be wrong."""
    return not (operation.body or operation.query or operation.path_parameters)


def test_every_operation_is_asked(live: Live) -> None:
    paths = json.loads(live.ask("GET", "/openapi.json")[2])["paths"]
    there = {f"{method.upper()} {path}" for path, row in paths.items() for method in row}
    assert there == set(labels())


def test_the_description_is_whole(live: Live) -> None:
    """Every reference leads somewhere, every operation has a name of its own."""
    found = json.loads(live.ask("GET", "/openapi.json")[2])
    names = [each["operationId"] for path in found["paths"].values() for each in path.values()]
    assert len(names) == len(set(names)) > 20
    components = found["components"]["schemas"]

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for each in node.values():
                yield from references(each)
        elif isinstance(node, list):
            for each in node:
                yield from references(each)

    for reference in references(found):
        assert reference.removeprefix("#/components/schemas/") in components
