"""Launch commands, both ways: one file per engine or target.

``read_command(words)`` says what a command means; ``write(plan, target)`` writes the command or
the file of a plan. To add an engine, write its file and a row here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch.reading import Launch, visible
from weighbridge.launch.shell import Command, image_version, unwrap

ENGINES = {
    "vllm": "weighbridge.launch.vllm",
    "sglang": "weighbridge.launch.sglang",
    "tensorrt-llm": "weighbridge.launch.tensorrt_llm",
    "llama.cpp": "weighbridge.launch.llama_cpp",
    "ollama": "weighbridge.launch.ollama",
}
"""The engines whose commands are read."""

TARGETS = {
    "vllm": "weighbridge.launch.vllm",
    "sglang": "weighbridge.launch.sglang",
    "trtllm": "weighbridge.launch.tensorrt_llm",
    "llama.cpp": "weighbridge.launch.llama_cpp",
    "ollama": "weighbridge.launch.ollama",
    "transformers": "weighbridge.launch.transformers",
    "docker": "weighbridge.launch.docker",
    "k8s": "weighbridge.launch.kubernetes",
    "kserve": "weighbridge.launch.kserve",
    "skypilot": "weighbridge.launch.skypilot",
}
"""What a plan can be written for."""


def engine_module(engine: str) -> Any:
    """The file of an engine."""
    return import_module(ENGINES[engine])


def read_command(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Launch:
    """What a launch command means: ``vllm serve …``, ``docker run … vllm/vllm-openai …``.

    ``environment`` holds the variables that the command would find; those that stand before it
    win. Raises :class:`LaunchError` where no engine would read it.
    """
    command = unwrap(arguments, environment or {})
    if not command.words:
        raise LaunchError("no command follows; give for example `-- vllm serve MODEL`")
    for name in ENGINES:
        module = engine_module(name)
        words = module.program(command.words)
        if words is not None:
            launch: Launch = module.read(words, command)
            return _settled(launch, command)
    raise LaunchError(
        f"{' '.join(command.words[:3])[:80]!r} starts no engine that is read; they are vllm, "
        "sglang, trtllm-serve, llama-server, llama-cli, llama-bench and ollama"
    )


def _settled(launch: Launch, command: Command) -> Launch:
    engine, version = image_version(command.image) if command.image else ("", "")
    named = f"{launch.engine}=={version}" if engine == launch.engine and version else launch.engine
    return launch._replace(
        engine=named,
        idle=(*launch.idle, *command.around),
        devices=visible(command.environment, command.gpus),
    )


def seen_machine(on: str, devices: tuple[int, ...] | None) -> tuple[str, str]:
    """The machine that a command sees of the one that was named, and what is said of it.

    As many indices as there are devices are taken for those devices, so that ``--on 2xH100`` may
    describe the two cards that ``CUDA_VISIBLE_DEVICES=4,5`` leaves.
    """
    from weighbridge.hardware.machine import machine_of, parse_machine

    if devices is None:
        return on, ""
    machine = parse_machine(on)
    if len(devices) == len(machine.devices):
        return on, ""
    if max(devices) >= len(machine.devices):
        raise LaunchError(
            f"CUDA_VISIBLE_DEVICES names device {max(devices)}, and --on names "
            f"{len(machine.devices)}; name a machine that has it"
        )
    seen = machine_of([machine.devices[index] for index in devices])
    shown = ",".join(map(str, devices))
    return seen.name, f"the command sees devices {shown} of {on}: {seen.name}"


def target_engine(target: str, engine: str | None) -> str:
    """The engine of a plan that is written for a target, where ``engine`` is what was asked for.

    Containers serve vLLM where no engine is named. Raises :class:`LaunchError` where the two
    exclude each other.
    """
    if target not in TARGETS:
        raise LaunchError(f"--emit {target[:40]!r} is not one of {', '.join(TARGETS)}")
    own = import_module(TARGETS[target])
    wanted: str = getattr(own, "ENGINE", engine or "vllm")
    if engine is not None and engine.partition("==")[0] != wanted.partition("==")[0]:
        raise LaunchError(f"--emit {target} writes a command of {wanted}, and --engine is {engine}")
    return engine or wanted


def write(plan: Any, target: str) -> str:
    """The command or the file of a plan, with its numbers and the check in a comment."""
    module = import_module(TARGETS[target])
    if hasattr(module, "write"):
        text: str = module.write(plan)
        return text
    from weighbridge.launch.engines import write_engine

    return write_engine(plan, module)
