"""What stands around an engine's command: assignments, wrappers, ``docker run``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from os.path import basename
from typing import NamedTuple

from weighbridge.errors import LaunchError

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII | re.DOTALL)
_DEEPEST = 20
# Programs that start another one, and their flags that take a value.
_WRAPPERS: dict[str, frozenset[str]] = {
    "env": frozenset({"-u", "-C"}),
    "exec": frozenset({"-a"}),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "time": frozenset({"-f", "-o"}),
    "sudo": frozenset({"-u", "-g"}),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n"}),
    "numactl": frozenset({"-N", "-m", "-C", "-i", "-p"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "trtllm-llmapi-launch": frozenset(),
    "mpirun": frozenset({"-n", "-np", "-H", "-x", "--host", "--mca"}),
    "uvx": frozenset({"--with", "--python", "-p", "--from"}),
}
_RUNNERS = {"uv": frozenset({"--with", "--python", "-p", "--extra"}), "poetry": frozenset[str]()}
# docs.docker.com/reference/cli/docker/container/run: the flags without a value.
_DOCKER_SWITCHES = frozenset(
    {"--detach", "--disable-content-trust", "--help", "--init", "--interactive",
     "--no-healthcheck", "--oom-kill-disable", "--privileged", "--publish-all", "--quiet",
     "--read-only", "--rm", "--sig-proxy", "--tty"}
)  # fmt: skip
_DOCKER_SHORT = "ditPq"
# An image's name → the words that its entry point puts before the arguments.
_IMAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"(.*/)?vllm-openai(-\w+)*", "vllm", ("vllm", "serve")),
    (r"(.*/)?vllm(-\w+)*", "vllm", ()),
    (r"(.*/)?sglang(-\w+)*", "sglang", ()),
    (r"(.*/)?llama\.cpp", "llama.cpp", ("llama-server",)),
    (r"(.*/)?tensorrt-llm(/release)?", "tensorrt-llm", ()),
    (r"(.*/)?ollama", "ollama", ("ollama",)),
)


class Command(NamedTuple):
    """An engine's own words, and what stood around them.

    ``gpus`` counts the devices that a container was given, where that is a number.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    image: str = ""
    gpus: int | None = None
    around: tuple[str, ...] = ()


def words_of(arguments: Sequence[str]) -> list[str]:
    """The words of a command that may stand in one word, or have lost its quotes to a shell."""
    words = [word for word in arguments if word not in {"\\", "\n"}]
    if len(words) != 1 or not re.search(r"\s", words[0]):
        return _rejoined(words)
    try:
        return [word for word in shlex.split(words[0], comments=True) if word.strip()]
    except ValueError as error:
        raise LaunchError(f"the command cannot be split into words: {error}") from None


def _rejoined(words: list[str]) -> list[str]:
    """JSON that ``-- $(cat cmd.sh)`` tore apart at its blanks, without the quotes around it."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        match = re.match(r"(--?[\w.-]+=)?(['\"])(?=[{\[])", word)
        if match is not None:
            while not (word.endswith(match[2]) and len(word) > match.end()) and rest:
                word += " " + rest.pop(0)
            word = (match[1] or "") + word[match.end() :].removesuffix(match[2])
        found.append(word)
    return found


def unwrap(arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
    """The engine's command inside assignments, ``env``, ``sudo``, ``docker run`` and the like."""
    command = Command(tuple(words_of(arguments)), dict(environment))
    for _ in range(_DEEPEST):
        inner = _step(command)
        if inner is command:
            return command
        command = inner
    raise LaunchError("the command is wrapped more than twenty times")


def _step(command: Command) -> Command:
    """The command with one wrapping taken off; itself where nothing is around it."""
    words = command.words
    if not words:
        return command
    first, name = _ASSIGNMENT.fullmatch(words[0]), basename(words[0])
    if first is not None:
        set_too = {**command.environment, first[1]: first[2]}
        return command._replace(words=words[1:], environment=set_too)
    if name in {"docker", "podman", "nvidia-docker"}:
        return _container(command)
    inner = _inside(name, words)
    return command if inner is None else command._replace(words=inner)


