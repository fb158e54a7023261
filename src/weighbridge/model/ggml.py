"""The tensor types of ggml: how many values a block holds, and how many bytes it takes.

One table for everything that meets them: the GGUF reader, the storage formats of weights, the
formats of the KV cache. To add a type, add a row with the number of ``enum ggml_type``.

Source: ggml 0.25.3, ``ggml/include/ggml.h`` (numbers), ``ggml/src/ggml-common.h`` (blocks) and
``ggml/src/ggml.c`` (``type_traits``).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GgmlType:
    """A type of tensor: rows are cut into blocks of ``block`` values that take ``size`` bytes.

    >>> GGML["Q4_K"].bytes_of(4096 * 4096), GGML["Q4_K"].bits_per_value
    (9437184, 4.5)
    """

    number: int
    name: str
    block: int
    size: int

    @property
    def bits_per_value(self) -> float:
        """Bits per value, scales included."""
        return self.size * 8 / self.block

    @property
    def packs(self) -> bool:
        """Whether values share a block with scales rather than standing by themselves."""
        return self.block > 1

    def bytes_of(self, values: int) -> int:
        """Bytes of ``values`` values; a block that is begun counts whole."""
        return -(-values // self.block) * self.size


# ggml-common.h: K-quants and I-quants keep 256 values a block, the older ones 32.
_ROWS = (
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 2 + 16),
    (3, "Q4_1", 32, 4 + 16),
    (6, "Q5_0", 32, 2 + 4 + 16),
    (7, "Q5_1", 32, 4 + 4 + 16),
    (8, "Q8_0", 32, 2 + 32),
    (9, "Q8_1", 32, 4 + 32),
    (10, "Q2_K", 256, 4 + 16 + 64),
    (11, "Q3_K", 256, 2 + 64 + 32 + 12),
    (12, "Q4_K", 256, 4 + 12 + 128),
    (13, "Q5_K", 256, 4 + 12 + 128 + 32),
    (14, "Q6_K", 256, 2 + 16 + 192),
    (15, "Q8_K", 256, 4 + 256 + 32),
    (16, "IQ2_XXS", 256, 2 + 64),
    (17, "IQ2_XS", 256, 2 + 64 + 8),
    (18, "IQ3_XXS", 256, 2 + 96),
    (19, "IQ1_S", 256, 2 + 32 + 16),
    (20, "IQ4_NL", 32, 2 + 16),
    (21, "IQ3_S", 256, 2 + 104 + 4),
    (22, "IQ2_S", 256, 2 + 64 + 16),
    (23, "IQ4_XS", 256, 2 + 2 + 4 + 128),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 32 + 16 + 8),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 2 + 4 + 48),
    (35, "TQ2_0", 256, 2 + 64),
    (39, "MXFP4", 32, 1 + 16),
    (40, "NVFP4", 64, 4 + 32),
    (41, "Q1_0", 128, 2 + 16),
    (42, "Q2_0", 64, 2 + 16),
)

# Numbers that files of 2023 and 2024 used; today's programs refuse them, and so does the reader.
REMOVED = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}

GGML: dict[str, GgmlType] = {name: GgmlType(n, name, block, size) for n, name, block, size in _ROWS}
BY_NUMBER: dict[int, GgmlType] = {each.number: each for each in GGML.values()}
