"""The traced side of the closed form's table: a question → the kept line."""

from __future__ import annotations

import warnings
from typing import Any

import torch
import transformers

from weighbridge.trace.log import CUDA_BLOCK, Log, by_category, peaks
from weighbridge.trace.measure import trace
from weighbridge.trace.question import Question
from weighbridge.units import ceil_div

# What is kept, the trace's category, and the phase of the last step at whose end it is read.
SCALES, TABLES = {"absmax", "nested_absmax"}, {"code", "nested_code", "offset"}
KINDS = {"parameters": "parameter", "gradients": "gradient", "optimizer": "optimizer"}


def traced(question: Question) -> dict[str, Any]:
    """Peak of live bytes with its parts, and the resident kinds, or why there is no trace."""
    line: dict[str, Any] = {"torch": torch.__version__.partition("+")[0],
                            "transformers": transformers.__version__}  # fmt: skip
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            log, model = trace(question)
        except Exception as error:
            words = " ".join(str(error).split())[:200]
            return {**line, "failed": f"{type(error).__name__}: {words}"}
    found = _described(log, question)
    if "parameters" in found and question.method == "qlora":
        bare = found["parameters"][0]
        found["parameters"] = [bare + each for each in scales(model)]
    return line | found


def scales(model: Any) -> list[int]:
    """Bytes beside packed weights: scales alone, with their tables, and in blocks of 512."""
    held = [(name.rpartition(".")[2], each.numel() * each.element_size())
            for name, each in model.named_buffers()]  # fmt: skip
    needed = sum(size for name, size in held if name in SCALES)
    kept = [size for name, size in held if name in SCALES | TABLES]
    return [needed, sum(kept), sum(ceil_div(size, CUDA_BLOCK) * CUDA_BLOCK for size in kept)]


def _described(log: Log, question: Question) -> dict[str, Any]:
    found = peaks(log, question.granularity)
    last = {"prefill": "prefill", "decode": "decode"}.get(question.run, str(question.steps))
    chosen = [each for each in found if each.phase.rpartition(" ")[2] == last]
    if not chosen:
        return {"failed": "no such phase: the model has no cache to decode with"}
    top = max(chosen, key=lambda each: each.bytes)
    parts = by_category(log, top.event, question.granularity)
    line: dict[str, Any] = {"phase": top.phase, "peak": top.bytes, "parts": parts}
    if question.run == "decode":
        line["peak"] -= parts.get("logits", 0)
    ends = {phase.name: phase.end for phase in log.phases}
    for name, category in KINDS.items():
        at = f"backward {last}" if name == "gradients" else f"optimizer {last}"
        event = ends.get(at, top.event)
        # Exact bytes, and as blocks of 512: the ledger counts small states in blocks.
        line[name] = [by_category(log, event, size).get(category, 0) for size in (1, 512)]
    return line
