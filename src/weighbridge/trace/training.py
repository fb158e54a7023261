"""A traced training step as a request for the closed form of training."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.term import Term
from weighbridge.trace.question import DTYPES, Question

OPTIMIZERS = {
    "adamw_torch_fused": "adamw",
    "adamw_torch": "adamw-foreach",
    "adamw_forloop": "adamw-loop",
    "adamw_8bit": "adamw-8bit",
    "sgd_momentum": "sgd-momentum",
    "sgd": "sgd",
    "muon": "muon",
    "adafactor": "adafactor",
}


def closed_training(name: str, question: Question) -> Iterable[Term]:
    """The closed form's terms in its highest phase."""
    plan = import_module("weighbridge.api").train(name, **options_of(question))
    phases: dict[str, tuple[Term, ...]] = plan.devices[0].phases
    return max(phases.values(), key=lambda terms: sum(int(term.bytes) for term in terms))


def options_of(question: Question) -> dict[str, Any]:
    """The options of ``weigh train`` that ask the same."""
    if question.optimizer not in OPTIMIZERS:
        raise RequestError(f"the closed form has no optimizer {question.optimizer}")
    wide = DTYPES[question.dtype] == "float32"
    options: dict[str, Any] = {
        "method": question.method,
        "micro_batch": question.batch,
        "seq_len": question.seq_len,
        "optimizer": OPTIMIZERS[question.optimizer],
        "checkpointing": "full" if question.checkpointing else "none",
        "attn_implementation": question.attn_implementation,
        "batching": "padded" if question.padded else "equal",
        "keep_outputs": question.keep_outputs,
        "precision": question.dtype,
    }
    if question.method != "full":
        options |= {
            "lora_rank": question.rank,
            "lora_targets": question.targets,
            "dora": question.use_dora,
            "lora_dropout": question.lora_dropout,
            # PEFT makes adapters in the type of the weights, and widens 16 bit if told to.
            "adapter_dtype": "fp32" if question.adapters_fp32 or wide else "bf16",
        }
    if question.method == "qlora":
        options |= {
            "quantization": "nf4-dq" if question.double_quant else "nf4",
            "kbit_upcast": question.prepare_kbit,
        }
    if question.ranks > 1:
        options |= {"sharding": "fsdp2", "data_parallel_size": question.ranks,
                    "precision": "fsdp-mixed"}  # fmt: skip
    return options
