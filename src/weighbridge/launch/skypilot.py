"""A task of SkyPilot for a plan's engine, written."""

from __future__ import annotations

from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch.docker import container_of, docker_words
from weighbridge.launch.shell import join
from weighbridge.launch.writing import comment, safe, settled_of, verify
from weighbridge.launch.yaml import write_yaml
from weighbridge.planner import Plan
from weighbridge.request import Request

# A card's id → SkyPilot's name of it (`sky show-gpus`).
ACCELERATORS = {
    "a100-sxm-40gb": "A100", "a100-pcie-40gb": "A100", "a100-sxm-80gb": "A100-80GB",
    "a100-pcie-80gb": "A100-80GB", "h100-sxm": "H100", "h100-pcie": "H100", "h200-sxm": "H200",
    "b200-sxm": "B200", "l4": "L4", "l40": "L40", "l40s": "L40S", "t4": "T4", "a10g": "A10G",
    "a10": "A10", "v100-sxm2-16gb": "V100", "v100-sxm2-32gb": "V100-32GB", "rtx-4090": "RTX4090",
    "rtx-3090": "RTX3090", "rtx-5090": "RTX5090", "rtx-a6000": "RTXA6000",
    "rtx-6000-ada": "RTX6000-Ada", "mi300x": "MI300X",
}  # fmt: skip


def accelerator(card: str) -> str:
    """SkyPilot's name of a card; one that it does not list is written as it is called here."""
    return ACCELERATORS.get(card, card.upper())


def task(request: Request, card: str, gpus: int) -> dict[str, Any]:
    """The task: its accelerators, its port, and the container that it runs."""
    container, _ = container_of(request)
    if container.files:
        raise LaunchError(
            "options that need a configuration file cannot stand in a task of SkyPilot; write "
            "--emit trtllm and put that into its `run`"
        )
    words, _ = docker_words(request, gpus)
    return {
        "resources": {"accelerators": f"{accelerator(card)}:{gpus}", "ports": container.port},
        "run": join(words, width=10**9),
    }


def write(plan: Plan) -> str:
    """The task with the plan's numbers before it."""
    request = settled_of(plan)
    if plan.machine is None:
        raise LaunchError("a task of SkyPilot names its cards; add --on CARD")
    if plan.machine.mixed:
        raise LaunchError("a task of SkyPilot asks for cards of one kind; name one kind with --on")
    words, carried = docker_words(request, len(plan.devices))
    check = verify(request, words, carried)
    made = task(request, plan.machine.devices[0].id, len(plan.devices))
    return "\n".join([*comment(plan, safe(check)), write_yaml(made), ""])
