"""What has to be put right so that fake tensors take the road that real ones take.

* Transformers keeps a mask for packed sequences whenever it sees a fake tensor, since it may not
  read values; a real batch without packing has none (masking_utils.find_packed_sequence_indices).
* Dropout on CUDA stores a mask of one byte (``native_dropout``); on a CPU it stores the type.
* Values decide nothing here: checks of input ids against the padding token would read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from weighbridge.trace.attention import card_attention
from weighbridge.trace.autocast import card_casts


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """``owner.name`` is ``value`` within the block."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def real_roads(target: str, kernel: str) -> Iterator[None]:
    """The code's choices are those of a real run on ``target`` (``cuda`` or ``cpu``)."""
    from transformers import PreTrainedModel, masking_utils

    with ExitStack() as stack:
        enter = stack.enter_context
        enter(replaced(masking_utils, "find_packed_sequence_indices", _not_packed))
        enter(replaced(PreTrainedModel, "warn_if_padding_and_no_attention_mask", _nothing))
        if target == "cuda":
            enter(card_attention(kernel))
            enter(card_casts())
            enter(replaced(torch.nn.functional, "dropout", _card_dropout))
        yield


def _not_packed(*_: Any, **__: Any) -> None:
    return None


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _card_dropout(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Any:
    if not training or p == 0:
        return input
    out = torch.native_dropout(input, p, True)[0]
    return input.copy_(out) if inplace else out
