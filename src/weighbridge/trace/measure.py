"""Question → log: builds the model and runs its pass, fake or real."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from torch import nn

from weighbridge.trace.build import build, give_storage
from weighbridge.trace.log import Log
from weighbridge.trace.passes import fake_world, run_pass
from weighbridge.trace.patches import real_roads
from weighbridge.trace.question import Question
from weighbridge.trace.tracker import StorageTracker

# at::cuda::parseChosenWorkspaceSize: `:4096:2:16:8`, and 32 MiB on compute capability 9.
CUBLAS_WORKSPACE = (4096 * 2 + 16 * 8) * 1024
HOPPER_WORKSPACE = 32 * 1024 * 1024


def workspace_of(card: str) -> int:
    """What cuBLAS takes for each thread on a card of this name."""
    hopper = any(name in card.lower() for name in ("h100", "h200", "h800", "gh200", "h20"))
    return HOPPER_WORKSPACE if hopper else CUBLAS_WORKSPACE


def trace(question: Question) -> tuple[Log, nn.Module]:
    """The log of the question's pass under fake tensors, and the model that ran."""
    model = build(question)
    with ExitStack() as stack:
        stack.enter_context(fake_world(fake=True))
        stack.enter_context(real_roads(question.target, question.attention_kernel))
        give_storage(model)
        workspace = CUBLAS_WORKSPACE if question.target == "cuda" else 0
        tracker = StorageTracker(model, workspace)
        run_pass(model, question, tracker)
        return tracker.log(), model


def execute(question: Question) -> tuple[Log, Any]:
    """The same with real tensors on the CPU; for tests of the trace."""
    model = build(question, "cpu")
    tracker = StorageTracker(model)
    run_pass(model, question, tracker)
    return tracker.log(), model
