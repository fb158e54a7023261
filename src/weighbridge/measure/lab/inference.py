"""One inference point: loads, fills the cache with a prompt, decodes; timed, then followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from weighbridge.measure.lab.load import give_back, load_model
from weighbridge.measure.lab.meters import Meter
from weighbridge.measure.lab.observe import (
    cache_bytes,
    live_peaks,
    model_bytes,
    quantization_states,
    terms_of,
)
from weighbridge.measure.lab.weights import random_model
from weighbridge.measure.points import PLAIN
from weighbridge.trace.build import model_class
from weighbridge.trace.passes import logits_of, takes
from weighbridge.trace.question import Question
from weighbridge.trace.settings import make_config
from weighbridge.trace.tracker import StorageTracker

Say = Callable[..., None]


def question_of(point: Mapping[str, Any], config: Mapping[str, Any], device: str) -> Question:
    """The point as the tracer's question."""
    weights = point["weights"] if point["weights"] in PLAIN else "bf16"
    text = make_config(config).get_text_config(decoder=True)
    return Question(
        config=config, run="decode", batch=point["concurrency"], seq_len=point["input_tokens"],
        decode_steps=point["output_tokens"] - 1, dtype=weights, target=device,
        attn_implementation=attention_of(point["attn_implementation"], config),
        vocabulary=int(getattr(text, "vocab_size", 0) or 0),
    )  # fmt: skip


def attention_of(wanted: str, config: Mapping[str, Any]) -> str:
    """What ``auto`` is to Transformers: sdpa where the class has it."""
    if wanted != "auto":
        return wanted
    kind = model_class(make_config(config), config.get("architectures"))
    return "sdpa" if getattr(kind, "_supports_sdpa", False) else "eager"


def measure(message: Mapping[str, Any], meter: Meter, say: Say) -> dict[str, Any]:
    """Terms and quantities of the point; its checkpoint's folder where weights are quantized."""
    point = message["point"]
    question = question_of(point, message["config"], meter.device)
    with meter.phase("load"):
        if message.get("folder"):
            model = load_model(message["folder"], point["weights"], {"": meter.device},
                               attention=point["attn_implementation"])  # fmt: skip
            give_back()
        else:
            model = random_model(question, meter.device)
    say("phase", name="loaded")
    with torch.no_grad(), torch.device(meter.device):
        return _measured(model, question, meter, message["repeats"], say)


def _measured(
    model: Any, question: Question, meter: Meter, repeats: int, say: Say
) -> dict[str, Any]:
    held = model_bytes(model)
    passes = Passes(model, question)
    warm = Meter(meter.device)
    passes.run(warm.phase)
    for number in range(repeats):
        passes.run(meter.phase)
        say("phase", name=f"repeat {number + 1}")
    tracker = StorageTracker(model)
    tracker.adopt(model.parameters(), "parameter")
    tracker.adopt(quantization_states(model), "parameter")
    tracker.adopt(model.buffers(), "buffer")
    with tracker.running():
        kept = passes.run(tracker.phase, tracker.tag)
    log = tracker.log()
    for phase, size in live_peaks(log, meter.device).items():
        meter.see("live_peak", phase, size)
    steps = max(question.decode_steps, 1) * question.batch
    for seconds in meter.seen.get(("seconds", "decode"), []):
        meter.see("rate", "decode", steps / seconds)
    weights = [
        {"name": "weights", "phase": "resident", "bytes": held["parameters"],
         "formula": "distinct storages of parameters and quantization states", "number": ""}
    ]  # fmt: skip
    meter.see("buffers", "resident", held["buffers"])
    meter.see("inputs", "resident", 8 * question.batch * question.seq_len)
    return {"terms": [*weights, *terms_of(log, meter.device, kept)]}


class Passes:
    """A prompt, then steps of one token each: every variable lives as in ``generate``."""

    def __init__(self, model: Any, question: Question) -> None:
        self.model, self.question = model, question
        self.options: dict[str, Any] = {}
        if takes(model, "use_cache"):
            self.options["use_cache"] = True
        if takes(model, "logits_to_keep"):
            self.options["logits_to_keep"] = 1

    def run(self, phase: Any, tag: Any = None) -> dict[str, dict[str, int]]:
        """Both phases; returns the cache's bytes after each."""
        question, kept = self.question, {}
        ids = self._ids(question.seq_len)
        batch = {"input_ids": ids}
        if getattr(self.model.config, "is_encoder_decoder", False):
            batch["decoder_input_ids"] = torch.zeros_like(ids[:, :1])
        if tag is not None:
            tag(batch.values(), "input")
        with phase("prefill"):
            out = self.model(**batch, **self.options)
            self._chosen(out, tag)
        kept["prefill"] = cache_bytes(out)
        cache, name = self._cache(out)
        if cache is None or question.decode_steps < 1:
            return kept
        with phase("decode"):
            for _ in range(question.decode_steps):
                step = {"input_ids": self._ids(1), name: cache}
                if "decoder_input_ids" in batch:
                    step = {"decoder_input_ids": step["input_ids"], name: cache,
                            "encoder_outputs": (out.encoder_last_hidden_state,)}  # fmt: skip
                    encoded = out.encoder_last_hidden_state
                    del out
                    out = self.model(**step, **self.options)
                    out.encoder_last_hidden_state = encoded
                else:
                    del out
                    out = self.model(**step, **self.options)
                self._chosen(out, tag)
        kept["decode"] = cache_bytes(out)
        return kept

    def _ids(self, length: int) -> torch.Tensor:
        shape = (self.question.batch, length)
        return torch.randint(max(self.question.vocabulary, 1), shape)

    def _cache(self, out: Any) -> tuple[Any, str]:
        for name in ("past_key_values", "cache_params"):
            if getattr(out, name, None) is not None:
                return getattr(out, name), name
        return None, ""

    @staticmethod
    def _chosen(out: Any, tag: Any) -> None:
        """The next token as ``generate`` picks it greedily, from a copy of the logits in fp32."""
        logits = logits_of(out)
        if tag is not None:
            tag(logits, "logits")
        for each in logits:
            each[:, -1, :].to(torch.float32, copy=True).argmax(-1)
