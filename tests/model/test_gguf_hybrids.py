"""GGUF files of state spaces, hybrids, chunks and shared caches → facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import gguf_hybrids
import gguf_models
from gguf_files import write
from weighbridge.errors import ConfigError
from weighbridge.memory.cache import cache_elements
from weighbridge.model.facts import Model
from weighbridge.model.load import load_model

BUFFERS = ("rope_", "exp_probs_b")


def made(folder: Path, file: gguf_hybrids.File, **changed: Any) -> Model:
    metadata, tensors = file
    architecture = metadata["general.architecture"]
    for key, value in changed.items():
        metadata[f"{architecture}.{key.replace('__', '.')}"] = value
    return load_model(str(write(folder / "model.gguf", metadata, tensors)))


def remembered(model: Model) -> tuple[int, int]:
    """Cache elements of 32,768 tokens, and elements of the states."""
    groups = model.layer_groups()
    states = sum(count * state.elements for layer, count in groups for state in layer.mixer.state)
    return cache_elements(groups, 32_768), states


class Known(NamedTuple):
    """A file, the catalogue's name of the model, and parameters that only the file holds."""

    file: Callable[[], gguf_hybrids.File]
    name: str
    more: int = 0


# Gemma 3n: keys, values and norms of the 15 layers that never use them, and 256 rows of padding of
# the per-layer embedding. Gemma 4: a factor per layer, a buffer in the checkpoint. RWKV-7: the
# first layer's value residual, which it has nothing to mix with.
KNOWN = {
    "falcon-h1-7b": Known(gguf_hybrids.falcon_h1_7b, "falcon-h1-7b"),
    "gemma-3n-e4b": Known(
        gguf_hybrids.gemma_3n_e4b,
        "gemma-3n-e4b",
        15 * (2 * 2048 * 512 + 256) + 256 * 256 * 35,
    ),
    "gemma-4-e2b": Known(gguf_hybrids.gemma_4_e2b, "gemma-4-e2b", 35),
    "granite-4.0-h-tiny": Known(gguf_hybrids.granite_40_h_tiny, "granite-4-h-tiny"),
    "jamba-mini": Known(gguf_hybrids.jamba_mini, "jamba-mini"),
    "kimi-linear": Known(gguf_hybrids.kimi_linear_48b, "kimi-linear"),
    "lfm2-1.2b": Known(gguf_hybrids.lfm2_12b, "LiquidAI/LFM2-1.2B"),
    "lfm2-8b-a1b": Known(gguf_hybrids.lfm2_8b, "LiquidAI/LFM2-8B-A1B"),
    "llama-4-scout": Known(gguf_hybrids.llama_4_scout, "llama-4-scout"),
    "mamba-2.8b": Known(gguf_hybrids.mamba_28b, "mamba-2.8b"),
    "minimax-text-01": Known(gguf_hybrids.minimax_text_01, "minimax-01"),
    "nemotron-h-8b": Known(gguf_hybrids.nemotron_h_8b, "nemotron-h-8b"),
    "qwen3-next-80b": Known(gguf_hybrids.qwen3_next_80b, "qwen3-next"),
    "rwkv7-1.5b": Known(gguf_hybrids.rwkv7_15b, "rwkv7", 2048 + 2 * 2048 * 64),
}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_a_file_and_a_config_of_one_model_agree(tmp_path: Path, known: Known) -> None:
    found, config = made(tmp_path, known.file()), load_model(known.name)
    beside = config.towers_elements
    assert found.parameters == config.parameters - beside + known.more
    assert found.active_parameters == config.active_parameters - beside + known.more
    assert remembered(found) == remembered(config)
    assert found.family == config.family
    assert (found.hidden, found.vocab, found.tied) == (config.hidden, config.vocab, config.tied)


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_parameters_are_those_of_the_header(tmp_path: Path, known: Known) -> None:
    found = made(tmp_path, known.file())
    assert found.stored is not None
    held = {each.name: each.shape for each in found.stored}
    named = {name: size for name, size in held.items() if not any(b in name for b in BUFFERS)}
    assert dict(found.named_parameters()) == named


def test_mamba2_holds_its_published_count(tmp_path: Path) -> None:
    found = made(tmp_path, gguf_hybrids.mamba2_27b())
    assert found.parameters == 2_702_599_680
    assert remembered(found) == (0, 64 * (4 * 5376 + 128 * 5120))


def test_layers_that_attend_to_nothing(tmp_path: Path) -> None:
    found = made(tmp_path, gguf_hybrids.nemotron_super_sketch())
    assert [bool(layer.mixer.cache) for layer in found.layers] == [True, False, False]
    assert remembered(found) == (32_768 * 2 * 1024, 0)


def test_layers_that_keep_a_state_may_be_listed(tmp_path: Path) -> None:
    listed = made(tmp_path, gguf_hybrids.qwen3_next_80b(listed=True))
    assert remembered(listed) == remembered(made(tmp_path, gguf_hybrids.qwen3_next_80b()))


