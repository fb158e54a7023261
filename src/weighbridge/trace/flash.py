"""Transformers' own FlashAttention-2 path, whose package needs a card: the same saved bytes.

It is registered under a name of its own, because Transformers looks for a kernel of every name
with "flash" in it. Inputs are (batch, tokens, heads, dim) to the package and saved as such; a
padded batch is gathered to its tokens first, here as if every token were real.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "weighbridge_fa2"


def register() -> None:
    """Make the name known to Transformers' attention and mask tables."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(NAME, attend)
    ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, _two_dimensional_mask)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, dropout: float = 0.0,
    scaling: float | None = None, is_causal: bool | None = None, **_: Any,
) -> tuple[Any, None]:  # fmt: skip
    """(batch, heads, tokens, dim) → (batch, tokens, heads, dim)."""
    if attention_mask is not None:
        query, key, value = (each.clone() for each in (query, key, value))
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    out = torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, dropout, causal and query.shape[2] > 1, False, scale=scaling
    )[0].transpose(1, 2)
    return (out.clone() if attention_mask is not None else out), None


def _two_dimensional_mask(*_: Any, attention_mask: Any = None, **__: Any) -> Any:
    return attention_mask
