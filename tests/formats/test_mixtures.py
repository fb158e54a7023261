"""The mixtures of llama.cpp against its own ``llama-quantize --dry-run``, and rule by rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import gguf_models
from gguf_files import write
from weighbridge.formats import find_format
from weighbridge.formats.ggml import GgmlFormat, category_of
from weighbridge.formats.mixtures import BASE, Made, Place, type_of
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model.facts import Model, Parameter
from weighbridge.model.ggml import GGML
from weighbridge.model.load import load_model

# ggml-org/llama.cpp@0c1e57098, llama-quantize --dry-run, no importance matrix; MiB of tensors.
DRY_RUN = {
    "q8_0": 8137.64,
    "q6_k": 6282.97,
    "q5_k_m": 5459.93,
    "q4_k_m": 4685.30,
    "q4_k_s": 4467.80,
    "q4_0": 4437.80,
    "iq4_xs": 4269.15,
    "q3_k_m": 3825.27,
    "q2_k": 3024.38,
}
ROPE_FREQS = 64 * 4  # a table in the file that is no parameter


def total(model: Model, name: str) -> int:
    """Bytes of all tensors, each under its full name."""
    storage = find_format(name).for_model(model)
    size = sum(storage.bytes_of(parameter) for parameter in model.outer)
    for index, layer in enumerate(model.layers):
        for each in layer.parameters:
            named = replace(each, name=f"{model.layer_prefix}{index}.{each.name}")
            size += storage.bytes_of(named)
    return size


@pytest.mark.parametrize(("name", "mib"), DRY_RUN.items())
def test_llama_31_8b_from_its_config(name: str, mib: float) -> None:
    found = total(load_model("llama-3.1-8b"), name) + ROPE_FREQS
    assert round(found / 2**20, 2) == mib


@pytest.mark.parametrize(("name", "mib"), DRY_RUN.items())
def test_llama_31_8b_from_a_gguf_file(tmp_path: Path, name: str, mib: float) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.llama_31_8b())
    found = total(load_model(str(path)), name) + ROPE_FREQS
    assert round(found / 2**20, 2) == mib


@pytest.mark.parametrize("name", ["q4_k_m", "q8_0", "iq2_m", "q3_k_l", "mxfp4_moe", "q6_k"])
@pytest.mark.parametrize(
    ("of_file", "of_config"),
    [(gguf_models.qwen3_30b(), "qwen3-30b-a3b"), (gguf_models.deepseek_v3(), "deepseek-v3")],
)
def test_a_file_and_a_config_come_to_the_same(
    tmp_path: Path, of_file: tuple, of_config: str, name: str
) -> None:
    model = load_model(str(write(tmp_path / "model.gguf", *of_file)))
    assert total(model, name) == total(load_model(of_config), name)


def test_a_mixture_of_experts() -> None:
    assert round(total(load_model("qwen3-30b-a3b"), "q4_k_m") / 2**20, 2) == 17691.34


def test_the_f16_file(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", *gguf_models.llama_31_8b())
    stored = load_model(str(path)).stored
    assert stored is not None
    assert stored.total_bytes == 16_061_055_232


def test_without_layers_in_names_the_mean_is_taken() -> None:
    model = load_model("llama-3.1-8b")
    storage = find_format("q4_k_m").for_model(model)
    grouped = weigh_parameters(model.every_parameter(), storage).total
    assert grouped == total(model, "q4_k_m")


@pytest.mark.parametrize("file", BASE)
@pytest.mark.parametrize("columns", [4096, 2880, 100])
def test_every_rule_gives_a_type_that_fits(file: str, columns: int) -> None:
    for experts in (1, 8, 128):
        for tied in (False, True):
            made = Made(80, 8, experts, tied, seventy=True, imatrix=experts == 8)
            for category in ("output", "embedding", "v", "k", "q", "o", "up", "gate", "down"):
                for layer in (0, 5, 40, 79):
                    place = Place(category, layer, columns, experts > 1, made)  # type: ignore[arg-type]
                    kind = GGML[type_of(file, place)]
                    assert columns % kind.block == 0 or BASE[file] in {"F16", "F32", "BF16"}


@pytest.mark.parametrize(
    ("file", "category", "layer", "kind"),
    [
        ("Q4_K_M", "v", 0, "Q6_K"),
        ("Q4_K_M", "v", 4, "Q4_K"),
        ("Q4_K_M", "v", 6, "Q6_K"),
        ("Q4_K_M", "down", 31, "Q6_K"),
        ("Q4_K_M", "output", 0, "Q6_K"),
        ("Q4_K_M", "embedding", 0, "Q4_K"),
        ("Q3_K_L", "o", 9, "Q5_K"),
        ("Q3_K_M", "v", 1, "Q5_K"),
        ("Q3_K_M", "v", 2, "Q4_K"),
        ("Q3_K_M", "down", 1, "Q5_K"),
        ("Q3_K_M", "down", 2, "Q4_K"),
        ("Q4_K_S", "v", 3, "Q5_K"),
        ("Q4_K_S", "v", 4, "Q4_K"),
        ("IQ2_S", "q", 9, "IQ2_XS"),
        ("IQ2_M", "v", 9, "Q4_K"),
        ("IQ1_S", "embedding", 0, "Q2_K"),
        ("IQ1_S", "output", 0, "Q5_K"),
        ("IQ3_XS", "gate", 9, "IQ3_XXS"),
        ("IQ3_XS", "gate", 0, "IQ3_S"),
        ("MXFP4_MOE", "q", 0, "Q8_0"),
        ("TQ1_0", "embedding", 0, "Q4_K"),
        ("Q8_0", "output", 0, "Q8_0"),
    ],
)
def test_rules(file: str, category: str, layer: int, kind: str) -> None:
    place = Place(category, layer, 4096, False, Made(32, 4, 1, False))  # type: ignore[arg-type]
    assert type_of(file, place) == kind


def test_eight_experts_keep_keys_and_values_in_8_bit() -> None:
    made = Made(32, 4, 8, False)
    for category in ("k", "v"):
        assert type_of("Q4_K_M", Place(category, 9, 4096, False, made)) == "Q8_0"  # type: ignore[arg-type]
    assert type_of("Q4_K_M", Place("o", 9, 4096, False, made)) == "Q5_K"


def test_narrow_rows_fall_back() -> None:
    made = Made(24, 8, 32, False)
    for file, kind in {
        "Q4_K_S": "Q5_0",
        "Q6_K": "Q8_0",
        "IQ4_XS": "IQ4_NL",
        "Q2_K": "Q4_0",
    }.items():
        assert type_of(file, Place("q", 9, 2880, False, made)) == kind
    assert type_of("Q4_K_M", Place("q", 9, 100, False, made)) == "F16"


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v3", "gpt-oss-20b"])
def test_every_matrix_of_a_model_has_a_category(name: str) -> None:
    known = {"self_attn.q_a_proj.weight", "self_attn.q_b_proj.weight"}
    known |= {"self_attn.kv_a_proj_with_mqa.weight", "self_attn.kv_b_proj.weight"}
    for parameter, _ in load_model(name).every_parameter():
        if parameter.role in {"linear", "expert"} and parameter.name not in known:
            assert category_of(parameter) != "other", parameter.name


def test_one_tensor_by_itself_takes_the_type() -> None:
    weight = Parameter("w.weight", (4096, 4096), "linear")
    for name, kind in {"iq2_s": "IQ2_S", "q4_k": "Q4_K", "q2_k": "Q2_K"}.items():
        found = find_format(name)
        assert isinstance(found, GgmlFormat)
        assert found.bytes_of(weight) == GGML[kind].bytes_of(4096 * 4096)
