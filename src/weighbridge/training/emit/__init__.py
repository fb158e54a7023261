"""A plan as a ready configuration of a training tool, with the plan's numbers as a comment.

One function per tool. The names of keys are those of the tools' own sources, named in each file.
What a tool cannot express is said in the comment, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from weighbridge.errors import RequestError
from weighbridge.training.planner import TrainingPlan

WHERE = {
    "training-arguments": ("huggingface", "training_arguments"),
    "trl": ("huggingface", "trl"),
    "accelerate": ("accelerate", "accelerate"),
    "deepspeed": ("deepspeed", "deepspeed"),
    "torchtune": ("torchtune", "torchtune"),
    "axolotl": ("axolotl", "axolotl"),
    "llama-factory": ("llama_factory", "llama_factory"),
}


def emit(plan: TrainingPlan, target: str) -> str:
    """The configuration as text that ends in a newline."""
    if target not in WHERE:
        raise RequestError(f"--emit {target[:40]!r} is not one of {', '.join(WHERE)}")
    module, name = WHERE[target]
    write: Callable[[TrainingPlan], str] = getattr(
        import_module(f"weighbridge.training.emit.{module}"), name
    )
    return write(plan)
