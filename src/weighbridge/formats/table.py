"""The storage formats, one row each.

To add a format, add a row: its name, what it is called, the layout of one weight matrix, which
tensors it touches, in which dtype it leaves the others, and the source of the layout.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.formats import layouts
from weighbridge.formats.layouts import Layout
from weighbridge.model.facts import Parameter, Role

EVERYTHING: frozenset[Role] = frozenset(
    {"embedding", "head", "linear", "expert", "router", "norm", "bias", "other"}
)
LINEAR: frozenset[Role] = frozenset({"linear", "expert"})
MATRICES: frozenset[Role] = frozenset({"linear", "expert", "embedding", "head"})
EXPERTS: frozenset[Role] = frozenset({"expert"})


class StorageFormat(NamedTuple):
    """A way to store weights.

    ``layout`` gives the bytes of a (rows, columns) matrix; ``touches`` are the roles that it
    stores so; everything else is kept in ``rest_bits`` per element; ``value_bits`` is the width of
    a value without its scales.
    """

    name: str
    title: str
    layout: Layout
    touches: frozenset[Role]
    rest_bits: int
    source: str
    aliases: tuple[str, ...] = ()
    value_bits: int = 16

    def stores(self, parameter: Parameter) -> bool:
        """Whether this parameter is stored in the format rather than left in 16 bit."""
        return parameter.role in self.touches and (
            self.touches is EVERYTHING or len(parameter.shape) >= 2
        )

    def bytes_of(self, parameter: Parameter) -> int:
        """Exact bytes of the parameter with all its copies."""
        if not self.stores(parameter):
            return -(-parameter.elements * self.rest_bits // 8)
        *stack, rows, columns = (1, *parameter.shape) if parameter.shape else (1, 1)
        return self.layout(rows, columns) * prod(stack) * parameter.copies

    def value_bytes(self, parameter: Parameter) -> int:
        """Bytes of the largest tensor that stores it: the values, without scales beside them."""
        bits = self.value_bits if self.stores(parameter) else self.rest_bits
        return -(-parameter.elements * bits // 8)

    @property
    def bits_per_weight(self) -> float:
        """Bits per weight of a large matrix that the format touches, scales included."""
        return self.layout(16384, 16384) * 8 / 16384**2


def _plain(name: str, title: str, bits: int, *aliases: str) -> StorageFormat:
    source = "IEEE 754 / bfloat16: values only"
    return StorageFormat(name, title, layouts.plain(bits), EVERYTHING, bits, source, aliases, bits)


def _linear(
    name: str, title: str, layout: Layout, source: str, *aliases: str, bits: int = 4
) -> StorageFormat:
    return StorageFormat(name, title, layout, LINEAR, 16, source, aliases, bits)


def _ggml(name: str, values: int, size: int) -> StorageFormat:
    source = f"ggml-common.h: blocks of {values} values in {size} bytes"
    title = f"ggml {name.upper()}"
    return StorageFormat(name, title, layouts.blocks(values, size), MATRICES, 32, source)


BNB = "bitsandbytes functional.quantize_4bit; measured 4.5000 and 4.1275 bits on 4,096 × 4,096"
GPTQ = "AutoGPTQ nn_modules/qlinear: qweight, qzeros, scales, g_idx"
AWQ = "AutoAWQ modules/linear/gemm.py: qweight, qzeros, scales"

FORMATS: tuple[StorageFormat, ...] = (
    _plain("fp32", "32-bit floating point", 32, "float32", "float"),
    _plain("bf16", "bfloat16", 16, "bfloat16"),
    _plain("fp16", "16-bit floating point", 16, "float16", "half"),
    _linear(
        "fp8",
        "8-bit floating point, one scale per output row",
        layouts.fp8_channel,
        "torchao float8 weight-only; measured 8.0078 bits on 4,096 × 4,096",
        "fp8-channel",
        "float8",
        bits=8,
    ),
    _linear(
        "fp8-tensor",
        "8-bit floating point, one scale per tensor",
        layouts.fp8_tensor,
        "compressed-tensors, strategy tensor",
        bits=8,
    ),
    _linear(
        "fp8-block",
        "8-bit floating point, one scale per 128 × 128 block",
        layouts.fp8_block,
        "transformers integrations/finegrained_fp8.py: weight_scale_inv in fp32",
        bits=8,
    ),
    _linear(
        "int8",
        "LLM.int8(): 8-bit integers, one scale per output row",
        layouts.int8_rows,
        "bitsandbytes nn.Int8Params (CB, SCB)",
        "bnb-int8",
        "llm.int8",
        bits=8,
    ),
    _linear("nf4", "4-bit NormalFloat, blocks of 64", layouts.bnb4(64), BNB, "bnb-nf4"),
    _linear(
        "nf4-dq",
        "4-bit NormalFloat with double quantization",
        layouts.bnb4_double(64),
        BNB,
        "nf4-double",
        "bnb-nf4-dq",
    ),
    _linear("fp4", "bitsandbytes 4-bit floating point", layouts.bnb4(64), BNB, "bnb-fp4"),
    _linear("fp4-dq", "bitsandbytes fp4 with double quantization", layouts.bnb4_double(64), BNB),
    _linear("int4-g128", "AWQ, groups of 128", layouts.grouped(4, 128), AWQ, "awq", "int4"),
    _linear("int4-g64", "AWQ, groups of 64", layouts.grouped(4, 64), AWQ),
    _linear("int4-g32", "AWQ, groups of 32", layouts.grouped(4, 32), AWQ),
    _linear(
        "gptq-int4",
        "GPTQ 4 bit, groups of 128",
        layouts.grouped(4, 128, group_index=True),
        GPTQ,
        "gptq",
    ),
    _linear(
        "gptq-int8",
        "GPTQ 8 bit, groups of 128",
        layouts.grouped(8, 128, group_index=True),
        GPTQ,
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
    _linear(
        "nvfp4",
        "NVFP4: 4-bit values, one fp8 scale per 16",
        layouts.microscaled(16, tensor_scale=True),
        "NVIDIA ModelOpt NVFP4: weight, weight_scale, weight_scale_2",
    ),
    _ggml("q4_0", 32, 18),
    _ggml("q4_1", 32, 20),
    _ggml("q5_0", 32, 22),
    _ggml("q5_1", 32, 24),
    _ggml("q8_0", 32, 34),
    _ggml("q2_k", 256, 84),
    _ggml("q3_k", 256, 110),
    _ggml("q4_k", 256, 144),
    _ggml("q5_k", 256, 176),
    _ggml("q6_k", 256, 210),
    _ggml("q8_k", 256, 292),
    _ggml("iq1_s", 256, 50),
    _ggml("iq1_m", 256, 56),
    _ggml("iq2_xxs", 256, 66),
    _ggml("iq2_xs", 256, 74),
    _ggml("iq2_s", 256, 82),
    _ggml("iq3_xxs", 256, 98),
    _ggml("iq3_s", 256, 110),
    _ggml("iq4_nl", 32, 18),
    _ggml("iq4_xs", 256, 136),
    _ggml("tq1_0", 256, 54),
    _ggml("tq2_0", 256, 66),
)


def find_format(name: str) -> StorageFormat:
    """The format of this name or alias, whatever its case; a miss lists close names."""
    wanted = name.strip().lower().replace("_", "-")
    for each in FORMATS:
        if wanted in {each.name.replace("_", "-"), *each.aliases}:
            return each
    raise RequestError(
        f"weight format {name!r} is not known; {_suggestion(wanted, (f.name for f in FORMATS))}"
    )


def _suggestion(wanted: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    everything = list(names)
    close = get_close_matches(wanted, everything, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}" if close else f"known are {', '.join(everything)}"
