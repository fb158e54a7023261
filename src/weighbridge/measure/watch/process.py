"""A process and its children as Linux's ``/proc`` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge.errors import WatchError

PROC = Path("/proc")
LARGEST = 4 * 2**20
MOST_PROCESSES = 100_000
# Variables that say which devices a process sees; with the engines' own, all that is looked at.
SEEN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
ENGINES_OWN = ("VLLM_", "SGLANG_", "OLLAMA_", "LLAMA_ARG_")


class Held(NamedTuple):
    """What a process and all of its children hold of host memory, and how many they are.

    ``own`` is memory of their own (anonymous), ``files`` pages of mapped files, ``peak`` the sum
    of each process's largest size.
    """

    pids: tuple[int, ...]
    own: int
    files: int
    peak: int


def command_of(pid: int) -> tuple[list[str], dict[str, str]]:
    """The words that a process was started with, and those of its variables that matter.

    Raises WatchError where there is no such process, or where it may not be looked at.
    """
    words = [w.decode("utf-8", "replace") for w in _read(pid, "cmdline").split(b"\0")][:-1]
    if not words:
        raise WatchError(f"process {pid} shows no command; name its MODEL and --on")
    try:
        raw = _read(pid, "environ")
    except WatchError:
        raw = b""
    pairs = (each.decode("utf-8", "replace").partition("=") for each in raw.split(b"\0"))
    found = {name: value for name, _, value in pairs
             if name in SEEN or name.startswith(ENGINES_OWN)}  # fmt: skip
    return _without_interpreter(words), found


def _without_interpreter(words: list[str]) -> list[str]:
    """``python /usr/bin/vllm serve`` is ``vllm serve``."""
    name = words[0].rpartition("/")[2]
    if name.startswith(("python", "pypy")) and len(words) > 1 and not words[1].startswith("-"):
        return [words[1].rpartition("/")[2], *words[2:]]
    return words


def held(pid: int) -> Held:
    """Host memory of a process and its children. Raises WatchError where the first is gone."""
    sizes = {}
    for each in tree(pid):
        try:
            sizes[each] = _sizes(each)
        except WatchError:
            if each == pid:
                raise
    own, files, peak = (sum(column) for column in zip(*sizes.values(), strict=True))
    return Held(tuple(sizes), own, files, peak)


def tree(pid: int) -> list[int]:
    """A process and what it started, and what those did."""
    parents: dict[int, list[int]] = {}
    for path in _processes():
        parents.setdefault(_parent(path), []).append(int(path.name))
    found, open_ = [], [pid]
    while open_:
        each = open_.pop()
        found.append(each)
        open_ += [child for child in parents.get(each, ()) if child not in found]
    return found


def _processes() -> list[Path]:
    if not (PROC / "self").exists():
        raise WatchError(
            "a process is watched through /proc, which this system has not; use --engine-url"
        )
    return [path for path in PROC.iterdir() if path.name.isdecimal()][:MOST_PROCESSES]


def _parent(path: Path) -> int:
    try:
        text = (path / "stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    after = text.rpartition(")")[2].split()  # a name may hold brackets and spaces
    return int(after[1]) if len(after) > 1 and after[1].isdecimal() else 0


def _sizes(pid: int) -> tuple[int, int, int]:
    status: Mapping[str, str] = dict(
        line.split(":", 1) for line in _read(pid, "status").decode().splitlines() if ":" in line
    )
    if status.get("State", "").strip().startswith("Z"):
        raise WatchError(f"process {pid} has ended")

    def size(name: str) -> int:
        words = status.get(name, "0 kB").split()
        return int(words[0]) * 1024 if words and words[0].isdecimal() else 0

    return size("RssAnon"), size("RssFile") + size("RssShmem"), size("VmHWM")


def _read(pid: int, name: str) -> bytes:
    try:
        with (PROC / str(pid) / name).open("rb") as file:
            return file.read(LARGEST)
    except (FileNotFoundError, ProcessLookupError):
        known = (PROC / "self").exists()
        why = f"there is no process {pid}" if known else "this system has no /proc"
        raise WatchError(why) from None
    except OSError as error:
        raise WatchError(f"process {pid} cannot be looked at: {error.strerror}") from None
