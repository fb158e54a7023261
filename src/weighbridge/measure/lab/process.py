"""The parent's side: starts the child, hands on its events, ends it with all it started."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

from weighbridge import errors
from weighbridge.errors import InputError, RequestError

NEEDED = ("torch", "transformers", "accelerate")
MOST_LINE = 64 * 1024 * 1024
Heard = Callable[[Mapping[str, Any]], None]
# What of our environment a child may see: libraries, temporary files, devices, threads.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
        "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_HOME",
        "CUDA_MODULE_LOADING", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "OMP_NUM_THREADS",
        "MKL_NUM_THREADS", "MALLOC_ARENA_MAX", "LD_PRELOAD")  # fmt: skip
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class RunFailed(InputError):
    """The real thing could not be run."""


class Failure(NamedTuple):
    """What went wrong in the child."""

    what: str
    message: str


def require(extra: str = "run") -> None:
    """Refuse where the packages are missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RequestError(
            f"running a model needs {' and '.join(missing)}: pip install 'weighbridge[{extra}]'"
        )


def ask(
    message: Mapping[str, Any],
    *,
    seconds: float,
    heard: Heard | None = None,
    quiet: bool = True,
) -> dict[str, Any] | Failure:
    """The child's result, or what went wrong; ``heard`` gets every event before it.

    InputErrors of the child are raised here. ``quiet`` keeps what libraries print to itself.
    """
    with tempfile.TemporaryDirectory(prefix="weigh-run-") as folder:
        child = _started(folder, quiet=quiet)
        try:
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(message).encode())
                child.stdin.close()
            last = _listened(child, time.monotonic() + seconds, heard)
        finally:
            end(child)
        words = _words(folder)
    if last is None:
        return Failure("stopped", f"it took more than {seconds:,.0f} seconds")
    if last.get("event") == "result":
        return dict(last)
    if last.get("event") == "error":
        return _failure(str(last.get("kind")), str(last.get("message")))
    return _ended(child.returncode, words)


def write_random(
    config: Mapping[str, Any],
    dtype: str,
    folder: str,
    *,
    seconds: float,
    heard: Heard | None = None,
) -> Failure | None:
    """A checkpoint of random weights in a folder, written by a process that ends with it.

    What a process frees of its heap it keeps for the most part (malloc(3), M_TRIM_THRESHOLD): one
    that wrote GPT-2 in fp32 held 330 MiB more before it loaded a weight.
    """
    message = {"what": "write", "config": config, "dtype": dtype, "folder": folder}
    found = ask(message, seconds=seconds, heard=heard)
    return found if isinstance(found, Failure) else None


def _started(folder: str, *, quiet: bool) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[3])
    program = (
        f"import sys; sys.path.insert(0, {root!r}); "
        "from weighbridge.measure.lab.child import main; sys.exit(main())"
    )
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment = {**kept, **OFFLINE, "HF_HOME": folder, "XDG_CACHE_HOME": folder}
    if quiet:
        environment["TRANSFORMERS_VERBOSITY"] = "error"
    with open(os.path.join(folder, "words"), "wb") as words:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=words if quiet else None, cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip


def _listened(
    child: subprocess.Popen[bytes], until: float, heard: Heard | None
) -> dict[str, Any] | None:
    """Events up to the last one; None where time ran out first."""
    assert child.stdout is not None
    lines: queue.Queue[bytes] = queue.Queue()
    reader = threading.Thread(target=_read, args=(child.stdout, lines), daemon=True)
    reader.start()
    while True:
        try:
            line = lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None
        if not line:
            return {"event": "ended"}
        event = json.loads(line)
        if event.get("event") in {"result", "error"}:
            return dict(event)
        if heard is not None:
            heard(event)


def _read(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    for line in iter(lambda: stream.readline(MOST_LINE), b""):
        lines.put(line)
    lines.put(b"")


def end(child: subprocess.Popen[bytes]) -> None:
    """Wait a moment for the child, then end it and everything that it started."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.2 if child.poll() is None else 0)
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _words(folder: str) -> str:
    try:
        with open(os.path.join(folder, "words"), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4000))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _failure(kind: str, message: str) -> Failure:
    known = getattr(errors, kind, None)
    if isinstance(known, type) and issubclass(known, InputError):
        raise known(message)
    return Failure(kind, message)


def _ended(code: int | None, words: str) -> Failure:
    if code is not None and code < 0:
        killed = "the system ended it, as it does where memory runs out"
        return Failure("killed", killed if code == -signal.SIGKILL else f"signal {-code}")
    last = words.strip().splitlines()[-1:] or ["it gave no answer"]
    return Failure("ended", last[0][:300])
