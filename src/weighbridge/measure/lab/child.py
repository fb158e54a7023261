"""The process that runs the real thing: reads one message from standard input, says events.

Each event is one line of JSON on standard output: ``phase``, ``progress``, ``text``, and at the
end ``result`` or ``error``. Whatever libraries print goes to standard error. Nothing is
downloaded here: sockets are refused.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from typing import Any

MOST_INPUT = 16 * 1024 * 1024
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory",
                 "cublas_status_alloc_failed", "cudnn_status_alloc_failed")  # fmt: skip


def main() -> int:
    """Do what the message says."""
    message = json.loads(sys.stdin.buffer.read(MOST_INPUT))
    _die_with_parent()
    _refuse_network()
    events, sys.stdout = sys.stdout, sys.stderr

    def say(event: str, **more: Any) -> None:
        events.write(json.dumps({"event": event, **more}) + "\n")
        events.flush()

    from weighbridge.errors import InputError

    try:
        say("result", **_done(message, say))
    except InputError as error:
        say("error", kind=type(error).__name__, message=str(error))
    except ImportError as error:
        say("error", kind="RequestError", message=f"{error}; pip install 'weighbridge[run]'")
    except (RuntimeError, MemoryError) as error:
        words = " ".join(str(error).split())[:400]
        ran_out = isinstance(error, MemoryError) or any(w in words.lower() for w in OUT_OF_MEMORY)
        say("error", kind="out of memory" if ran_out else type(error).__name__, message=words)
    except Exception as error:
        words = " ".join(str(error).split())[:400]
        say("error", kind=type(error).__name__, message=words)
    return 0


def _done(message: dict[str, Any], say: Any) -> dict[str, Any]:
    import warnings

    warnings.simplefilter("ignore")
    if message["what"] == "run":
        from weighbridge.run.child import run

        return run(message, say)
    if message["what"] == "write":
        return _written(message, say)
    if message["what"] == "machine":
        from weighbridge.measure.lab import meters

        meter = meters.Meter(meters.choose_device(message["device"]))
        return {"machine": {"device": meter.runtime, **meters.card(meter.device)}}
    return measured(message, say)


def _written(message: dict[str, Any], say: Any) -> dict[str, Any]:
    from weighbridge.measure.lab.inference import attention_of
    from weighbridge.measure.lab.weights import write_checkpoint
    from weighbridge.trace.question import Question

    config, what = message["config"], "writing random weights"
    question = Question(config=config, dtype=message["dtype"], run="prefill",
                        attn_implementation=attention_of("auto", config))  # fmt: skip
    size = write_checkpoint(
        question, message["folder"],
        lambda done, total: say("progress", what=what, done=done, total=total),
    )  # fmt: skip
    return {"bytes": size}


def measured(message: dict[str, Any], say: Any) -> dict[str, Any]:
    """The point of a message, measured."""
    start = time.perf_counter()
    import torch

    from weighbridge.measure.lab import kernels, meters

    point, repeats = message["point"], message["repeats"]
    if message.get("threads"):
        torch.set_num_threads(message["threads"])
    meter = meters.Meter(meters.choose_device(point["device"]))
    kind = point["kind"]
    if kind == "context":
        found = kernels.context(point, meter)
    elif kind == "product":
        found = kernels.product(point, meter, repeats)
    elif kind == "copy":
        found = kernels.copy(point, meter, repeats)
    else:
        found = _model(kind, message, meter, say)
    names = [*meter.seen.items()]
    return {
        **found,
        "quantities": [{"name": n, "phase": p, "values": v} for (n, p), v in names],
        "machine": {
            "device": meter.runtime,
            **meters.card(meter.device),
            "threads": torch.get_num_threads(),
        },
        "versions": meters.versions(),
        "notes": meter.notes,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _model(kind: str, message: dict[str, Any], meter: Any, say: Any) -> dict[str, Any]:
    import transformers  # what a process holds before any model is part of what it takes

    from weighbridge.measure.lab import inference, training
    from weighbridge.measure.lab.load import check_version
    from weighbridge.trace.build import build

    check_version(transformers.__version__)
    room = training if kind == "training" else inference
    warm_up(meter.device)
    # Imports the model's code.
    build(room.question_of(message["point"], message["config"], meter.device))
    if message.get("folder"):
        import bitsandbytes  # noqa: F401
    gc.collect()
    meter.see("base", "resident", base_of(meter))
    return room.measure(message, meter, say)


def warm_up(device: str) -> None:
    """A product and an attention: libraries load their kernels on first use."""
    import torch

    with torch.no_grad(), torch.device(device):
        one = torch.ones((1, 2, 16, 64), dtype=torch.bfloat16)
        torch.nn.functional.scaled_dot_product_attention(one, one, one, is_causal=True)
        torch.mm(one[0, 0], one[0, 0].T)


def base_of(meter: Any) -> int:
    """What the process takes before it holds a model."""
    sizes = meter.sizes()
    if meter.device == "cpu":
        return int(sizes.get("resident", 0))
    return int(sizes.get("driver_used", 0) - sizes.get("reserved_peak", 0))


def _die_with_parent() -> None:
    """A killed parent leaves no child behind (prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _refuse_network() -> None:
    """Every attempt to look up a name or to connect raises."""

    def hook(event: str, _: Any) -> None:
        if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"}:
            raise PermissionError(f"a measurement may not do this: {event}")

    sys.addaudithook(hook)


if __name__ == "__main__":
    sys.exit(main())
