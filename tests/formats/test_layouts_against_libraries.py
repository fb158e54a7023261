"""Every layout against tensors that the library itself packed; what is not installed is skipped."""

from __future__ import annotations

from typing import Any

import pytest

from weighbridge.formats import find_format
from weighbridge.model.facts import Parameter

SHAPES = [(256, 512), (384, 1152)]


def ours(name: str, rows: int, columns: int) -> int:
    return find_format(name).bytes_of(Parameter("w.weight", (rows, columns), "linear"))


def size(*tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def inner(tensor: Any) -> int:
    """Bytes of a tensor subclass: of the tensors that it is made of."""
    if not hasattr(tensor, "__tensor_flatten__"):
        return size(tensor)
    names, _ = tensor.__tensor_flatten__()
    return sum(inner(getattr(tensor, name)) for name in names)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "kind", "double"),
    [
        ("nf4", "nf4", False),
        ("fp4", "fp4", False),
        ("nf4-dq", "nf4", True),
        ("fp4-dq", "fp4", True),
    ],
)
def test_bitsandbytes_4bit(shape: tuple[int, int], name: str, kind: str, double: bool) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    packed, state = functional.quantize_4bit(
        torch.randn(shape, dtype=torch.bfloat16),
        blocksize=64,
        quant_type=kind,
        compress_statistics=double,
    )
    beside = [state.absmax, state.code]
    if double:
        beside += [state.state2.absmax, state.state2.code, state.offset.reshape(1)]
    assert ours(name, *shape) == size(packed, *beside)


@pytest.mark.parametrize("shape", SHAPES)
def test_bitsandbytes_int8(shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes.functional")
    values, scales, _ = functional.int8_vectorwise_quant(torch.randn(shape, dtype=torch.float16))
    assert ours("int8", *shape) == size(values, scales)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "config"),
    [("torchao-int8", "Int8WeightOnlyConfig"), ("fp8", "Float8WeightOnlyConfig")],
)
def test_torchao(shape: tuple[int, int], name: str, config: str) -> None:
    torch = pytest.importorskip("torch")
    quantization = pytest.importorskip("torchao.quantization")
    layer = torch.nn.Sequential(torch.nn.Linear(shape[1], shape[0], bias=False)).bfloat16()
    quantization.quantize_(layer, getattr(quantization, config)())
    assert ours(name, *shape) == inner(layer[0].weight)


@pytest.mark.parametrize("shape", SHAPES)
def test_torchao_microscaled(shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    weight = torch.randn(shape).bfloat16()
    assert ours("mxfp8", *shape) == inner(mx.MXTensor.to_mx(weight, torch.float8_e4m3fn, 32))
    four = mx.MXTensor.to_mx(weight, torch.float4_e2m1fn_x2, 32)
    assert ours("mxfp4-ct", *shape) == inner(four)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [8, 4, 3, 2, 1])
@pytest.mark.parametrize("group", [64, 128])
def test_hqq(shape: tuple[int, int], bits: int, group: int) -> None:
    torch = pytest.importorskip("torch")
    hqq = pytest.importorskip("hqq.core.quantize")
    layer = hqq.HQQLinear(
        torch.nn.Linear(shape[1], shape[0], bias=False),
        hqq.BaseQuantizeConfig(nbits=bits, group_size=group),
        compute_dtype=torch.bfloat16,
        device="cpu",
    )
    beside = [value for value in layer.meta.values() if isinstance(value, torch.Tensor)]
    assert ours(f"hqq-int{bits}-g{group}", *shape) == size(layer.W_q, *beside)


@pytest.mark.parametrize("shape", SHAPES)
def test_quanto(shape: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    quanto = pytest.importorskip("optimum.quanto")
    weight = torch.randn(shape).bfloat16()
    scale = quanto.AbsmaxOptimizer()(weight, quanto.qint8, 0)
    found = quanto.quantize_weight(weight, quanto.qint8, 0, scale, optimized=False)
    assert ours("quanto-int8", *shape) == size(found._data, found._scale)


@pytest.mark.parametrize("shape", [(256, 512), (384, 1152)])
@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("w4a16", "W4A16"),
        ("w4a16-g128-asym", "W4A16_ASYM"),
        ("w8a16", "W8A16"),
        ("w8a8", "W8A8"),
        ("w4a8", "W4A8"),
        ("fp8-dynamic", "FP8_DYNAMIC"),
        ("fp8-tensor", "FP8"),
        ("fp8-block-ct", "FP8_BLOCK"),
        ("nvfp4-ct", "NVFP4"),
        ("nvfp4", "NVFP4A16"),
        ("mxfp4-ct", "MXFP4"),
        ("mxfp8", "MXFP8"),
    ],
)
def test_compressed_tensors(shape: tuple[int, int], name: str, scheme: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("compressed_tensors")
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config

    model = torch.nn.Sequential(torch.nn.Linear(shape[1], shape[0], bias=False)).bfloat16()
    config = QuantizationConfig(config_groups={scheme: ["Linear"]}, quantization_status="frozen")
    apply_quantization_config(model, config)
    for key, parameter in model.named_parameters():
        if "scale" in key:
            parameter.data.fill_(1)
    ModelCompressor.from_pretrained_model(model).compress_model(model)
    assert ours(name, *shape) == size(*model.state_dict().values())


@pytest.mark.parametrize("kind", ["Q4_0", "Q5_1", "Q8_0", "BF16", "TQ1_0", "TQ2_0", "MXFP4"])
def test_ggml(kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    gguf = pytest.importorskip("gguf")
    weight = numpy.random.default_rng(0).standard_normal((256, 512), dtype=numpy.float32)
    packed = gguf.quantize(weight, gguf.GGMLQuantizationType[kind])
    name = {"BF16": "bf16", "MXFP4": "ggml-mxfp4"}.get(kind, kind.lower())
    assert ours(name, 256, 512) == packed.nbytes
