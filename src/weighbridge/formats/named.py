"""Formats whose names carry numbers: ``gptq-int3-g64``, ``hqq-int4-g64``, ``exl3-4.25bpw``.

Each is one pattern and one function from its numbers to a row; the plainest of them stand in the
table by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from weighbridge.formats import layouts
from weighbridge.formats.format import HEAD_TOO, LINEAR, StorageFormat

AWQ = "AutoAWQ modules/linear/gemm.py: qweight, qzeros, scales"
GPTQ = "AutoGPTQ nn_modules/qlinear: qweight, qzeros, scales, g_idx"
STATIC = "vLLM layers/quantization/gptq.py: without act-order g_idx is dropped after loading"
HQQ = (
    "hqq core/quantize.py HQQLinear: W_q, scale and zero in the compute type; measured to the byte"
)
PACKED = "compressed-tensors pack-quantized: weight_packed, weight_scale, weight_shape"
EXL3 = "exllamav3 modules/quant/exl3.py: trellis, suh, svh; head of 6 bits, embedding in 16"
EXL2 = "exllamav2: the stated average counts scales; head of 6 bits, embedding in 16"
HEAD_BITS = 6
WHOLE_ROW = 2**30


def named_format(name: str) -> StorageFormat | None:
    """The format that a name with numbers in it means, or None where it is no such name."""
    for pattern, make in _PATTERNS:
        found = re.fullmatch(pattern, name)
        if found is not None:
            return make(name, *found.groups(default=""))
    return None


def linear_format(
    name: str, title: str, layout: layouts.Layout, source: str, *aliases: str, bits: int = 4
) -> StorageFormat:
    """A format of the linear layers and experts that leaves everything else in 16 bit."""
    return StorageFormat(name, title, layout, LINEAR, 16, source, aliases, bits)


def _group(text: str) -> tuple[int, str]:
    """The group's size, and how it is called; none means the whole row."""
    size = int(text or "128")
    return (size, f"groups of {size}") if size > 0 else (WHOLE_ROW, "one group per row")


def _gptq(name: str, bits: str, group: str, static: str) -> StorageFormat:
    size, called = _group(group)
    layout = layouts.grouped(int(bits), size, group_index=not static)
    title = f"GPTQ {bits} bit, {called}" + (", without act-order as vLLM holds it" * bool(static))
    return linear_format(name, title, layout, STATIC if static else GPTQ, bits=int(bits))


def _awq(name: str, bits: str, group: str) -> StorageFormat:
    size, called = _group(group)
    layout = layouts.grouped(int(bits), size)
    return linear_format(name, f"AWQ {bits} bit, {called}", layout, AWQ, bits=int(bits))


def _hqq(name: str, bits: str, group: str) -> StorageFormat:
    size = int(group or "64")
    title = f"HQQ {bits} bit, groups of {size}"
    return linear_format(name, title, layouts.hqq(int(bits), size), HQQ, bits=int(bits))


def _packed(name: str, bits: str, group: str, zeros: str) -> StorageFormat:
    size, called = _group(group)
    layout = layouts.packed(int(bits), size, zeros=bool(zeros))
    title = f"compressed-tensors {bits}-bit weights, {called}{zeros and ', asymmetric'}"
    return linear_format(name, title, layout, PACKED, bits=int(bits))


def _exl(name: str, version: str, bits: str) -> StorageFormat:
    of = layouts.trellis if version == "3" else layouts.average
    average = float(bits)
    return StorageFormat(
        name,
        f"EXL{version} at {bits} bits per weight, head of {HEAD_BITS}",
        of(average),
        HEAD_TOO,
        16,
        EXL3 if version == "3" else EXL2,
        value_bits=int(average),
        head=of(HEAD_BITS),
    )


_PATTERNS: tuple[tuple[str, Callable[..., StorageFormat]], ...] = (
    (r"gptq-int([2348])(?:-g(-1|32|64|128|256|1024))?(-static)?", _gptq),
    (r"(?:awq-)?int(4)-g(-1|32|64|128)", _awq),
    (r"hqq-int([12348])(?:-g(8|16|32|64|128|256))?", _hqq),
    (r"w([48])a16(?:-g(-1|32|64|128))?(-asym)?", _packed),
    (r"exl([23])-([1-8](?:\.\d{1,2})?)(?:bpw)?", _exl),
)
