"""Operations and traffic of a pass: pairs counted one by one, published rules, and every kind."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.formats import find_format
from weighbridge.model.load import load_model
from weighbridge.model.mixers.bidirectional import BidirectionalAttention
from weighbridge.model.mixers.full import FullAttention
from weighbridge.speed.arithmetic import (
    head_elements,
    layer_elements,
    matrix_elements,
    pass_operations,
)
from weighbridge.speed.mixing import (
    MIXING,
    Pass,
    causal,
    chosen_entries,
    entries,
    mixing_operations,
    nearest,
    within_chunks,
)
from weighbridge.speed.traffic import READS, Seen, cache_read, step_traffic

MIXERS = Path(__file__).parents[2] / "src" / "weighbridge" / "model" / "mixers"
BASES = {"Convolution", "GroupedHeads", "Recurrent"}
COUNTS = st.integers(0, 300)


def classes() -> set[str]:
    return {
        node.name
        for path in MIXERS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    } - BASES


def test_every_kind_of_mixer_has_its_formulas() -> None:
    assert set(MIXING) == classes()
    assert set(READS) == classes()


@given(tokens=COUNTS, size=st.integers(1, 40), top_k=st.integers(1, 9))
@settings(deadline=None)
def test_pairs_counted_one_by_one(tokens: int, size: int, top_k: int) -> None:
    each = range(1, tokens + 1)
    assert causal(tokens) == sum(each)
    assert nearest(tokens, size) == sum(min(n, size) for n in each)
    assert within_chunks(tokens, size) == sum((n - 1) % size + 1 for n in each)
    assert entries(tokens, size) == sum(n // size for n in each)
    assert chosen_entries(tokens, size, top_k) == sum(min(n // size, top_k) for n in each)


@given(tokens=st.integers(1, 120), window=st.integers(1, 60))
@settings(deadline=None)
def test_a_window_on_both_sides(tokens: int, window: int) -> None:
    near = BidirectionalAttention((), 1, 1, window)
    pairs = sum(abs(a - b) <= window // 2 for a in range(tokens) for b in range(tokens))
    assert mixing_operations(near, Pass(tokens, tokens)) == 4 * pairs


ONE_OF_EACH = (
    "llama-3.1-8b", "gemma-3-27b-it", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "deepseek-v3",
    "deepseek-ai/DeepSeek-V3.2", "deepseek-ai/DeepSeek-V4-Flash", "zai-org/GLM-5.3-Flash",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "tiiuae/Falcon-H1-0.5B-Base", "google/gemma-4-E4B-it",
    "google/flan-t5-xl", "google/recurrentgemma-2b", "state-spaces/mamba-130m-hf",
    "LiquidAI/LFM2-1.2B", "Zyphra/ZAYA1-8B", "moonshotai/Kimi-Linear-48B-A3B-Instruct",
    "dots-studio/dots3-note-prev", "zai-org/GLM-5.2", "meta-llama/Llama-3.2-11B-Vision",
)  # fmt: skip


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_prompt_in_two_parts_or_one(name: str) -> None:
    """A causal pass cut in two costs the same, but for latents that are expanded again."""
    model = load_model(name)
    for layer, _ in model.layer_groups():
        for cut in (0, 1, 700, 2999, 3000):
            whole = mixing_operations(layer.mixer, Pass(3000, 3000, absorbed=True, encoder=77))
            first = mixing_operations(layer.mixer, Pass(cut, cut, absorbed=True, encoder=77))
            rest = Pass(3000 - cut, 3000, absorbed=True, encoder=77)
            assert whole == first + mixing_operations(layer.mixer, rest)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_arrays_give_what_numbers_give(name: str) -> None:
    model, storage = load_model(name), find_format("bf16")
    lengths = numpy.array([1, 128, 5000, 40_000], dtype=numpy.int64)
    many = pass_operations(model, 1, lengths, decoding=True)
    moved = step_traffic(model, storage, 3, lengths)
    for index, length in enumerate(lengths.tolist()):
        assert numpy.broadcast_to(many, lengths.shape)[index] == pass_operations(
            model, 1, length, decoding=True
        )
        alone = step_traffic(model, storage, 3, length).total
        assert numpy.broadcast_to(moved.total, lengths.shape)[index] == alone


def test_palm_appendix_b() -> None:
    """2N + 4·L·H·Q·T for each token (arXiv:2204.02311, appendix B), N without the embedding."""
    model = load_model("llama-3.1-8b")
    weights = 8_030_261_248 - 128_256 * 4096 - 65 * 4096
    step = pass_operations(model, 1, 8192, decoding=True)
    assert step == 2 * weights + 4 * 32 * 32 * 128 * 8192
    assert step == pytest.approx(2 * (8_030_261_248 - 128_256 * 4096), rel=0.3)


def test_gpt_3_takes_two_operations_for_each_parameter() -> None:
    """GPT-3 175B: 350 GFLOP per token forward beside attention (arXiv:2005.14165, table D.1)."""
    model = load_model("gpt-3-175B")
    step = pass_operations(model, 1, 1, decoding=True)
    assert step == pytest.approx(350e9, rel=0.02)


# Active parameters as their makers state them, in billions; the embedding is in the makers' number.
ACTIVE = [
    ("deepseek-v3", 37.0, 0.03),
    ("qwen3-30b-a3b", 3.3, 0.03),
    ("Qwen/Qwen3-235B-A22B", 22.0, 0.03),
    ("mixtral", 12.9, 0.02),
    ("gpt-oss-120b", 5.13, 0.02),
    ("moonshotai/Kimi-K2-Instruct", 32.0, 0.04),
]


@pytest.mark.parametrize(("name", "billions", "near"), ACTIVE, ids=[each[0] for each in ACTIVE])
def test_active_parameters_as_their_makers_state_them(
    name: str, billions: float, near: float
) -> None:
    model = load_model(name)
    inside = sum(layer_elements(layer) for layer in model.layers)
    both = inside + head_elements(model) + matrix_elements(model.outer)
    table = 0 if model.tied else model.vocab * model.hidden
    closest = min((both, both + table), key=lambda each: abs(each / 1e9 - billions))
    assert closest / 1e9 == pytest.approx(billions, rel=near)


def test_absorbed_latents_cost_more_per_pair_and_read_less() -> None:
    """DeepSeek-V3: heads × (2·512 + 64) against heads × (128 + 64 + 128) per pair."""
    model = load_model("deepseek-v3")
    mixer: Any = model.layers[0].mixer
    absorbed = mixing_operations(mixer, Pass(1, 1000, absorbed=True))
    assert absorbed == 2 * 128 * (512 + 64 + 512) * 1000
    prompt = mixing_operations(mixer, Pass(1000, 1000))
    assert prompt == 2 * 128 * (128 + 64 + 128) * 1000 * 1001 // 2
    assert cache_read(model.layers[0], Seen(1000)) == 1000 * 576


def test_an_indexer_bounds_what_is_attended_to_and_not_what_is_scored() -> None:
    """DeepSeek-V3.2 (arXiv:2512.02556): 2,048 keys chosen by 64 heads of 128."""
    layer = load_model("deepseek-ai/DeepSeek-V3.2").layers[0]
    near = mixing_operations(layer.mixer, Pass(1, 2048, absorbed=True))
    far = mixing_operations(layer.mixer, Pass(1, 131_072, absorbed=True))
    assert far - near == 2 * 64 * 129 * (131_072 - 2048)
    assert cache_read(layer, Seen(131_072)) == 2048 * 576 + 131_072 * 128


def test_compressed_entries_are_read_as_far_as_they_are_chosen() -> None:
    """DeepSeek-V4: a window of 128, one of 4 tokens under an indexer, one of 128 in full."""
    found = {each.mixer.ratio: each for each in load_model("deepseek-ai/DeepSeek-V4-Flash").layers}  # type: ignore[attr-defined]
    for ratio, layer in found.items():
        mixer: Any = layer.mixer
        entry = 0 if not ratio else 131_072 // ratio
        chosen = min(entry, mixer.top_k) if mixer.index_dim else entry
        wanted = (128 + chosen) * mixer.head_dim + entry * mixer.index_dim
        assert cache_read(layer, Seen(131_072)) == wanted


def test_traffic_of_a_step_by_kind() -> None:
    bf16 = find_format("bf16")
    llama = step_traffic(load_model("llama-3.1-8b"), bf16, 4, 8192)
    assert llama.weights == 2 * (8_030_261_248 - 128_256 * 4096)
    assert llama.cache_read == 4 * 8192 * 131_072
    assert llama.cache_written == 4 * 131_072
    assert llama.state_read == 0
    mamba = step_traffic(load_model("state-spaces/mamba-130m-hf"), bf16, 2, 8192)
    assert mamba.cache_read == 0
    assert mamba.state_read == mamba.state_written == 2 * 24 * 1536 * (16 * 4 + 4 * 2)
    shared = load_model("google/gemma-4-E4B-it")
    full = sum(cache_read(layer, Seen(8192)) > 0 for layer in shared.layers)
    assert full == len(shared.layers)


def test_a_prompt_costs_more_per_token_the_longer_it_is_only_with_attention() -> None:
    mamba, llama = load_model("state-spaces/mamba-130m-hf"), load_model("llama-3.1-8b")
    assert pass_operations(mamba, 2000, 2000, logits=0) == 2 * pass_operations(
        mamba, 1000, 1000, logits=0
    )
    assert pass_operations(llama, 2000, 2000) > 2 * pass_operations(llama, 1000, 1000)


def test_the_floor_of_a_plan_rises_with_its_context() -> None:
    short, long = (
        wb.plan("llama-3.1-8b", on="h100", context=context, weights="bf16").speed
        for context in (1024, 65_536)
    )
    assert short is not None
    assert long is not None
    assert short.decode is not None
    assert long.decode is not None
    rate = 2 * 4 * 32 * 32 * 128 * (65_536 - 1024) / 2
    more = long.decode.arithmetic - short.decode.arithmetic
    assert more * 989.4e12 == pytest.approx(rate, rel=0.01)


def test_full_attention_over_a_prompt() -> None:
    full = FullAttention((), 8, 2, 64, 48)
    assert mixing_operations(full, Pass(10, 10)) == 2 * 8 * (64 + 48) * 55
    assert mixing_operations(full, Pass(1, 10)) == 2 * 8 * (64 + 48) * 10


def test_an_engine_that_expands_latents_reads_them_expanded() -> None:
    """Transformers 4.57 caches 128 × (192 + 128) elements per token and layer, not 576."""
    old, new = (
        wb.plan("deepseek-v3", on="8xh200", context=65_536, weights="fp8", engine=engine).speed
        for engine in ("transformers==4.57.0", "transformers")
    )
    assert old is not None
    assert new is not None
    assert old.decode is not None
    assert new.decode is not None
    more = 65_537 * 61 * 2 * (128 * 320 - 576) / 4.8e12
    assert old.decode.memory - new.decode.memory == pytest.approx(more, rel=0.01)
    assert old.decode.arithmetic > new.decode.arithmetic


def test_a_plan_imports_no_mixer_that_its_model_does_not_have() -> None:
    program = (
        "import sys; from weighbridge.cli import main\n"
        "main(['llama-3.1-8b', '--on', 'rtx-4090', '--json'])\n"
        "names = [n for n in sys.modules if n.startswith('weighbridge.model.mixers.')]\n"
        "sys.stderr.write(' '.join(sorted(n.rpartition('.')[2] for n in names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(done.stderr.split()) <= {"full", "heads", "mla", "sliding"}


@pytest.mark.parametrize("name", ["Zyphra/Zamba-7B-v1", "Zyphra/Zamba2-2.7B"])
def test_a_shared_block_works_at_each_of_its_uses(name: str) -> None:
    """Its weights are stored once, and multiplied by and read once for every use."""
    model = load_model(name)
    uses = [layer for layer in model.layers if hasattr(layer.mixer, "parts")]
    repeated = [layer for layer in uses if layer.again]
    assert 0 < len(repeated) < len(uses)
    inside = sum(layer_elements(layer) for layer in model.layers)
    assert inside > matrix_elements(p for each in model.layers for p in each.parameters)
    first = next(each for each in uses if not each.again)
    own = {p.name for p in first.parameters if "_adapter_list." not in p.name}
    assert {p.name for p in repeated[0].again} <= own
