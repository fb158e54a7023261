"""What a request for training means for a model: formats, adapters, regime, ranks, defaults."""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.formats.bitsandbytes import left_in_16_bit, packed_by_transformers
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.hardware.machine import Machine
from weighbridge.model.facts import Model, Parameter
from weighbridge.request import Training
from weighbridge.training.adapters import STACKED, Adapters, make_adapters
from weighbridge.training.loss import LOSSES, Loss
from weighbridge.training.optimizers import Optimizer, find_optimizer
from weighbridge.training.quirks import PLAIN, quirk_of
from weighbridge.training.ranks import Ranks, settle_ranks
from weighbridge.training.regimes import Regime, default_regime, find_regime
from weighbridge.training.style import Style
from weighbridge.units import ceil_div

DEFAULT_LENGTH = 2048
CUT_STATES = frozenset({"zero1", "zero2", "zero3", "fsdp", "fsdp2", "megatron"})
CUT_GRADIENTS = frozenset({"zero2", "zero3", "fsdp", "fsdp2"})
CUT_WEIGHTS = frozenset({"zero3", "fsdp", "fsdp2"})
NOT_CHECKPOINTED = (
    "no activation checkpointing assumed, as Trainer's default; set it with --checkpointing full"
)
# PEFT's function enables it unless told otherwise (utils/other.py, use_gradient_checkpointing).
CHECKPOINTED = (
    "full activation checkpointing assumed, as prepare_model_for_kbit_training enables it; "
    "--checkpointing none leaves it out"
)


class Setup(NamedTuple):
    """Everything that decides bytes and time, settled."""

    model: Model
    training: Training
    regime: Regime
    optimizer: Optimizer
    loss: Loss
    ranks: Ranks
    style: Style
    adapters: Adapters | None
    storage: StorageFormat | None
    sharding: str
    checkpointing: str
    every: int
    length: int
    upcast: bool
    notes: tuple[str, ...]

    @property
    def trains_base(self) -> bool:
        """Whether the model's own weights are trained."""
        return self.adapters is None

    @property
    def tokens(self) -> int:
        """Tokens of one micro-batch on one rank."""
        return self.training.micro_batch * int(self.style.tokens)

    @property
    def weight_element(self) -> int:
        """Bytes per element of the base weights that no format stores."""
        if self.trains_base:
            return self.regime.weights
        return 4 if self.regime.name in {"fp32", "amp-bf16", "amp-fp16"} else 2

    @property
    def trained_element(self) -> int:
        """Bytes per element of what is trained, as it is stored."""
        return self.regime.weights if self.adapters is None else self.adapters.element

    @property
    def gradient_element(self) -> int:
        """Bytes per element of the gradients."""
        if self.adapters is None:
            return self.regime.gradients
        return max(self.adapters.element, self.regime.gradients if self.regime.master else 0)

    @property
    def master_element(self) -> int:
        """Bytes per element of a master copy; 0 where there is none."""
        return self.regime.master

    @property
    def state_element(self) -> int:
        """Bytes per element of what the optimizer updates."""
        if self.adapters is None:
            return self.regime.state
        return self.regime.state if self.regime.master else self.adapters.element

    def trained(self, parameter: Parameter) -> int:
        """Elements of the parameter that are trained: its own, or its adapter's."""
        return parameter.elements if self.adapters is None else self.adapters.elements(parameter)

    @property
    def settings(self) -> dict[str, str]:
        """The decisions, which every answer spells out."""
        return {
            "precision": self.regime.name,
            "optimizer": self.optimizer.name,
            "sharding": self.sharding,
            "checkpointing": self.checkpointing,
            "loss": self.loss.name,
            "weights": self.storage.name if self.storage else _element(self.weight_element),
            "activations": _element(self.style.compute),
            "attn_implementation": self.style.attention,
            "adapter_dtype": _element(self.adapters.element) if self.adapters else "",
        }


def _element(size: int) -> str:
    return {2: "bf16", 4: "fp32"}[size]


