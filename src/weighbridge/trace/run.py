"""The parent's side: asks a child process, within limits, and reads its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weighbridge import errors
from weighbridge.errors import InputError, RequestError
from weighbridge.trace.question import Question
from weighbridge.trace.result import Trace, read_trace
from weighbridge.units import GIB

NEEDED = ("torch", "transformers")
MOST_ANSWER = 256 * 1024 * 1024
SECONDS, HOST_MEMORY = 300, 16 * GIB
# What of our environment a child may see: where libraries and temporary files lie.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


class TraceFailed(InputError):
    """The model's code could not be run under fake tensors, or not within the limits."""


def run_trace(question: Question, *, seconds: int = SECONDS, memory: int = HOST_MEMORY) -> Trace:
    """The trace of a question; TraceFailed with one sentence where there is none."""
    _require_extra()
    limits = {"memory": memory, "seconds": seconds + 5, "file": 64 * 1024 * 1024}
    message = json.dumps({"question": question.to_dict(), "limits": limits}).encode()
    with tempfile.TemporaryDirectory(prefix="weigh-trace-") as folder:
        answer = _asked(message, folder, seconds)
    if not isinstance(answer, dict):
        raise TraceFailed("the traced process gave no answer that can be read")
    if "error" in answer:
        raise _error_of(answer)
    return read_trace(answer)


def _require_extra() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RequestError(
            f"a trace needs {' and '.join(missing)}: pip install 'weighbridge[trace]'; "
            "no GPU is needed"
        )


def _command() -> list[str]:
    """Python, isolated from the environment and the folder, with this package's own place."""
    root = str(Path(__file__).resolve().parents[2])
    program = (
        f"import sys; sys.path.insert(0, {root!r}); "
        "from weighbridge.trace.child import main; sys.exit(main())"
    )
    return [sys.executable, "-I", "-c", program]


def _environment(folder: str) -> dict[str, str]:
    from weighbridge.trace.child import OFFLINE

    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, **OFFLINE, "HF_HOME": folder, "XDG_CACHE_HOME": folder,
            "TORCHINDUCTOR_CACHE_DIR": folder}  # fmt: skip


def _asked(message: bytes, folder: str, seconds: int) -> Any:
    with open(os.path.join(folder, "answer"), "w+b") as out:
        try:
            done = subprocess.run(
                _command(), input=message, stdout=out, stderr=subprocess.PIPE, cwd=folder,
                env=_environment(folder), timeout=seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TraceFailed(
                f"the trace took more than {seconds} seconds; trace fewer --layers, "
                "or raise --timeout"
            ) from None
        size = out.tell()
        out.seek(0)
        text = out.read(MOST_ANSWER + 1)
    if done.returncode or not size or len(text) > MOST_ANSWER:
        raise TraceFailed(_why(done.returncode, done.stderr))
    try:
        return json.loads(text)
    except ValueError:
        raise TraceFailed("the traced process gave no answer that can be read") from None


def _why(code: int, words: bytes) -> str:
    last = words.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
    if code < 0:
        return f"the traced process was ended by signal {-code}; it met its limit of time or memory"
    return f"the traced process failed: {last[0][:300]}"


def _error_of(answer: Mapping[str, Any]) -> InputError:
    kind = getattr(errors, str(answer.get("kind")), None)
    text = str(answer["error"])[:600]
    if isinstance(kind, type) and issubclass(kind, InputError):
        return kind(text)
    return TraceFailed(f"the model's code cannot be traced: {text}")
