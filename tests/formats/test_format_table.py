"""Storage formats against what the libraries really allocate."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.errors import ConfigError, RequestError
from weighbridge.formats import FORMATS, find_format
from weighbridge.formats.stated import stated_format
from weighbridge.model.facts import Parameter

WEIGHT = Parameter("w", (4096, 4096), "linear")
N = 4096 * 4096

# Measured on a 4,096 × 4,096 weight with the libraries themselves (bits per weight), or tabulated.
BITS = {
    "fp32": 32,
    "bf16": 16,
    "nf4": 4.5000,
    "fp4": 4.5000,
    "nf4-dq": 4.1275,
    "int8": 8 + 32 / 4096,
    "fp8": 8.0078,
    "fp8-block": 8 + 32 / 128**2,
    "int4-g128": 4.15625,
    "mxfp4": 4.25,
    "nvfp4": 4.5,
    "q8_0": 8.5,
    "q4_0": 4.5,
    "q6_k": 6.5625,
}


@pytest.mark.parametrize(("name", "bits"), BITS.items(), ids=BITS)
def test_bits_per_weight(name: str, bits: float) -> None:
    role = "expert" if name == "mxfp4" else "linear"
    weight = Parameter("w", (4096, 4096), role)  # type: ignore[arg-type]
    assert find_format(name).bytes_of(weight) * 8 / N == pytest.approx(bits, abs=6e-5)


def test_a_tensor_of_i_quants() -> None:
    assert find_format("iq2_s").bytes_of(WEIGHT) == 5_373_952


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_every_format_has_a_source_and_a_unique_name(each: Any) -> None:
    assert each.source
    assert find_format(each.name) is each
    assert all(find_format(alias) is each for alias in each.aliases)
    assert each.bytes_of(Parameter("b", (7,), "bias")) == -(-7 * each.rest_bits // 8)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("shape", [(4096, 4096), (11008, 4096), (384, 1536), (129, 64)])
def test_bitsandbytes_packs_as_we_say(kind: str, double: bool, shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="needs the [trace] extra")
    functional = pytest.importorskip("bitsandbytes.functional", reason="needs bitsandbytes")
    weight = torch.randn(shape, dtype=torch.float32)
    packed, state = functional.quantize_4bit(
        weight, blocksize=64, quant_type=kind, compress_statistics=double
    )
    tensors = [packed, state.absmax, state.code]
    if double:
        tensors += [state.state2.absmax, state.state2.code, state.offset]
    real = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    name = f"{kind}-dq" if double else kind
    assert find_format(name).bytes_of(Parameter("w", shape, "linear")) == real


STATED = [
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block"),
    ({"quant_method": "fp8"}, "fp8-tensor"),
    ({"quant_method": "mxfp4"}, "mxfp4"),
    ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4-g128"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq-int4"),
    ({"quant_method": "gptq", "bits": 8, "group_size": 32}, "gptq-int8-g32"),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "int8"),
    (
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
        "nf4",
    ),
    (
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
        },
        "nf4-dq",
    ),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
]


@pytest.mark.parametrize(("stated", "name"), STATED, ids=[s[1] for s in STATED])
def test_what_a_checkpoint_says_of_itself(stated: dict[str, Any], name: str) -> None:
    assert stated_format(stated, "test").name == name


@pytest.mark.parametrize(
    "stated",
    [{}, {"quant_method": "magic"}, {"quant_method": "gptq", "bits": 7},
     {"quant_method": "awq", "group_size": "all"}, {"quant_method": "compressed-tensors"}],
    ids=str,
)  # fmt: skip
def test_unknown_quantization_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="test: "):
        stated_format(stated, "test")


def test_a_miss_suggests() -> None:
    with pytest.raises(RequestError, match="did you mean bf16"):
        find_format("bf17")
