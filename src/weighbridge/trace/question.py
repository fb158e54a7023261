"""What a trace is asked: one record, checked, that the parent sends to the child as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import RequestError
from weighbridge.options import Option, read_value
from weighbridge.records import fields_of, record

PASSES = ("prefill", "decode", "train")
METHODS = ("full", "lora", "qlora")
ATTENTION = ("eager", "sdpa", "flash_attention_2")
KERNELS = ("auto", "flash", "efficient", "cudnn", "math")
OPTIMIZERS = ("adamw_torch_fused", "adamw_torch", "adamw_forloop", "adamw_8bit", "sgd",
              "sgd_momentum", "muon", "adafactor", "none")  # fmt: skip
# Autocast by the names of `weigh train --precision`: the type of products; weights are fp32.
AUTOCAST = {"amp-bf16": "bfloat16", "amp-fp16": "float16"}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32",
          **dict.fromkeys(AUTOCAST, "float32")}  # fmt: skip
TARGETS = ("cuda", "cpu")

OPTIONS = (
    Option("pass", "what is run", "PASS", choices=PASSES),
    Option("batch", "sequences at once; in training the micro-batch", "N", ("--micro-batch",),
           kind="count"),
    Option("seq_len", "tokens of each sequence", "TOKENS", ("--context",), kind="count"),
    Option("decode_steps", "tokens decoded after the prompt", "N", kind="count"),
    Option("logits_to_keep", "positions of a prompt whose logits are made; 0 is all", "N",
           kind="count"),
    Option("dtype", "type of weights and computation; amp-… is autocast over fp32 weights", "TYPE",
           ("--precision",), choices=tuple(DTYPES)),
    Option("attn_implementation", "attention of Transformers", "NAME", choices=ATTENTION),
    Option("attention_kernel", "kernel that sdpa takes on the card", "NAME", choices=KERNELS),
    Option("padded", "the batch has padding, so that a mask is passed", "", kind="flag"),
    Option("method", "what is trained", "NAME", choices=METHODS),
    Option("optimizer", "optimizer, named as TrainingArguments.optim does", "NAME",
           choices=OPTIMIZERS),
    Option("checkpointing", "gradient checkpointing of every layer", "", kind="flag"),
    Option("reentrant", "the older, reentrant way of checkpointing", "", kind="flag"),
    Option("steps", "optimizer steps; the last one is reported", "N", kind="count"),
    Option("accumulation", "micro-batches of each step", "N", kind="count"),
    Option("clip", "largest norm of the gradient; 0 does not clip", "NORM", kind="number"),
    Option("keep_outputs", "the loop's variable `outputs` lives on through backward", "",
           kind="flag"),
    Option("rank", "rank of the adapters", "R", kind="count"),
    Option("targets", "adapted linears, with commas, or all-linear", "NAMES"),
    Option("use_dora", "weight-decomposed adapters", "", kind="flag"),
    Option("lora_dropout", "dropout before the adapters", "SHARE", kind="number"),
    Option("adapters_fp32", "adapters in fp32 on a 16-bit model, PEFT's default", "",
           kind="flag"),
    Option("double_quant", "second quantization of nf4 scales", "", kind="flag"),
    Option("prepare_kbit", "fp32 embeddings and norms, as prepare_model_for_kbit_training makes",
           "", kind="flag"),
    Option("ranks", "devices over which FSDP2 shards", "N", kind="count"),
    Option("layers", "decoder layers to build, instead of all", "N", kind="count"),
    Option("extend", "trace 3 N, 4 N and 5 N layers, and extend exactly to the model's own depth; "
           "N is a whole period where layers differ", "N", kind="count"),
    Option("capacity", "bytes of the card that PyTorch may reserve", "SIZE", kind="size"),
)  # fmt: skip


@record
class Question:
    """One pass of one config; see :data:`OPTIONS` for each field."""

    config: Mapping[str, Any]
    run: str = "prefill"
    batch: int = 1
    seq_len: int = 2048
    decode_steps: int = 2
    logits_to_keep: int = 1
    dtype: str = "bf16"
    attn_implementation: str = "sdpa"
    attention_kernel: str = "auto"
    padded: bool = False
    method: str = "full"
    optimizer: str = "adamw_torch_fused"
    checkpointing: bool = False
    reentrant: bool = False
    steps: int = 2
    accumulation: int = 1
    clip: float = 1.0
    keep_outputs: bool = False
    rank: int = 16
    targets: str = "all-linear"
    use_dora: bool = False
    lora_dropout: float = 0.0
    adapters_fp32: bool = True
    double_quant: bool = True
    prepare_kbit: bool = False
    ranks: int = 1
    layers: int = 0
    extend: int = 0
    capacity: int = 0
    target: str = "cuda"
    vocabulary: int = 0

    @property
    def granularity(self) -> int:
        """Bytes to which each storage is rounded."""
        return 512 if self.target == "cuda" else 1

    def to_dict(self) -> dict[str, Any]:
        """The question as JSON holds it."""
        return {name: _plain(getattr(self, name)) for name in fields_of(Question)}


def make_question(config: Mapping[str, Any], given: Mapping[str, Any]) -> Question:
    """A checked question; RequestError names the option that makes no sense."""
    rows = {option.name: option for option in OPTIONS}
    values: dict[str, Any] = {}
    for name, value in given.items():
        option = rows.get(name)
        if option is None:
            raise RequestError(f"a trace has no option {name[:40]!r}")
        values["run" if name == "pass" else name] = read_value(option, value)
    question = Question(config=config, **values)
    _check(question)
    return question


def _check(question: Question) -> None:
    for name, least, most in (
        ("batch", 1, 10**6), ("seq_len", 1, 10**8), ("steps", 1, 8), ("accumulation", 1, 64),
        ("decode_steps", 1, 16), ("rank", 1, 65536), ("ranks", 1, 65536), ("layers", 0, 10**4),
        ("extend", 0, 10**3),
    ):  # fmt: skip
        value = getattr(question, name)
        if not least <= value <= most:
            raise RequestError(f"{name} is {value}, but must be from {least} to {most}")
    if question.extend and (question.layers or question.ranks > 1):
        raise RequestError("extend traces depths of its own choice on one rank; leave layers and "
                           "ranks out")  # fmt: skip
    if question.dtype in AUTOCAST and (question.run != "train" or question.ranks > 1):
        raise RequestError(
            f"{question.dtype} is autocast over fp32 weights; it needs --pass train on one rank"
        )
    if question.ranks > 1 and (question.run != "train" or question.method != "full"):
        raise RequestError(
            "ranks shards full training (FSDP2); it needs --pass train --method full"
        )


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
