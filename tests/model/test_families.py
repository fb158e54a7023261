"""Families against counts and cache sizes that were published, not computed here."""

from __future__ import annotations

import pytest

from weighbridge.errors import ConfigError, UnknownArchitecture
from weighbridge.memory.cache import cache_elements, elements_per_token, visible_tokens
from weighbridge.model import catalog
from weighbridge.model.config import Config
from weighbridge.model.families import FAMILIES, read_model
from weighbridge.model.load import load_model

# Hugging Face safetensors totals, buffers excluded; the hub ids are their sources.
PUBLISHED = {
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.3-70B-Instruct": 70_553_706_496,
    "meta-llama/Llama-3.1-405B": 405_853_388_800,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Mistral-Large-Instruct-2407": 122_610_069_504,
    "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704,
    "mistralai/Mixtral-8x22B-Instruct-v0.1": 140_630_071_296,
    "Qwen/Qwen2-57B-A14B": 57_408_658_944,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "Qwen/Qwen2.5-72B": 72_706_203_648,
    "Qwen/Qwen3-0.6B-Base": 596_049_920,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    "google/gemma-2-27b": 27_227_128_320,
    "google/gemma-3-1b-it": 999_885_952,
    "google/gemma-3-4b-it": 4_300_079_472,
    "google/gemma-3-27b-it": 27_432_406_640,
    "openai/gpt-oss-20b": 20_914_757_184,
    "openai/gpt-oss-120b": 116_829_156_672,
    "microsoft/phi-4": 14_659_507_200,
    "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552,
    "deepseek-ai/DeepSeek-V2-Lite": 15_706_484_224,
    "deepseek-ai/DeepSeek-V2": 235_741_434_880,
    "deepseek-ai/DeepSeek-V3": 671_026_404_352,
    "moonshotai/Kimi-K2-Instruct": 1_026_408_209_408,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": 108_641_793_536,
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": 401_583_781_376,
    "meta-llama/Llama-3.2-11B-Vision-Instruct": 10_670_220_835,
    "meta-llama/Llama-3.2-90B-Vision-Instruct": 88_593_355_323,
    "llava-hf/llava-1.5-7b-hf": 7_063_427_072,
    "mistral-experimental/pixtral-12b": 12_682_739_712,
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": 24_011_361_280,
    "Qwen/Qwen2-VL-7B-Instruct": 8_291_375_616,
    "Qwen/Qwen2.5-VL-72B-Instruct": 73_410_777_344,
    "Qwen/Qwen3-VL-235B-A22B-Instruct": 235_670_022_896,
    "allenai/OLMoE-1B-7B-0924": 6_919_161_856,
    "microsoft/Phi-3.5-MoE-instruct": 41_873_153_344,
    "baidu/ERNIE-4.5-300B-A47B-Base-PT": 299_484_163_264,
    "tencent/Hunyuan-A13B-Instruct": 80_393_183_232,
    "arcee-ai/Trinity-Large-Preview": 398_635_286_016,
    "stepfun-ai/step3": 320_969_912_832,
    "openai-community/gpt2-xl": 1_557_611_200,
    "google-bert/bert-base-uncased": 110_106_428,
    "sentence-transformers/all-MiniLM-L6-v2": 22_713_216,
}


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items(), ids=PUBLISHED)
def test_parameters_are_the_published_ones(name: str, count: int) -> None:
    assert load_model(name).parameters == count


@pytest.mark.parametrize("row", catalog.rows(), ids=lambda row: row.id)
def test_every_published_total_is_reproduced(row: catalog.Row) -> None:
    """Parameters and what else the files hold (buffers, scales, copies) are the published total."""
    model = load_model(row.id)
    if row.published is None or row.published_note:
        assert model.parameters > 0
        return
    assert model.parameters + sum(row.also_stored.values()) == row.published


