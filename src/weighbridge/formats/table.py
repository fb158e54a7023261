"""The storage formats, one row each.

To add a format, add a row: its name, what it is called, the layout of one weight matrix, which
tensors it touches, in which dtype it leaves the others, and the source of the layout.
"""

from __future__ import annotations

from collections.abc import Iterable

from weighbridge.errors import RequestError
from weighbridge.formats import ggml, layouts
from weighbridge.formats.format import EVERYTHING, EXPERTS, StorageFormat
from weighbridge.formats.named import (
    AWQ,
    GPTQ,
    HQQ,
    PACKED,
    linear_format,
    named_format,
)

__all__ = ["FORMATS", "StorageFormat", "find_format"]


def _plain(name: str, title: str, bits: int, *aliases: str) -> StorageFormat:
    source = "IEEE 754 / bfloat16: values only"
    return StorageFormat(name, title, layouts.plain(bits), EVERYTHING, bits, source, aliases, bits)


BNB = "bitsandbytes functional.quantize_4bit; measured 4.5000 and 4.1275 bits on 4,096 × 4,096"
CT = "compressed-tensors"
TORCHAO = "torchao quantization/quantize_/workflows"

FORMATS: tuple[StorageFormat, ...] = (
    _plain("fp32", "32-bit floating point", 32, "float32", "float"),
    _plain("bf16", "bfloat16", 16, "bfloat16"),
    _plain("fp16", "16-bit floating point", 16, "float16", "half"),
    linear_format(
        "fp8",
        "8-bit floating point, one scale per output row",
        layouts.fp8_channel,
        "torchao float8 weight-only; measured 8.0078 bits on 4,096 × 4,096",
        "fp8-channel",
        "float8",
        bits=8,
    ),
    linear_format(
        "fp8-tensor",
        "8-bit floating point, one scale per tensor",
        layouts.fp8_tensor,
        "compressed-tensors, strategy tensor",
        bits=8,
    ),
    linear_format(
        "fp8-block",
        "8-bit floating point, one scale per 128 × 128 block",
        layouts.fp8_block,
        "transformers integrations/finegrained_fp8.py: weight_scale_inv in fp32",
        bits=8,
    ),
    linear_format(
        "int8",
        "LLM.int8(): 8-bit integers, one scale per output row",
        layouts.int8_rows,
        "bitsandbytes nn.Int8Params (CB, SCB)",
        "bnb-int8",
        "llm.int8",
        bits=8,
    ),
    linear_format("nf4", "4-bit NormalFloat, blocks of 64", layouts.bnb4(64), BNB, "bnb-nf4"),
    linear_format(
        "nf4-dq",
        "4-bit NormalFloat with double quantization",
        layouts.bnb4_double(64),
        BNB,
        "nf4-double",
        "bnb-nf4-dq",
    ),
    linear_format("fp4", "bitsandbytes 4-bit floating point", layouts.bnb4(64), BNB, "bnb-fp4"),
    linear_format(
        "fp4-dq", "bitsandbytes fp4 with double quantization", layouts.bnb4_double(64), BNB
    ),
    linear_format("int4-g128", "AWQ, groups of 128", layouts.grouped(4, 128), AWQ, "awq", "int4"),
    linear_format("int4-g64", "AWQ, groups of 64", layouts.grouped(4, 64), AWQ),
    linear_format("int4-g32", "AWQ, groups of 32", layouts.grouped(4, 32), AWQ),
    linear_format(
        "gptq-int4",
        "GPTQ 4 bit, groups of 128",
        layouts.grouped(4, 128, group_index=True),
        GPTQ,
        "gptq",
    ),
    linear_format(
        "gptq-int8",
        "GPTQ 8 bit, groups of 128",
        layouts.grouped(8, 128, group_index=True),
        GPTQ,
        bits=8,
    ),
    linear_format("hqq-int4", "HQQ 4 bit, groups of 64", layouts.hqq(4, 64), HQQ, "hqq"),
    linear_format("hqq-int8", "HQQ 8 bit, groups of 64", layouts.hqq(8, 64), HQQ, bits=8),
    linear_format("hqq-int3", "HQQ 3 bit, groups of 64", layouts.hqq(3, 64), HQQ, bits=3),
    linear_format("hqq-int2", "HQQ 2 bit, groups of 64", layouts.hqq(2, 64), HQQ, bits=2),
    linear_format(
        "torchao-int8",
        "torchao int8 weights, a scale and a zero point per output row",
        layouts.scaled_rows(4, 1),
        f"{TORCHAO}/int8: measured 8.0098 bits on 4,096 × 4,096",
        "int8wo",
        bits=8,
    ),
    linear_format(
        "torchao-int4",
        "torchao int4 weights, groups of 128",
        layouts.int4_scaled(128),
        f"{TORCHAO}/int4/int4_tensor.py: qdata, scale, zero_point (read, not measured)",
        "int4wo",
    ),
    linear_format(
        "quanto-int8",
        "Quanto int8 weights, a 16-bit scale per output row",
        layouts.scaled_rows(2),
        "optimum-quanto quantize_weight; measured to the byte",
        bits=8,
    ),
    linear_format(
        "w4a16",
        "compressed-tensors 4-bit weights, groups of 128",
        layouts.packed(4, 128),
        PACKED,
    ),
    linear_format(
        "w8a16",
        "compressed-tensors 8-bit weights, groups of 128",
        layouts.packed(8, 128),
        PACKED,
        bits=8,
    ),
    linear_format(
        "w8a8",
        "compressed-tensors int8, a 16-bit scale per output row",
        layouts.scaled_rows(2),
        f"{CT} int-quantized: weight, weight_scale",
        "int8-channel",
        bits=8,
    ),
    linear_format(
        "fp8-dynamic",
        "compressed-tensors fp8, a 16-bit scale per output row",
        layouts.scaled_rows(2),
        f"{CT} float-quantized: weight, weight_scale",
        "fp8-row",
        bits=8,
    ),
    linear_format(
        "mxfp8",
        "MXFP8: 8-bit values, one 8-bit scale per 32",
        layouts.mxfp8,
        "OCP Microscaling Formats v1.0; torchao MXTensor measured to the byte",
        bits=8,
    ),
    StorageFormat(
        "mxfp4",
        "MXFP4 experts: 4-bit values, one 8-bit scale per 32",
        layouts.microscaled(32, tensor_scale=False),
        EXPERTS,
        16,
        "OCP Microscaling Formats v1.0; gpt-oss stores its experts so",
    ),
    linear_format(
        "nvfp4",
        "NVFP4: 4-bit values, one fp8 scale per 16",
        layouts.microscaled(16, tensor_scale=True),
        "NVIDIA ModelOpt NVFP4: weight, weight_scale, weight_scale_2",
    ),
    linear_format(
        "fp8-block-ct",
        "compressed-tensors fp8, a 16-bit scale per 128 × 128 block",
        layouts.fp8_block_half,
        f"{CT} float-quantized, strategy block",
        bits=8,
    ),
    linear_format(
        "w4a8",
        "compressed-tensors 4-bit weights for 8-bit inputs, a byte each",
        layouts.unpacked_groups(128),
        f"{CT} int-quantized: weight stays int8",
        bits=8,
    ),
    linear_format(
        "mxfp4-ct",
        "MXFP4 for every linear layer",
        layouts.microscaled(32, tensor_scale=False),
        f"{CT} mxfp4-pack-quantized: weight_packed, weight_scale",
        "mxfp4-pack-quantized",
    ),
    linear_format(
        "nvfp4-ct",
        "compressed-tensors NVFP4, with a scale for the inputs too",
        layouts.nvfp4_packed,
        f"{CT} nvfp4-pack-quantized",
        "nvfp4-pack-quantized",
    ),
    *ggml.TYPES,
    *ggml.MIXTURES,
)


def find_format(name: str) -> StorageFormat:
    """The format of this name or alias, whatever its case; a miss lists close names."""
    wanted = name.strip().lower().replace("_", "-")
    for each in FORMATS:
        if wanted in {each.name.replace("_", "-"), *each.aliases}:
            return each
    named = named_format(wanted)
    if named is not None:
        return named
    raise RequestError(
        f"weight format {name!r} is not known; {_suggestion(wanted, (f.name for f in FORMATS))}"
    )


def _suggestion(wanted: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    everything = list(names)
    close = get_close_matches(wanted, everything, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}" if close else f"known are {', '.join(everything)}"
