"""Logits and loss, one row for each way to compute it, in bytes per logit.

``forward`` is alive at the end of the forward pass's loss, ``kept`` until the backward pass reaches
the logits, ``backward`` at its worst. ``outputs`` are the bytes of logits that a training loop
keeps by holding the model's output. Rows count per token × vocabulary; ``chunks`` divides what is
made chunk by chunk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.units import ceil_div


class Loss(NamedTuple):
    """One way to a loss; ``high`` is the most that was seen per logit."""

    name: str
    forward: int
    kept: int
    backward: int
    outputs: int
    high: float
    formula: str
    source: str


HF = "transformers loss/loss_utils.py ForCausalLMLoss"
LOSSES = {
    "hf": Loss("hf", 10, 6, 14, 2, 14,
               "14 × vocab × tokens: logits 2, log-softmax 4, its gradient 4, the loss's 4",
               f"{HF} of 5.x, traced; A100 runs of Liger's benchmark"),
    "hf-4": Loss("hf-4", 12, 8, 16, 4, 18.6,
                 "16 × vocab × tokens: fp32 logits 4, log-softmax 4, its gradient 4, the loss's 4",
                 "transformers 4.38 modeling_llama.py: logits.float(), shifted copies"),
    "chunked": Loss("chunked", 2, 2, 2, 2, 7,
                    "2 × vocab × tokens (logits, chunk by chunk) + 12 × vocab × tokens / 8",
                    "torchtune modules/loss/ce_chunked_output_loss.py: 8 chunks of logits, each "
                    "upcast and differentiated in turn, compiled as torchtune compiles it"),
    "compiled": Loss("compiled", 2, 2, 4, 2, 10,
                     "4 × vocab × tokens: 16-bit logits and their gradient",
                     "torch.compile fuses upcast, log-softmax and its gradient (torchtitan's "
                     "compile.components: model, loss); assumed"),
    "megatron": Loss("megatron", 6, 4, 6, 0, 10,
                     "6 × vocab × tokens / tensor ranks: fp32 softmax 4, 16-bit logits 2",
                     "Megatron-LM core/tensor_parallel/cross_entropy.py: softmax in place"),
    "liger": Loss("liger", 0, 0, 0, 0, 0,
                  "chunk × vocab × 8 with chunk = 2^⌈log₂(tokens / ⌈vocab / hidden⌉)⌉",
                  "Liger-Kernel ops/fused_linear_cross_entropy.py"),
    "cut": Loss("cut", 0, 0, 0, 0, 0, "8 × tokens: one log-sum-exp and one logit per token",
                "arXiv:2411.09009 (cut cross-entropy): logits are never written out"),
}  # fmt: skip
CHUNKS = 8
FP32 = 4


class LossBytes(NamedTuple):
    """Bytes at the moments of the loss."""

    forward: Any
    kept: Any
    backward: Any
    outputs: Any
    high: Any


def loss_bytes(
    loss: Loss, tokens: Any, vocab: Any, hidden: int, *, outputs: bool, fp32: bool,
    widened: bool = False,
) -> LossBytes:  # fmt: skip
    """Bytes of the loss over ``tokens`` with ``vocab`` logits each on this rank.

    ``widened``: under autocast accelerate turns the outputs that the loop keeps into fp32
    (utils/operations.py, convert_outputs_to_fp32).
    """
    if widened and outputs and loss.name == "hf":
        more = FP32 - loss.outputs
        loss = loss._replace(kept=loss.kept + more, backward=loss.backward + more, outputs=FP32)
    logits = tokens * vocab
    if loss.name == "cut":
        small = 8 * tokens
        return LossBytes(small, small, small, 0, small + 4 * tokens * hidden)
    if loss.name == "liger":
        chunk = _power_of_two(ceil_div(tokens, ceil_div(vocab, hidden)))
        made = chunk * vocab * 8
        return LossBytes(made, 0, made, 0, 2 * made + 4 * vocab * hidden)
    more = 12 * ceil_div(logits, CHUNKS) if loss.name == "chunked" else 0
    saved = 0 if outputs else loss.outputs
    if fp32:
        wide = 4 * logits
        held = wide if outputs else 0
        return LossBytes(2 * wide, 2 * wide, (4 if outputs else 3) * wide, held, 4 * wide + more)
    high = int(loss.high * 10) * logits // 10
    return LossBytes(
        loss.forward * logits + more,
        (loss.kept - saved) * logits,
        (loss.backward - saved) * logits + more,
        0 if not outputs else loss.outputs * logits,
        high + more,
    )


def _power_of_two(count: Any) -> Any:
    if isinstance(count, int):
        return 1 << max(count - 1, 0).bit_length()
    import numpy

    return 2 ** numpy.ceil(numpy.log2(numpy.maximum(count, 1))).astype("int64")