def test_what_else_the_files_hold_is_what_the_architecture_says() -> None:
    """The extras of the catalogue follow from shapes: they are not remainders."""
    gpt2 = catalog.find("gpt2")
    assert gpt2 is not None
    assert gpt2.also_stored == {"causal-mask buffers": 12 * 1024 * 1024}
    llama = catalog.find("Llama-2-7b-hf")
    assert llama is not None
    assert llama.also_stored == {"rotary inv_freq buffers": 32 * 128 // 2}
    qwen = catalog.find("Qwen3-0.6B")
    assert qwen is not None
    assert qwen.also_stored == {"a copy of the tied head": 151936 * 1024}


# bytes per token with 16-bit elements once windows are full; bytes of a sequence of that length
CACHE = [
    ("llama-3.1-8b", 131_072, 131_072, 17_179_869_184),
    ("llama-3.1-70b", 327_680, 131_072, 42_949_672_960),
    ("llama-3.1-405b", 516_096, 131_072, 67_645_734_912),
    ("qwen3-30b-a3b", 98_304, 40_960, 4_026_531_840),
    ("qwen3-32b", 262_144, 32_768, 8_589_934_592),
    ("qwen2.5-7b", 57_344, 131_072, 7_516_192_768),
    ("llama-2-7b", 524_288, 4_096, 2_147_483_648),
    ("llama-3-8b", 131_072, 8_192, 1_073_741_824),
    ("deepseek-v3", 70_272, 131_072, 9_210_691_584),
    ("kimi-k2", 70_272, 131_072, 9_210_691_584),
    ("gpt-oss-120b", 36_864, 131_072, 4_836_556_800),
    ("gemma-3-27b", 81_920, 131_072, 11_173_625_856),
    ("gemma-2-27b", 188_416, 8_192, 2_315_255_808),
    ("mistral-7b-v0.1", 0, 32_768, 536_870_912),
    ("qwen3-4b", 147_456, 1, 147_456),
    ("llama-4-scout", 49_152, 131_072, 7_650_410_496),
    ("minimax-m2", 253_952, 196_608, 49_928_994_816),
    ("deepseek-v3.2", 85_888, 131_072, 131_072 * 85_888),
    ("deepseek-v4-flash", 6_880, 131_072, 131_072 * 6_880 + 43 * 128 * 512 * 2),
]


@pytest.mark.parametrize(("name", "per_token", "tokens", "total"), CACHE, ids=[c[0] for c in CACHE])
def test_cache_is_what_the_layers_remember(
    name: str, per_token: int, tokens: int, total: int
) -> None:
    layers = load_model(name).layer_groups()
    assert 2 * elements_per_token(layers, kept=visible_tokens) == per_token
    assert 2 * cache_elements(layers, tokens) == total


def test_active_parameters_leave_out_the_experts_a_token_does_not_visit() -> None:
    assert load_model("qwen3-235b-a22b").active_parameters == pytest.approx(22.19e9, rel=1e-3)
    assert load_model("deepseek-v3").active_parameters == pytest.approx(37.55e9, rel=1e-3)
    dense = load_model("llama-3.1-8b")
    assert dense.active_parameters == dense.parameters


LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 512,
    "vocab_size": 1000,
}


def test_null_kv_heads_mean_one_per_query_head() -> None:
    null = read_model(Config({**LLAMA, "num_key_value_heads": None}, "test"))
    absent = read_model(Config(LLAMA, "test"))
    assert null.parameters == absent.parameters
    assert 2 * cache_elements(null.layer_groups(), 1) == 2 * 2 * 2 * 256


def test_a_null_window_is_no_window_and_a_missing_one_is_the_default() -> None:
    mistral = {**LLAMA, "model_type": "mistral"}
    missing = read_model(Config(mistral, "test"))
    null = read_model(Config({**mistral, "sliding_window": None}, "test"))
    assert cache_elements(missing.layer_groups(), 10_000) == cache_elements(
        null.layer_groups(), 4096
    )
    assert cache_elements(null.layer_groups(), 10_000) > cache_elements(
        missing.layer_groups(), 10_000
    )


def test_unused_windows_do_not_count() -> None:
    qwen = {**LLAMA, "model_type": "qwen2", "sliding_window": 64, "use_sliding_window": False}
    model = read_model(Config(qwen, "test"))
    assert cache_elements(model.layer_groups(), 1000) == 1000 * cache_elements(
        model.layer_groups(), 1
    )


def test_answers_remember_which_key_said_so() -> None:
    model = load_model("gpt2")
    assert model.answers["hidden size"] == "hidden_size = 768"
    assert "default" in model.answers["feed-forward width"]


HOSTILE = [
    ({"hidden_size": -1}, "hidden_size = -1"),
    ({"hidden_size": 10**30}, "outside"),
    ({"num_hidden_layers": 0}, "num_hidden_layers = 0"),
    ({"num_hidden_layers": 10**9}, "outside"),
    ({"num_attention_heads": "eight"}, "not a whole number"),
    ({"num_attention_heads": True}, "not a whole number"),
    ({"num_attention_heads": 7}, "no multiple"),
    ({"num_key_value_heads": 3}, "does not divide"),
    ({"vocab_size": None}, "vocab_size"),
    ({"vocab_size": 1.5}, "not a whole number"),
    ({"tie_word_embeddings": "yes"}, "not true or false"),
    ({"model_type": None}, "model_type"),
    ({"model_type": 7}, "not a short text"),
    ({"architectures": 3, "head_dim": 0}, "head_dim"),
]


@pytest.mark.parametrize(("change", "said"), HOSTILE, ids=[str(c[0])[:40] for c in HOSTILE])
def test_absurd_values_are_refused_with_their_key(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match="test: ") as caught:
        read_model(Config({**LLAMA, **change}, "test"))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(UnknownArchitecture, match="no family reads model_type 'quantum'"):
        read_model(Config({"model_type": "quantum"}, "test"))


def test_every_family_has_a_checkpoint_in_the_catalogue() -> None:
    assert set(FAMILIES) == {row.config["model_type"] for row in catalog.rows()}
