"""How a layer is computed in training, and the operations that all layers share: linear, norm."""

from __future__ import annotations

from typing import Any

from weighbridge.formats.format import StorageFormat
from weighbridge.model.facts import Parameter
from weighbridge.records import record
from weighbridge.training.adapters import Adapters
from weighbridge.training.quirks import PLAIN, Quirk
from weighbridge.training.tape import Op

FP32 = 4
# Outputs of norms: with sequence parallelism each rank keeps its part and gathers them again.
STREAM = frozenset({"x1", "x2"})
# Under autocast a norm's output is fp32, also a latent's, as its weight is; products give 16 bit.
NORMED = STREAM | {"q_latent", "kv_latent"}


@record
class Style:
    """``compute`` and ``residual`` are bytes per element of products and of the stream between.

    ``trains`` says that the base weights get gradients; ``masked`` that sdpa is given a mask and so
    repeats keys and values for every query head. ``tensor`` ranks share heads and widths
    (``expert_tensor`` those of experts), and the stream too where ``sequence`` parallelism cuts
    it. ``tokens`` are those of one sequence that this rank holds, ``seen`` all of its tokens.
    ``packed`` is the format of a quantized base.
    """

    compute: int = 2
    residual: int = 2
    casts: bool = False
    trains: bool = True
    adapters: Adapters | None = None
    attention: str = "sdpa"
    masked: bool = False
    kernels: str = "torch"
    tensor: int = 1
    expert_tensor: int = 1
    sequence: bool = False
    tokens: Any = 1
    seen: Any = 1
    quirk: Quirk = PLAIN
    packed: StorageFormat | None = None

    def wide(self, width: Any) -> Any:
        """Elements of a width of the stream on this rank."""
        return width // self.tensor if self.sequence else width

    def cut(self, width: Any) -> Any:
        """Elements of a width that tensor parallelism divides, at least one."""
        return -(-width // self.tensor)

    def widened(self, reads: str) -> bool:
        """Whether autocast finds this tensor in fp32, and so copies it for each of its products."""
        return self.casts and self.residual != self.compute and reads in NORMED

    def cast(self, weight: Parameter) -> int:
        """Bytes of an fp32 matrix's copy in the type of the products, which autograd keeps for the
        gradient of the input (aten autocast_mode.cpp, cached_cast); a packed weight is made in that
        type anyway."""
        if not self.casts or (self.packed is not None and self.packed.stores(weight)):
            return 0
        return -(-weight.elements // self.tensor) * self.compute

    def unpacked(self, weight: Parameter) -> int:
        """Bytes of the matrix that a product with a packed weight makes first, forward and
        backward (bitsandbytes autograd/_functions.py, MatMul4Bit); 0 for any other weight."""
        if self.packed is None or not self.packed.stores(weight):
            return 0
        return -(-weight.elements // weight.copies // self.tensor) * self.compute


def linear(
    weight: Parameter,
    reads: str,
    makes: str,
    style: Style,
    *,
    into: Any,
    out: Any,
    rows: Any = 1,
) -> Op:
    """``makes`` = ``reads`` · weightᵀ, with its adapter; ``rows`` per token (experts: top_k).

    A trained weight keeps its input in the type of the products: where autocast finds fp32, a copy
    of its own. An adapter keeps its input in its own type (a copy per layer where that differs, or
    where dropout makes one, with a mask of one byte), and the low-rank product (peft
    lora/layer.py); in backward it hands on a gradient of that input beside the weight's own.
    """
    c, adapters = style.compute, style.adapters
    saves: list[tuple[str, Any]] = []
    grads, scratch, trains = into * c * rows, 0, 0
    held = style.wide(into) if reads in STREAM else into
    if style.trains:
        # Attention's output and an activation are 16 bit already: what saved them saved the input.
        key = f"{reads}>{makes}" if style.widened(reads) else reads
        saves.append((key, held * c * rows))
        trains = weight.elements
    fixed, early = style.cast(weight), False
    scratch_fixed = style.unpacked(weight)
    if adapters is not None and weight.name in adapters.wrapped:
        saves.append((reads, held * c))
        trains, fixed = adapters.elements(weight), weight.elements * c
        scratch_fixed += fixed
    elif adapters is not None and adapters.on(weight):
        own = adapters.element != c or adapters.dropout or style.widened(reads)
        # Under autocast A and B are products too: it casts the adapter's fp32 input to 16 bit.
        element = c if style.casts else adapters.element
        kept = held * element
        if style.casts:
            fixed += sum(each.elements for each in adapters.matrices(weight)[:2]) * c
        saves.append((f"{reads}>{makes}" if own else reads, kept))
        if adapters.dropout:
            saves.append((f"{makes}:mask", held))
        saves.append((f"{makes}:low", adapters.rank * element))
        scratch, early = kept, not style.trains
        trains = adapters.elements(weight)
        if adapters.dora:
            saves.append((f"{makes}:base", out * c))
            saves.append((f"{makes}:scaled", out * adapters.element))
    return Op((reads,), makes, tuple(saves), (grads,), out * c * rows, scratch, trains, fixed,
              scratch_fixed, early)  # fmt: skip


def norm(
    weight: Parameter | None,
    reads: str,
    makes: str,
    style: Style,
    *,
    width: Any,
    groups: Any = 1,
    bias: bool = False,
    stream: bool = True,
) -> Op:
    """A normalisation of ``width`` elements per token, ``groups`` statistics per token.

    The eager RMSNorm of Transformers keeps its input in fp32, 1/rms, and the normalised input where
    the weight is trained (modeling_llama.py); ``F.layer_norm`` and fused kernels keep the input and
    their statistics.
    """
    r = style.residual if stream else style.compute
    tensor = f"{reads}:fp32" if r != FP32 else reads
    if bias or style.quirk.layer_norm or style.kernels != "torch":
        bias = bias or style.quirk.layer_norm
        statistics = groups * FP32 * (2 if bias else 1)
        kept: tuple[tuple[str, Any], ...] = ((reads, width * r), (f"{makes}:stats", statistics))
        scratch = 0
    else:
        kept = ((tensor, width * FP32), (f"{makes}:rms", groups * FP32))
        if style.trains:
            unit = FP32 if style.quirk.wide_norm else r
            kept = (*kept, (f"{makes}:unit", width * unit))
        if style.quirk.centred and stream:
            kept = (*kept, (f"{makes}:centred", width * FP32))
        scratch = 2 * width * FP32 if r != FP32 else width * FP32
    trains = weight.elements if weight is not None and style.trains else 0
    return Op((reads,), makes, kept, (width * r,), width * r, scratch, trains)
