"""The locked-down process that imports torch and runs the model's code.

It reads one question as JSON from standard input and writes one answer as JSON to standard output.
Before anything heavy is imported it lowers its own limits; no code of a repository is imported, no
weights are read, and sockets are refused.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

MOST_INPUT = 16 * 1024 * 1024
UNSEEN = "kernels' own scratch, the CUDA context and torch.compile's plans are not seen"
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
}


def main() -> int:
    """Answer the question on standard input."""
    text = sys.stdin.buffer.read(MOST_INPUT + 1)
    if len(text) > MOST_INPUT:
        return _say({"error": "the question is too large"})
    message = json.loads(text)
    limit(message["limits"])
    os.environ.update(OFFLINE)
    _refuse_sockets()
    sys.stdout, answer = sys.stderr, sys.stdout  # whatever libraries print is no answer
    from weighbridge.errors import InputError

    try:
        found = answered(message["question"])
    except InputError as error:
        found = {"error": str(error), "kind": type(error).__name__}
    except ImportError as error:
        found = {"error": f"{error}; install weighbridge[trace]", "kind": "RequestError"}
    except MemoryError:
        found = {"error": "the trace took more memory than --max-host-memory allows"}
    except Exception as error:
        words = " ".join(str(error).split())[:400]
        found = {"error": f"{type(error).__name__}: {words}"}
    sys.stdout = answer
    return _say(found)


def answered(raw: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question, as plain data."""
    import warnings

    warnings.simplefilter("ignore")
    import torch
    import transformers

    from weighbridge.trace.answer import cache_sizes, describe
    from weighbridge.trace.build import parameter_table
    from weighbridge.trace.measure import trace
    from weighbridge.trace.question import Question

    _safe_version(transformers.__version__)
    torch.set_num_threads(1)
    question = Question(**raw)
    start = time.perf_counter()
    deep = None
    if question.extend:
        from weighbridge.trace.depth import extended

        log, model, deep = extended(question)
    elif question.ranks > 1:
        from weighbridge.trace.sharded import trace_sharded

        log, model = trace_sharded(question)
    else:
        log, model = trace(question)
    seconds = time.perf_counter() - start
    return {
        "question": question.to_dict(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        **describe(log, question),
        "parameters": parameter_table(model),
        "cache": cache_sizes(log, question),
        "extended": deep,
        "notes": _notes(question),
        "seconds": round(seconds, 3),
    }


def limit(limits: dict[str, int]) -> None:
    """Lower this process's own limits: memory, processor seconds, files, core dumps."""
    try:
        import resource
    except ImportError:  # no such limits on Windows; the parent's timeout remains
        return
    for name, value in (
        ("RLIMIT_AS", limits["memory"]),
        ("RLIMIT_CPU", limits["seconds"]),
        ("RLIMIT_FSIZE", limits["file"]),
        ("RLIMIT_CORE", 0),
    ):
        kind = getattr(resource, name)
        most = resource.getrlimit(kind)[1]
        bound = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (bound, bound))


def _refuse_sockets() -> None:
    """Every attempt to look up a name, to connect, or to start a program raises."""

    def hook(event: str, _: Any) -> None:
        if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto",
                     "os.system", "subprocess.Popen", "os.posix_spawn"}:  # fmt: skip
            raise PermissionError(f"a trace may not do this: {event}")

    sys.addaudithook(hook)


def _safe_version(version: str) -> None:
    """Versions before 5.3 could be made to run code by a config (CVE-2026-4372)."""
    from weighbridge.errors import RequestError

    parts = tuple(int(part) for part in version.split(".")[:2])
    if parts < (5, 3):
        raise RequestError(
            f"Transformers {version} may run code that a config names; a trace needs 5.3 or later"
        )


def _notes(question: Any) -> list[str]:
    notes = []
    if question.target == "cuda":
        notes.append(UNSEEN)
    if question.method == "qlora" or question.optimizer == "adamw_8bit":
        notes.append("bitsandbytes is a stand-in with the same bytes")
    if question.attn_implementation == "flash_attention_2" and question.padded:
        notes.append("a padded batch is unpadded as if every token were real")
    return notes


def _say(answer: dict[str, Any]) -> int:
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
