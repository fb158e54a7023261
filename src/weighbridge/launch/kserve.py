"""An InferenceService of KServe for a plan's engine, written."""

from __future__ import annotations

from typing import Any

from weighbridge.launch.kubernetes import manifests, name_of, written
from weighbridge.planner import Plan
from weighbridge.request import Request

# KServe sends requests to the container of this name.
CONTAINER = "kserve-container"


def services(request: Request, gpus: int, vendor: str = "NVIDIA") -> list[dict[str, Any]]:
    """The InferenceService, whose predictor is a pod, and the ConfigMap where one is needed."""
    deployment, _, *further = manifests(request, gpus, vendor)
    pod = deployment["spec"]["template"]["spec"]
    containers = [{**each, "name": CONTAINER} for each in pod["containers"]]
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name_of(request.model)},
        "spec": {"predictor": {"minReplicas": 1, **pod, "containers": containers}},
    }
    return [service, *further]


def write(plan: Plan) -> str:
    """The manifests with the plan's numbers before them."""
    return written(plan, services)