@pytest.mark.parametrize(
    ("keys", "chunked"),
    [
        ({}, 36),
        ({"attention__sliding_window": 1024}, 36),
        ({"attention__sliding_window": 0}, 0),
        ({"attention__sliding_window_pattern": [True] * 48}, 48),
    ],
    ids=["absent", "stated", "none", "listed"],
)
def test_chunks_of_llama_4(tmp_path: Path, keys: dict[str, Any], chunked: int) -> None:
    found = made(tmp_path, gguf_hybrids.llama_4_scout(), **keys)
    windows = Counter(layer.mixer.cache[0].window for layer in found.layers)
    assert windows[8192] == chunked
    assert windows[None] == 48 - chunked


TINY: dict[str, Any] = {
    **{"hidden": 256, "heads": 8, "kv_heads": 4},
    **{"head_dim": 32, "intermediate": 512, "vocab": 1000},
}


@pytest.mark.parametrize(
    ("architecture", "layers", "keys", "windows"),
    [
        ("exaone4", 64, {}, [4096, 4096, 4096, None]),
        ("exaone4", 30, {"attention__sliding_window": 4096}, [None] * 4),
        ("smallthinker", 8, {"attention__sliding_window": 128}, [None, 4096, 4096, 4096]),
        ("smallthinker", 8, {}, [None] * 4),
        ("laguna", 8, {"attention__sliding_window": 512}, [None, 512, 512, 512]),
        ("plamo3", 8, {"attention__sliding_window": 2048}, [2048] * 4),
    ],
)
def test_windows_by_architecture(
    tmp_path: Path, architecture: str, layers: int, keys: dict[str, Any], windows: list[int | None]
) -> None:
    found = made(tmp_path, gguf_models.model(architecture, layers=layers, **TINY, **keys))
    assert [layer.mixer.cache[0].window for layer in found.layers[:4]] == windows


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (gguf_hybrids.mamba2_27b, {"ssm__state_size": 64}, "blk.0.ssm_conv1d.weight is not"),
        (gguf_hybrids.mamba2_27b, {"ssm__conv_kernel": 5}, "a kernel of 5"),
        (gguf_hybrids.mamba2_27b, {"ssm__time_step_rank": 7}, "does not divide"),
        (gguf_hybrids.mamba2_27b, {"ssm__inner_size": 0}, "inner_size"),
        (gguf_hybrids.jamba_mini, {"attention__head_count_kv": 8}, "no attention tensors"),
        (gguf_hybrids.jamba_mini, {"attention__head_count_kv": [0] * 32}, "blk.4.ssm_conv1d"),
        (gguf_hybrids.jamba_mini, {"attention__head_count_kv": [0] * 3}, "none for layer 3"),
        (gguf_hybrids.qwen3_next_80b, {"ssm__group_count": 5}, "of 5 key heads"),
        (gguf_hybrids.qwen3_next_80b, {"full_attention_interval": 0}, "full_attention_interval"),
        (gguf_hybrids.qwen3_next_80b, {"attention__recurrent_layers": 3}, "is not a list"),
        (gguf_hybrids.qwen3_next_80b, {"attention__recurrent_layers": [True]}, "layer 1"),
        (gguf_hybrids.lfm2_12b, {"shortconv__l_cache": 4}, "shortconv.conv.weight is not"),
        (gguf_hybrids.kimi_linear_48b, {"kda__head_dim": 64}, "ssm_conv1d_q.weight is not"),
        (gguf_hybrids.kimi_linear_48b, {"attention__head_count": 0}, "head_count"),
        (gguf_hybrids.minimax_text_01, {"attention__key_length": 64}, "attn_qkv.weight is not"),
        (gguf_hybrids.rwkv7_15b, {"wkv__head_size": 3}, "does not divide the hidden size"),
        (gguf_hybrids.rwkv7_15b, {"token_shift_count": 3}, "token_shift_count"),
        (gguf_hybrids.gemma_4_e2b, {"attention__shared_kv_layers": 36}, "shared_kv_layers"),
        (gguf_hybrids.gemma_4_e2b, {"attention__shared_kv_layers": 35}, "leaves no layer"),
        (
            gguf_hybrids.gemma_4_e2b,
            {"attention__sliding_window_pattern": 5},
            "which layers slide",
        ),
        (gguf_hybrids.nemotron_h_8b, {"feed_forward_length": 0}, "blk.1.ssm_conv1d.weight"),
    ],
)
def test_contradictions_are_refused(
    tmp_path: Path, file: Callable[[], gguf_hybrids.File], change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        made(tmp_path, file(), **change)
    assert says in str(caught.value)


def test_a_state_without_its_key_is_refused(tmp_path: Path) -> None:
    metadata, tensors = gguf_hybrids.falcon_h1_7b()
    del metadata["falcon-h1.ssm.state_size"]
    with pytest.raises(ConfigError, match=r"ssm\.state_size is missing"):
        made(tmp_path, (metadata, tensors))