def settle(model: Model, training: Training, machine: Machine | None) -> Setup:
    """The settled request; RequestError where its parts exclude each other."""
    ranks, notes = settle_ranks(training, len(machine.devices) if machine else 0)
    said = list(notes)
    sharding = training.sharding or ("ddp" if ranks.shards > 1 else "none")
    if training.sharding is None and ranks.shards > 1:
        said.append("DDP assumed; cut states with --sharding fsdp2, zero1, zero2 or zero3")
    if sharding == "none" and ranks.shards > 1:
        raise RequestError(
            f"{ranks.shards} data parallel ranks need a --sharding: ddp, zero1, zero2, zero3, "
            "fsdp, fsdp2 or megatron"
        )
    if training.offload != "none" and sharding in {"none", "ddp"}:
        raise RequestError("offload needs --sharding zero2, zero3, fsdp or fsdp2")
    adapted = training.method != "full"
    regime = find_regime(training.precision or _default(sharding, adapted=adapted))
    length = training.seq_len or DEFAULT_LENGTH
    if training.seq_len is None:
        said.append(f"sequences of {DEFAULT_LENGTH:,} tokens assumed; set it with --seq-len")
    if model.max_positions is not None and length > model.max_positions:
        said.append(
            f"{length:,} tokens are more than the {model.max_positions:,} positions of the model"
        )
    adapters = _adapters(model, training, regime) if adapted else None
    said += _of_adapters(model, training, adapters)
    storage = _storage(model, training)
    prepared = storage is not None and _upcast(training)
    if training.checkpointing is None:
        said.append(CHECKPOINTED if prepared else NOT_CHECKPOINTED)
    checkpointing, every = _checkpointing(training.checkpointing or ("full" if prepared else None))
    if left_in_16_bit(storage, model):
        said.append(left_in_16_bit(storage, model) + _widened(training))
    loss = training.loss
    if loss == "auto":
        loss = training.kernels if training.kernels in LOSSES else "hf"
    wide = prepared and not regime.casts
    style = Style(
        compute=4 if wide else regime.compute,
        residual=4 if wide else regime.residual,
        casts=regime.casts,
        trains=adapters is None,
        adapters=adapters,
        attention=training.attn_implementation,
        masked=training.batching == "padded",
        kernels=training.kernels,
        tensor=ranks.tensor,
        expert_tensor=ranks.expert_tensor,
        sequence=_sequence(training, sharding) and ranks.tensor > 1,
        tokens=ceil_div(length, ranks.context),
        seen=length,
        packed=storage,
        quirk=PLAIN if training.kernels == "megatron" else quirk_of(model.family),
    )
    return Setup(
        model, training, regime, find_optimizer(training.optimizer), LOSSES[loss], ranks, style,
        adapters, storage, sharding, checkpointing, every, length, _upcast(training), tuple(said),
    )  # fmt: skip


def _default(sharding: str, *, adapted: bool) -> str:
    if adapted and sharding.startswith("fsdp"):
        return "bf16"
    return default_regime(sharding)


def _sequence(training: Training, sharding: str) -> bool:
    if training.sequence_parallel is None:
        return sharding == "megatron"
    return training.sequence_parallel


def _adapters(model: Model, training: Training, regime: Regime) -> Adapters:
    """PEFT keeps adapters of 16-bit models in fp32 unless told otherwise."""
    own = training.adapter_dtype or ("bf16" if regime.master else "fp32")
    return make_adapters(
        model,
        training.lora_targets,
        training.lora_rank,
        {"fp32": 4, "bf16": 2}[own],
        dropout=training.lora_dropout > 0,
        dora=training.dora,
    )


def _storage(model: Model, training: Training) -> StorageFormat | None:
    """The format of a frozen base: nf4 for QLoRA unless another is named."""
    if training.method == "full" and training.quantization:
        raise RequestError("full training updates the weights themselves; "
                           "quantization needs --method lora or qlora")  # fmt: skip
    if training.method != "qlora" and not training.quantization:
        return None
    storage = find_format(training.quantization or "nf4-dq").for_model(model)
    return storage if training.quantize_experts else packed_by_transformers(storage, model)


def _upcast(training: Training) -> bool:
    """Embeddings in fp32 make the stream fp32, and products with a quantized base hand on the type
    of their input (bitsandbytes nn/modules.py, Linear4bit.forward), unless autocast casts it."""
    if training.kbit_upcast is None:
        return training.method == "qlora"
    return training.kbit_upcast


def _of_adapters(model: Model, training: Training, adapters: Adapters | None) -> list[str]:
    """What a user of adapters should know of this model."""
    if adapters is None:
        return []
    said = [STACKED] if any("expert" in name for name in adapters.wrapped) else []
    if model.towers and training.lora_targets == "all-linear":
        said.append("adapters of encoders and towers are not counted; PEFT's all-linear takes them "
                    "too")  # fmt: skip
    return said


def _widened(training: Training) -> str:
    return ", and prepare_model_for_kbit_training makes them fp32" if _upcast(training) else ""


def _checkpointing(text: str | None) -> tuple[str, int]:
    """``none``, ``selective``, ``full``, ``offloaded``, or ``every-N`` layers."""
    name = (text or "none").strip().lower()
    if name in {"none", "selective", "offloaded"}:
        return name, 1
    if name in {"full", "true", "on"}:
        return "full", 1
    word, _, digits = name.partition("-")
    if word == "every" and digits.isascii() and digits.isdecimal() and 0 < int(digits[:9]) < 10**6:
        return f"every-{int(digits)}", int(digits)
    raise RequestError(
        f"checkpointing {name[:40]!r} is not none, selective, full, offloaded or every-N"
    )


def inputs_of(setup: Setup) -> dict[str, Any]:
    """What formulas of activations share."""
    return {"micro_batch": setup.training.micro_batch, "tokens": setup.style.tokens,
            "hidden": setup.model.hidden, "vocab": setup.model.vocab}  # fmt: skip
