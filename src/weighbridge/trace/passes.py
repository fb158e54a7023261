"""Prefill, decode steps and training steps, each variable living as long as in the real loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from weighbridge.trace.autocast import casting, widen_outputs
from weighbridge.trace.optimizers import make_optimizer, states_of
from weighbridge.trace.question import Question
from weighbridge.trace.tracker import StorageTracker


def run_pass(model: nn.Module, question: Question, tracker: StorageTracker) -> None:
    """Run the question's pass under the tracker."""
    tracker.adopt(model.parameters(), "parameter")
    tracker.adopt(model.buffers(), "buffer")
    if question.run == "train":
        Training(model, question, tracker).run()
    else:
        infer(model, question, tracker)


def tokens(question: Question, length: int | None = None) -> dict[str, Any]:
    """Ids, and a mask with padding where the batch is padded; int64 as a tokenizer gives them."""
    shape = (question.batch, question.seq_len if length is None else length)
    batch: dict[str, Any] = {"input_ids": _ids(question, shape)}
    if question.padded:
        mask = torch.ones(shape, dtype=torch.long)
        mask[:, -1:] = 0
        batch["attention_mask"] = mask
    return batch


def _ids(question: Question, shape: tuple[int, int]) -> torch.Tensor:
    """Zeros, or ids drawn from the vocabulary, which spread over the experts of a mixture."""
    if question.vocabulary:
        return torch.randint(question.vocabulary, shape)
    return torch.zeros(shape, dtype=torch.long)


def infer(model: nn.Module, question: Question, tracker: StorageTracker) -> None:
    """A prompt, then steps of one token; the cache is the model's own."""
    keeps = {"logits_to_keep": question.logits_to_keep} if takes(model, "logits_to_keep") else {}
    extra = {"use_cache": True} if takes(model, "use_cache") else {}
    batch = _with_decoder_ids(model, tokens(question))
    tracker.adopt(batch.values(), "input")
    with torch.no_grad(), tracker.running():
        with tracker.phase("prefill"):
            out = model(**batch, **extra, **keeps)
        tracker.tag(cache_tensors(out), "cache")
        tracker.tag(logits_of(out), "logits")
        for _ in range(question.decode_steps if question.run == "decode" else 0):
            cache = getattr(out, "past_key_values", None)
            if cache is None:
                break
            step = _ids(question, (question.batch, 1))
            tracker.tag([step], "input")
            masks = {}
            if question.padded:
                old = batch["attention_mask"]
                batch["attention_mask"] = torch.cat([old, old.new_ones((old.shape[0], 1))], 1)
                masks = {"attention_mask": batch["attention_mask"]}
            del out
            with tracker.phase("decode"):
                out = model(input_ids=step, past_key_values=cache, **extra, **keeps, **masks)
            tracker.tag(cache_tensors(out), "cache")
            tracker.tag(logits_of(out), "logits")
            del cache


class Training:
    """The steps of a training loop, as a Trainer or a bare loop makes them."""

    def __init__(self, model: nn.Module, question: Question, tracker: StorageTracker) -> None:
        self.model, self.question, self.tracker = model, question, tracker
        self.trained = [each for each in model.parameters() if each.requires_grad]
        self.optimizer = make_optimizer(question.optimizer, self.trained)
        self.done = 0
        self.outputs: Any = None  # the loop's variable, where it lives on
        self._elements = 0

    def run(self) -> None:
        """All steps; the first is lower, because its optimizer has no states yet."""
        question, tracker = self.question, self.tracker
        with tracker.running():
            for step in range(question.steps):
                for _ in range(question.accumulation):
                    self.micro_batch()
                with tracker.phase(f"optimizer {step + 1}"):
                    self.step()
                self.done += 1
        if self._elements:
            tracker.tag_like(self._elements, "(model)", "logits")

    def micro_batch(self) -> None:
        """Forward and backward of one micro-batch.

        The outputs of the one before live until these are assigned, where the loop keeps them.
        """
        question, tracker = self.question, self.tracker
        name = str(self.done + 1)
        batch = tokens(question)
        batch["labels"] = torch.zeros_like(batch["input_ids"])
        batch = _with_decoder_ids(self.model, batch)
        tracker.tag(batch.values(), "input")
        with tracker.phase(f"forward {name}"):
            with casting(question):
                out = self.model(**batch)
            widen_outputs(out, question)
        self.outputs = None
        loss = out.loss
        logits = logits_of(out)
        self._elements = sum(each.numel() for each in logits)
        tracker.tag(logits, "logits")
        del logits
        tracker.tag_saved()
        self.outputs = out if question.keep_outputs else None
        del out
        with tracker.phase(f"backward {name}"):
            loss.backward()
        tracker.tag((p.grad for p in self.trained if p.grad is not None), "gradient")

    def step(self) -> None:
        """Clip, step, and drop the gradients."""
        if self.optimizer is None:
            self.model.zero_grad(set_to_none=True)
            return
        if self.question.clip:
            torch.nn.utils.clip_grad_norm_(self.trained, self.question.clip)
        self.optimizer.step()
        self.tracker.tag(states_of(self.optimizer), "optimizer")
        self.optimizer.zero_grad(set_to_none=True)


def cache_tensors(out: Any) -> list[torch.Tensor]:
    """The tensors that an output's cache holds, whatever its kind."""
    cache = getattr(out, "past_key_values", None)
    cache = getattr(out, "cache_params", None) if cache is None else cache
    found: list[torch.Tensor] = []
    seen: set[int] = set()
    _collect(cache, found, seen, 0)
    return found


def _collect(value: Any, found: list[torch.Tensor], seen: set[int], depth: int) -> None:
    if isinstance(value, torch.Tensor):
        found.append(value)
        return
    if id(value) in seen or depth > 6:
        return
    seen.add(id(value))
    if isinstance(value, dict):
        inside: Any = value.values()
    elif isinstance(value, (list, tuple)):
        inside = value
    elif type(value).__module__.startswith("transformers."):
        inside = vars(value).values()
    else:
        return
    for each in inside:
        _collect(each, found, seen, depth + 1)


def logits_of(out: Any) -> list[torch.Tensor]:
    """The output's logits, where it has any."""
    logits = getattr(out, "logits", None)
    return [logits] if isinstance(logits, torch.Tensor) else []


def takes(model: nn.Module, name: str) -> bool:
    """Whether the model's forward has an argument of this name."""
    from inspect import signature

    return name in signature(model.forward).parameters


def _with_decoder_ids(model: nn.Module, batch: dict[str, Any]) -> dict[str, Any]:
    """An encoder with a decoder reads ids on both sides; with labels it makes its own."""
    config: Any = model.config
    if getattr(config, "is_encoder_decoder", False) and "labels" not in batch:
        return {**batch, "decoder_input_ids": torch.zeros_like(batch["input_ids"])}
    return batch


@contextmanager
def fake_world(*, fake: bool) -> Iterator[None]:
    """Fake tensors within the block, unless real ones are wanted."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode(allow_non_fake_inputs=True) if fake else nullcontext():
        yield
