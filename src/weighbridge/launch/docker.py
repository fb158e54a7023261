"""``docker run`` of a plan's engine, written; :mod:`shell` reads it."""

from __future__ import annotations

import shlex

from weighbridge.errors import LaunchError
from weighbridge.launch import engine_module, ollama, tensorrt_llm
from weighbridge.launch.writing import Container, comment, safe, settled_of, verify
from weighbridge.planner import Plan
from weighbridge.request import Request

CACHE = "~/.cache/huggingface:/root/.cache/huggingface"
SHARED = "16g"
SERVED = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "ollama")


def container_of(request: Request) -> tuple[Container, frozenset[str]]:
    """What a container of the request's engine runs, and the options that this carries.

    Raises :class:`LaunchError` for an engine that serves nothing.
    """
    name, _, version = request.deployment.engine.partition("==")
    if name not in SERVED:
        raise LaunchError(
            f"{name} has no server to put into a container; add --engine vllm, sglang, "
            "tensorrt-llm, llama.cpp or ollama"
        )
    module = engine_module(name)
    words, carried = module.written(request)
    files: dict[str, str] = {}
    environment: dict[str, str] = {}
    tag = f"v{version}" if name in {"vllm", "sglang"} else version or "latest"
    if name == "vllm":
        words = words[2:]
    elif name == "llama.cpp":
        tag, words = "server-cuda", ["--host", "0.0.0.0", *words[1:]]
    elif name == "ollama":
        environment, words, carried = _ollama(request)
    elif name == "tensorrt-llm":
        text = tensorrt_llm.config_text(request)
        files = {tensorrt_llm.CONFIG_FILE: text} if text else {}
        words += ["--host", "0.0.0.0"]
    if name == "sglang":
        words += ["--host", "0.0.0.0"]
    image = f"{module.IMAGE}:{tag}"
    return Container(image, tuple(words), environment, module.PORT, files), carried


def _ollama(request: Request) -> tuple[dict[str, str], list[str], frozenset[str]]:
    """The server alone: its context is a variable, and its clients name the model."""
    environment = ollama.environment_of(request)
    carried = {option for option, name in ollama.VARIABLES.items() if name in environment}
    if request.deployment.max_model_len is not None:
        environment["OLLAMA_CONTEXT_LENGTH"] = str(request.deployment.max_model_len)
        carried.add("max_model_len")
    return environment, ["serve"], frozenset(carried)


def volumes(request: Request) -> list[str]:
    """Folders that the container must see: where a model's file lies."""
    from os.path import abspath, dirname, isdir

    from weighbridge.model.access import local_path

    path = local_path(request.model)
    if path is None:
        return []
    folder = abspath(path if isdir(path) else dirname(path))
    return [f"{folder}:{folder}:ro"]


def docker_words(request: Request, gpus: int) -> tuple[list[str], frozenset[str]]:
    """The words of ``docker run`` for a request; the cache's volume is left to :func:`write`."""
    container, carried = container_of(request)
    words = ["docker", "run", "--rm", "--gpus", str(gpus), "--ipc=host", "--shm-size", SHARED,
             "-p", f"{container.port}:{container.port}"]  # fmt: skip
    for volume in volumes(request):
        words += ["-v", volume]
    for name, value in container.environment.items():
        words += ["-e", f"{name}={value}"]
    return [*words, container.image, *container.words], carried


def write(plan: Plan) -> str:
    """The command with the plan's numbers before it."""
    request = settled_of(plan)
    words, carried = docker_words(request, len(plan.devices))
    check = verify(request, words, carried)
    image = container_of(request)[0].image
    place = words.index(image)
    inside = " ".join(map(shlex.quote, words[place:]))
    lines = [*_lines(words[:place]), f"  -v {CACHE}", f"  {inside}"]
    files = container_of(request)[0].files
    config = [_file_note(name, text) for name, text in files.items()]
    if files:
        lines.insert(
            -1, f'  -v "$PWD/{tensorrt_llm.CONFIG_FILE}":/{tensorrt_llm.CONFIG_FILE}:ro -w /'
        )
    return "\n".join([*comment(plan, safe(check)), *config, " \\\n".join(lines)]) + "\n"


def _file_note(name: str, text: str) -> str:
    return f"cat > {shlex.quote(name)} <<'END'\n{text.rstrip()}\nEND"


def _lines(words: list[str]) -> list[str]:
    """``docker run`` with one flag on each line."""
    lines = [" ".join(map(shlex.quote, words[:2]))]
    for word in words[2:]:
        if word.startswith("-"):
            lines.append("  " + shlex.quote(word))
        else:
            lines[-1] += " " + shlex.quote(word)
    return lines
