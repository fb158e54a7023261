"""One training point: steps of the tracer's own loop on a real device, timed, then followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from weighbridge.measure.lab.meters import Meter
from weighbridge.measure.lab.observe import live_peaks, model_bytes, terms_of
from weighbridge.measure.lab.weights import random_model
from weighbridge.trace.passes import Training
from weighbridge.trace.question import Question
from weighbridge.trace.settings import make_config
from weighbridge.trace.tracker import StorageTracker
from weighbridge.trace.training import OPTIMIZERS

Say = Callable[..., None]
TRACED = {plan: trace for trace, plan in OPTIMIZERS.items()}
PHASES = {"forward": "forward", "backward": "backward", "optimizer": "step"}


def question_of(point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> Question:
    """The point as the tracer's question; the first step is lower, for it has no states yet."""
    text = make_config(config).get_text_config(decoder=True)
    return Question(
        config=config, run="train", batch=point["micro_batch"], seq_len=point["seq_len"],
        dtype=point["precision"], method=point["method"], optimizer=TRACED[point["optimizer"]],
        checkpointing=point["checkpointing"] == "full", rank=point["lora_rank"],
        attn_implementation=point["attn_implementation"], target=device, keep_outputs=True,
        vocabulary=int(getattr(text, "vocab_size", 0) or 0),
    )  # fmt: skip


class Timed:
    """What the loop asks of a tracker, with a meter behind its phases and nothing else.

    The phases of the first step are not kept.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """One phase of one step."""
        kind, _, step = name.partition(" ")
        with self.meter.phase(PHASES[kind]) if step != "1" else nullcontext():
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nothing is watched."""
        yield

    def tag(self, *_: Any) -> None:
        """Nothing is named."""

    tag_saved = tag_like = adopt = tag


def measure(message: Mapping[str, Any], meter: Meter, say: Say) -> dict[str, Any]:
    """Terms and quantities of the point; every step after the first is one repeat."""
    repeats = message["repeats"]
    question = question_of(message["point"], message["config"], meter.device)
    with meter.phase("load"):
        model = random_model(question, meter.device)
    held = model_bytes(model)
    say("phase", name="loaded")
    with torch.device(meter.device):
        _steps(model, question, repeats + 1, Timed(meter))
        model.zero_grad(set_to_none=True)
        tracker = StorageTracker(model)
        frozen = [each for each in model.parameters() if not each.requires_grad]
        tracker.adopt(model.parameters(), "parameter")
        tracker.adopt(model.buffers(), "buffer")
        _steps(model, question, 2, tracker)
    log = tracker.log()
    for phase, size in live_peaks(log, meter.device).items():
        kind, _, step = phase.partition(" ")
        if step == "2":
            meter.see("live_peak", PHASES[kind], size)
    meter.see("buffers", "resident", held["buffers"])
    meter.see("inputs", "resident", 16 * question.batch * question.seq_len)
    terms = [each for each in terms_of(log, meter.device, {}) if each["number"] == "2"]
    return {"terms": [*_weights(held, frozen=bool(frozen)), *terms]}


def _weights(held: dict[str, int], *, frozen: bool) -> list[dict[str, Any]]:
    found = [{"name": "weights", "phase": "resident", "bytes": held["parameters"],
              "formula": "distinct storages of parameters", "number": ""}]  # fmt: skip
    if frozen:
        adapters = {"name": "adapters", "phase": "resident", "bytes": held["adapters"],
                    "formula": "distinct storages of trained adapters", "number": ""}  # fmt: skip
        found.append(adapters)
    return found


def _steps(model: Any, question: Question, steps: int, tracker: Any) -> None:
    from weighbridge.records import replace

    Training(model, replace(question, steps=steps), tracker).run()
