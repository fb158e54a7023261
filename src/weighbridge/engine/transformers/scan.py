"""Mamba's scan where no kernel is installed: three tensors of the state's size for every token.

With I inner channels, N states, H hidden, R + 2N columns of ``x_proj`` and e bytes per element, at
the end of ``mamba_selective_scan`` (transformers 5.23 models/mamba/modeling_mamba.py) alive are
discrete_A, discrete_B and deltaB_u in fp32 (12·I·N), both halves of ``in_proj``, the convolution's
output, ``time_step`` and ``dt``, the list of outputs and their stack (7e·I), two fp32 tensors of
the product with D (8·I), the columns of ``x_proj``, and the layer's input in fp32 with its norm
and the embeddings (H·(2e + 4)). Read from that code and corrected on two records, whose live bytes
it gives to the byte: Mamba-130M in bf16 at 16 tokens and in fp32 at 512 (measurements/).
"""

from __future__ import annotations

from typing import Any, NamedTuple

FORMULA = "b·T·(12·I·N + I·(7e + 8) + (R + 2N)·e + H·(2e + 4)) + 4·I·N"


class Scan(NamedTuple):
    """Bytes with the plain scan, and with a kernel that keeps no state of each token."""

    plain: Any
    fused: Any


def scan(mixer: Any, hidden: int, element: int, rows: Any) -> Scan:
    """Bytes alive in one layer at the scan's end; ``rows`` are sequences × tokens."""
    inner, states = mixer.inner, mixer.state_size
    columns = next((p.shape[0] for p in mixer.parameters if "x_proj" in p.name), 2 * states)
    beside = inner * (7 * element + 8) + columns * element + hidden * (2 * element + 4)
    # A in fp32; D and the bias of dt are copied where they are not.
    fixed = 4 * inner * states + (8 * inner if element < 4 else 0)
    fused = rows * (inner * 5 * element + hidden * (2 * element + 4))
    return Scan(rows * (12 * inner * states + beside) + fixed, fused)