def _inside(name: str, words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words of the program that another one starts; None where it starts none."""
    if name in _WRAPPERS:
        return _after_flags(words[1:], _WRAPPERS[name])
    if name in _RUNNERS and words[1:2] == ("run",):
        return _after_flags(words[2:], _RUNNERS[name])
    if name in {"bash", "sh", "zsh"} and len(words) > 2 and re.fullmatch(r"-[a-z]*c", words[1]):
        return tuple(words_of([words[2]]))
    return None


def _after_flags(words: tuple[str, ...], taking: frozenset[str]) -> tuple[str, ...]:
    rest = list(words)
    while rest and rest[0].startswith("-"):
        if rest.pop(0) in taking and rest:
            rest.pop(0)
    return tuple(rest)


def _container(command: Command) -> Command:
    """``docker run [flags] IMAGE [arguments]`` → the command that the container runs."""
    rest = list(command.words[1:])
    if rest[:1] == ["container"]:
        rest.pop(0)
    if not rest or rest.pop(0) != "run":
        raise LaunchError("only `docker run` starts an engine; give that command")
    environment, flags = dict(command.environment), {"--gpus": "", "--entrypoint": ""}
    around = ["docker run"]
    while rest and rest[0].startswith("-"):
        name, value = _docker_flag(rest)
        around.append(name)
        if name in {"-e", "--env"} and (match := _ASSIGNMENT.fullmatch(value)):
            environment[match[1]] = match[2]
        elif name in flags:
            flags[name] = value
    if not rest:
        raise LaunchError("the docker command names no image")
    image, *arguments = rest
    before = flags["--entrypoint"].split() or list(_entry(image, arguments))
    return Command(
        (*before, *arguments), environment, image,
        _given_gpus(flags["--gpus"], environment), (*command.around, *around),
    )  # fmt: skip


def _docker_flag(rest: list[str]) -> tuple[str, str]:
    word = rest.pop(0)
    name, separator, value = word.partition("=")
    if separator and name.startswith("-"):
        return name, value
    if word in _DOCKER_SWITCHES or re.fullmatch(f"-[{_DOCKER_SHORT}]+", word):
        return word, ""
    if not word.startswith("--") and len(word) > 2:
        return word[:2], word[2:]
    if not rest:
        raise LaunchError(f"docker's {word} needs a value, and none follows")
    return word, rest.pop(0)


def _entry(image: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """What the image runs before its arguments; nothing where they name a program themselves."""
    if arguments and not arguments[0].startswith("-") and _is_program(arguments[0]):
        return ()
    for pattern, engine, words in _IMAGES:
        if re.fullmatch(pattern, image.partition("@")[0].rpartition(":")[0] or image):
            if engine == "ollama" and not arguments:
                return (*words, "serve")
            return words
    return ()


def _is_program(word: str) -> bool:
    name = basename(word)
    return name in {"vllm", "sglang", "trtllm-serve", "ollama", "bash", "sh", "env"} or (
        name.startswith(("python", "llama-"))
    )


def _given_gpus(text: str, environment: Mapping[str, str]) -> int | None:
    text = text.strip("\"'")
    if text.isascii() and text.isdecimal():
        return int(text)
    if text.startswith("device="):
        return len(text.removeprefix("device=").split(","))
    seen = environment.get("NVIDIA_VISIBLE_DEVICES", "all")
    return None if seen in {"all", "", "void", "none"} else len(seen.split(","))


def image_version(image: str) -> tuple[str, str]:
    """The engine of an image and the version in its tag; empty where there is none."""
    name, _, tag = image.partition("@")[0].rpartition(":")
    for pattern, engine, _ in _IMAGES:
        if re.fullmatch(pattern, name or image.partition("@")[0]):
            match = re.match(r"v?(\d+\.\d+(?:\.\d+)?)", tag)
            return engine, match[1] if match else ""
    return "", ""


def join(words: Sequence[str], width: int = 88) -> str:
    """Words quoted for a shell, over several lines where they are many."""
    quoted = [shlex.quote(word) for word in words]
    if len(" ".join(quoted)) <= width:
        return " ".join(quoted)
    lines, line = [], ""
    for word in quoted:
        starts = word.startswith("-") and line
        if line and (starts or len(line) + len(word) > width):
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return " \\\n  ".join([*lines, line])
