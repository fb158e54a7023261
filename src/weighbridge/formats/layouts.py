"""Bytes of one weight matrix of ``rows`` × ``columns`` (out_features × in_features).

Each function is a layout: values, then whatever the format keeps beside them. Measured on a
4,096 × 4,096 weight, the bitsandbytes and torchao ones agree with the libraries to the byte.
"""

from __future__ import annotations

from collections.abc import Callable

from weighbridge.units import ceil_div

Layout = Callable[[int, int], int]


def plain(bits: int) -> Layout:
    """Values only."""

    def size(rows: int, columns: int) -> int:
        return ceil_div(rows * columns * bits, 8)

    return size


def int8_rows(rows: int, columns: int) -> int:
    """bitsandbytes LLM.int8(): int8 values and one fp32 ``SCB`` per output row."""
    return rows * columns + 4 * rows


def bnb4(block: int) -> Layout:
    """bitsandbytes nf4/fp4: two values a byte, one fp32 absmax per block, a 16-entry code."""

    def size(rows: int, columns: int) -> int:
        values = rows * columns
        return ceil_div(values, 2) + 4 * ceil_div(values, block) + 16 * 4

    return size


def bnb4_double(block: int) -> Layout:
    """The same with the absmax quantized in turn: 8 bits each, one fp32 per 256 of them, a
    256-entry code and one fp32 offset."""

    def size(rows: int, columns: int) -> int:
        values = rows * columns
        absmax = ceil_div(values, block)
        return ceil_div(values, 2) + absmax + 4 * ceil_div(absmax, 256) + 256 * 4 + 4 + 16 * 4

    return size


def grouped(bits: int, group: int, *, group_index: bool = False) -> Layout:
    """GPTQ and AWQ: packed values, packed zero points and fp16 scales per group of inputs; GPTQ
    keeps an int32 group index per input as well, whether it reordered them or not."""

    def size(rows: int, columns: int) -> int:
        groups = ceil_div(columns, group)
        packed = 4 * ceil_div(columns * bits, 32) * rows
        zeros = 4 * groups * ceil_div(rows * bits, 32)
        scales = 2 * groups * rows
        return packed + zeros + scales + (4 * columns if group_index else 0)

    return size


def fp8_tensor(rows: int, columns: int) -> int:
    """One byte a value and one fp32 scale."""
    return rows * columns + 4


def fp8_channel(rows: int, columns: int) -> int:
    """One byte a value and one fp32 scale per output row."""
    return rows * columns + 4 * rows


def fp8_block(rows: int, columns: int) -> int:
    """One byte a value and one fp32 scale per 128 × 128 block (DeepSeek-V3, Qwen3-FP8)."""
    return rows * columns + 4 * ceil_div(rows, 128) * ceil_div(columns, 128)


def fp8_block_half(rows: int, columns: int) -> int:
    """The same with 16-bit scales (compressed-tensors, strategy block)."""
    return rows * columns + 2 * ceil_div(rows, 128) * ceil_div(columns, 128)


def unpacked_groups(group: int) -> Layout:
    """4-bit weights that lie in a byte each, with 16-bit scales per group (compressed-tensors
    W4A8)."""

    def size(rows: int, columns: int) -> int:
        return (columns + 2 * ceil_div(columns, group)) * rows

    return size


def microscaled(block: int, *, tensor_scale: bool) -> Layout:
    """4-bit values with an 8-bit scale per block along the inputs: MXFP4 (32), NVFP4 (16, and one
    fp32 per tensor)."""

    def size(rows: int, columns: int) -> int:
        values = ceil_div(columns, 2) * rows
        return values + ceil_div(columns, block) * rows + (4 if tensor_scale else 0)

    return size


def blocks(values: int, size_of_block: int) -> Layout:
    """ggml: each row is cut into blocks of ``values`` that take ``size_of_block`` bytes."""

    def size(rows: int, columns: int) -> int:
        return ceil_div(columns, values) * size_of_block * rows

    return size


def packed(bits: int, group: int, *, zeros: bool = False) -> Layout:
    """compressed-tensors ``pack-quantized``: values packed into int32 along the inputs, 16-bit
    scales per group, the shape as two int64; packed zero points where it is asymmetric."""

    def size(rows: int, columns: int) -> int:
        groups = ceil_div(columns, group)
        values = 4 * ceil_div(columns * bits, 32) * rows
        points = 4 * ceil_div(rows * bits, 32) * groups if zeros else 0
        return values + 2 * groups * rows + points + 16

    return size


def scaled_rows(scale: int, zero: int = 0) -> Layout:
    """One byte a value, and beside each output row a scale and a zero point of so many bytes."""

    def size(rows: int, columns: int) -> int:
        return rows * columns + (scale + zero) * rows

    return size


def nvfp4_packed(rows: int, columns: int) -> int:
    """compressed-tensors ``nvfp4-pack-quantized``: as NVFP4, with an fp32 scale for the weights
    and one for the inputs."""
    return microscaled(16, tensor_scale=True)(rows, columns) + 4


def mxfp8(rows: int, columns: int) -> int:
    """MXFP8: one byte a value and one 8-bit scale per 32 along the inputs."""
    return (columns + ceil_div(columns, 32)) * rows


def int4_scaled(group: int) -> Layout:
    """torchao int4: two values a byte, a 16-bit scale and a 16-bit zero point per group."""

    def size(rows: int, columns: int) -> int:
        return ceil_div(columns, 2) * rows + 4 * ceil_div(columns, group) * rows

    return size


# hqq/core/bitpack.py: values per word, and bytes of a word.
_HQQ_WORDS = {8: (1, 1), 4: (2, 1), 3: (10, 4), 2: (4, 1), 1: (8, 1)}


def hqq(bits: int, group: int) -> Layout:
    """HQQ: packed values, a 16-bit scale and a 16-bit zero point per group; 3-bit values stand ten
    in an int32."""
    values_of_word, word = _HQQ_WORDS[bits]

    def size(rows: int, columns: int) -> int:
        groups = ceil_div(rows * columns, group)
        return ceil_div(groups, values_of_word) * group * word + 4 * groups

    return size


def trellis(bits: float) -> Layout:
    """EXL3: ``bits`` a value, exactly, and a 16-bit sign vector for inputs and for outputs."""

    def size(rows: int, columns: int) -> int:
        return ceil_div(int(rows * columns * bits * 1000), 8000) + 2 * (rows + columns)

    return size


def average(bits: float) -> Layout:
    """EXL2: what the stated average of bits per weight amounts to, scales included."""

    def size(rows: int, columns: int) -> int:
        return ceil_div(int(rows * columns * bits * 1000), 8000)

    return size
