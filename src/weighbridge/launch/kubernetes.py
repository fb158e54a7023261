"""A Deployment and a Service of Kubernetes for a plan's engine, written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from weighbridge.launch.docker import container_of
from weighbridge.launch.writing import comment, safe, settled_of, verify
from weighbridge.launch.yaml import write_yaml
from weighbridge.planner import Plan
from weighbridge.request import Request

SHARED = "16Gi"
# A resource's name by the maker of the card (device plugins of NVIDIA, AMD and Intel).
RESOURCES = {"NVIDIA": "nvidia.com/gpu", "AMD": "amd.com/gpu", "Intel": "gpu.intel.com/xe"}


def name_of(model: str) -> str:
    """A name that RFC 1123 allows: letters, digits and dashes, at most 50."""
    plain = re.sub(r"[^a-z0-9]+", "-", model.rpartition("/")[2].lower()).strip("-")[:50]
    return plain.strip("-") or "model"


def manifests(request: Request, gpus: int, vendor: str = "NVIDIA") -> list[dict[str, Any]]:
    """The Deployment, the Service and, where the engine needs a file, its ConfigMap."""
    container, _ = container_of(request)
    name = name_of(request.model)
    labels = {"app": name}
    mounts = [
        {"name": "shm", "mountPath": "/dev/shm"},
        {"name": "cache", "mountPath": "/root/.cache/huggingface"},
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED}},
        {"name": "cache", "emptyDir": {}},
    ]
    for file in container.files:
        mounts.append({"name": "options", "mountPath": f"/options/{file}", "subPath": file})
        volumes.append({"name": "options", "configMap": {"name": f"{name}-options"}})
    words = [f"/options/{word}" if word in container.files else word for word in container.words]
    # An image with an entry point takes arguments; one without is told its command.
    starts = words[:1] and not words[0].startswith("-") and words[0] in {
        "python3", "trtllm-serve"}  # fmt: skip
    inner: dict[str, Any] = {
        "name": "engine",
        "image": container.image,
        ("command" if starts else "args"): words,
        "env": [
            {"name": key, "value": value} for key, value in container.environment.items()
        ] or [{"name": "HF_HUB_ENABLE_HF_TRANSFER", "value": "0"}],
        "ports": [{"containerPort": container.port}],
        "resources": {"limits": {RESOURCES.get(vendor, RESOURCES["NVIDIA"]): str(gpus)}},
        "volumeMounts": mounts,
    }  # fmt: skip
    if not container.environment:
        del inner["env"]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [inner], "volumes": volumes},
            },
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"port": container.port, "targetPort": container.port}],
        },
    }
    found: list[dict[str, Any]] = [deployment, service]
    if container.files:
        kept = {"metadata": {"name": f"{name}-options"}, "data": container.files}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", **kept})
    return found


def write(plan: Plan) -> str:
    """The manifests with the plan's numbers before them."""
    return written(plan, manifests)


def written(plan: Plan, documents: Callable[[Request, int, str], list[dict[str, Any]]]) -> str:
    """What ``documents`` makes of a plan as YAML, with the plan's numbers and a check before it."""
    request = settled_of(plan)
    container, carried = container_of(request)
    vendor = plan.machine.devices[0].vendor if plan.machine else "NVIDIA"
    made = documents(request, len(plan.devices), vendor)
    environment = [f"{key}={value}" for key, value in container.environment.items()]
    words = [*environment, "docker", "run", container.image, *container.words]
    check = verify(request, words, carried)
    return "\n".join([*comment(plan, safe(check)), "\n---\n".join(map(write_yaml, made)), ""])
