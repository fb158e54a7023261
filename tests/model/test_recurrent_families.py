"""Recurrent, linear and hybrid families: published counts, cache and state sizes, and what engines
printed or allocated for the same states."""

from __future__ import annotations

import pytest

from weighbridge.errors import ConfigError
from weighbridge.memory.cache import cache_elements, elements_per_token, state_bytes, visible_tokens
from weighbridge.model import catalog
from weighbridge.model.config import Config
from weighbridge.model.facts import Layer, Parameter
from weighbridge.model.families import read_model
from weighbridge.model.load import load_model
from weighbridge.model.mixers.parallel import Parallel
from weighbridge.model.mixers.recurrent import Recurrent

# id: parameters (Hugging Face totals, or the classes on the meta device), bytes of cache per token
# and of state per sequence in bf16 with fp32 recurrences, as traced in Transformers 5.23.0
FACTS = {
    "state-spaces/mamba-130m-hf": (129_135_360, 0, 2_654_208),
    "state-spaces/mamba-2.8b-hf": (2_768_345_600, 0, 23_592_960),
    "tiiuae/falcon-mamba-7b": (7_272_665_088, 0, 37_748_736),
    "mistralai/Mamba-Codestral-7B-v0.1": (7_285_403_648, 0, 273_678_336),
    "ai21labs/Jamba-v0.1": (51_570_323_328, 16_384, 16_515_072),
    "ai21labs/AI21-Jamba-Large-1.5": (398_555_145_696, 36_864, 74_317_824),
    "tiiuae/Falcon-H1-0.5B-Base": (521_411_104, 18_432, 28_827_648),
    "tiiuae/Falcon-H1-7B-Base": (7_585_648_736, 45_056, 139_673_600),
    "tiiuae/Falcon-H1-34B-Base": (33_642_516_224, 147_456, 304_939_008),
    "ibm-granite/granite-4.0-h-tiny": (6_939_037_248, 8_192, 57_581_568),
    "ibm-granite/granite-4.0-h-micro": (3_191_396_096, 8_192, 76_750_848),
    "ibm-granite/granite-4.0-h-small": (32_207_337_984, 16_384, 153_427_968),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (31_577_937_344, 6_144, 49_364_992),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8": (120_668_687_360, 8_192, 171_048_960),
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": (549_308_968_960, 12_288, 409_731_072),
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": (8_888_227_328, 16_384, 144_211_968),
    "Zyphra/Zamba-7B-v1": (7_232_490_496, 386_048, 40_624_128),
    "Zyphra/Zamba2-7B-Instruct": (7_356_749_648, 372_736, 153_446_400),
    "Zyphra/Zamba2-2.7B": (2_662_214_560, 184_320, 73_046_016),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (79_674_391_296, 24_576, 77_856_768),
    "Qwen/Qwen3.5-27B": (27_356_728_560, 65_536, 154_927_104),
    "Qwen/Qwen3.5-397B-A17B": (396_802_360_816, 30_720, 193_167_360),
    "allenai/Olmo-Hybrid-7B": (7_430_870_688, 122_880, 55_296_000),
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": (49_122_675_072, 8_064, 43_909_120),
    "moonshotai/Kimi-K3": (2_779_931_754_752, 27_648, 454_459_392),
    "inclusionAI/Ling-3.0-Flash": (124_414_191_072, 8_064, 76_840_960),
    "MiniMaxAI/MiniMax-Text-01-hf": (456_089_655_296, 40_960, 146_800_640),
    "LiquidAI/LFM2-1.2B": (1_170_340_608, 12_288, 122_880),
    "LiquidAI/LFM2-8B-A1B": (8_339_929_856, 12_288, 221_184),
    "google/recurrentgemma-2b": (2_682_862_080, 0, 460_800),
    "fla-hub/rwkv7-1.5B-world": (1_527_404_544, 0, 12_779_520),
    "NX-AI/xLSTM-7b": (6_865_424_896, 0, 67_240_448),
    "Zyphra/ZAYA1-base": (8_840_488_784, 40_960, 215_040),
    "zai-org/GLM-5.3-Flash": (313_786_889_214, 11 * (512 + 257) * 2, 149_291_008),
}


@pytest.mark.parametrize(("name", "facts"), FACTS.items(), ids=FACTS)
def test_parameters_cache_and_state(name: str, facts: tuple[int, int, int]) -> None:
    model = load_model(name)
    layers = model.layer_groups()
    per_token = 2 * elements_per_token(layers, kept=visible_tokens)
    assert (model.parameters, per_token, state_bytes(layers, 2)) == facts


# Cache alone, state apart: the sequences that other planners get wrong by a factor of 4 to 8.
LONG = [
    ("qwen3-next-80b-a3b", 262_144, 6_442_450_944),
    ("nemotron-3-nano-30b-a3b", 262_144, 1_610_612_736),
    ("jamba-1.5-mini", 262_144, 4_294_967_296),
]


@pytest.mark.parametrize(("name", "tokens", "size"), LONG, ids=[each[0] for each in LONG])
def test_only_attending_layers_are_charged_per_token(name: str, tokens: int, size: int) -> None:
    assert 2 * cache_elements(load_model(name).layer_groups(), tokens) == size


def test_local_attention_beside_a_recurrence_stops_growing() -> None:
    """RecurrentGemma-2B traced at a full window: 2,047 tokens kept, and the recurrent states."""
    layers = load_model("recurrentgemma-2b").layer_groups()
    ahead = cache_elements(layers, 2047)
    assert cache_elements(layers, 10**6) == cache_elements(layers, 2048)
    assert 2 * ahead + state_bytes(layers, 2) == 17_229_824


def recurrent(layer: Layer) -> list[Recurrent]:
    parts = layer.mixer.parts if isinstance(layer.mixer, Parallel) else (layer.mixer,)
    return [part for part in parts if isinstance(part, Recurrent)]


def llamacpp_bytes(name: str) -> int:
    """Both states in fp32, the convolution with one input less than its kernel."""
    return sum(
        4 * count * ((part.convolution.elements_before if part.convolution else 0)
                     + part.recurrent_elements)
        for layer, count in load_model(name).layer_groups()
        for part in recurrent(layer)
    )  # fmt: skip


def test_states_are_those_that_llamacpp_allocates() -> None:
    """llama.cpp 0c1e57098: whole contexts of 4,096 tokens less their KV, two printed buffers."""
    assert llamacpp_bytes("granite-4.0-h-tiny") == 91_615_232 - 4096 * 8_192
    assert llamacpp_bytes("qwen3-next") == 179_699_712 - 4096 * 24_576
    assert llamacpp_bytes("qwen3-next") / 2**20 == 75.375
    assert llamacpp_bytes("qwen3.5-27b") / 2**20 == 149.625


def vllm_page(name: str, recurrence_bytes: int) -> int:
    """One layer's state in vLLM, which keeps one convolution input less than the kernel."""
    layers = load_model(name).layer_groups()
    part = next(part for layer, _ in layers for part in recurrent(layer))
    assert part.convolution is not None
    return 2 * part.convolution.elements_before + recurrence_bytes * part.recurrent_elements


def test_states_are_those_that_vllm_pages() -> None:
    """vLLM raises the attention block to 16 · ⌈state / (16 · attention bytes)⌉ tokens; blocks read
    from its logs and its own planner (0.32, 0.33)."""
    assert vllm_page("qwen3.5-27b", 4) == 48 * 128 * 128 * 4 + 10_240 * 3 * 2 == 3_207_168
    assert vllm_page("granite-4.0-h-tiny", 2) == 806_400
    for name, recurrence, attention, block in (
        ("qwen3.5-27b", 4, 4_096, 784),
        ("qwen3.5-35b-a3b", 4, 2_048, 1_056),
        ("qwen3-next", 2, 2_048, 544),
        ("granite-4.0-h-tiny", 2, 2_048, 400),
        ("granite-4.0-h-small", 2, 4_096, 528),
        ("nemotron-3-nano", 4, 1_024, 2_096),
        ("nemotron-nano-9b-v2", 4, 4_096, 1_312),
        ("falcon-h1-7b", 2, 1_024, 1_568),
        ("jamba-v0.1", 2, 4_096, 80),
    ):
        assert 16 * -(-vllm_page(name, recurrence) // (16 * attention)) == block, name


MTP = {
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 1_650_471_424,
    "Qwen/Qwen3.5-122B-A10B": 2_523_679_232,
    "Qwen/Qwen3.5-27B": 424_699_392,
    "Qwen/Qwen3.5-35B-A3B": 844_640_768,
    "Qwen/Qwen3.5-397B-A17B": 6_595_568_128,
    "inclusionAI/Ling-3.0-Flash": 3_072_193_536,
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8": 2_942_324_736,
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": 11_215_609_856,
}


@pytest.mark.parametrize(("name", "size"), MTP.items(), ids=MTP)
def test_the_layer_that_predicts_ahead_follows_from_shapes(name: str, size: int) -> None:
    """An attending layer with its experts, a projection of 2H to H and three norms; Nemotron's
    ``*E`` is two layers. Files hold it, and neither Transformers nor a plain vLLM loads it."""
    row, model = catalog.find(name), load_model(name)
    assert row is not None
    assert row.also_stored["MTP layer"] == size
    layers = [next(each for each in reversed(model.layers) if each.mixer.score_heads)]
    if row.config["model_type"] == "nemotron_h":
        layers.append(next(each for each in model.layers if "experts" in each.feed_forward.kind))
    assert sum(each.elements for each in layers) + 2 * model.hidden**2 + 3 * model.hidden == size


def test_a_shared_block_is_stored_once_and_remembered_by_each_layer() -> None:
    """Zamba2-7B: 13 layers attend with two blocks, and each keeps keys and values of its own."""
    model = load_model("zamba2-7b")
    attending = [layer for layer in model.layers if layer.mixer.score_heads]
    holding = [layer for layer in attending if any(map(is_query, layer.parameters))]
    assert (len(attending), len(holding)) == (13, 2)
    assert all(layer.mixer.cache for layer in attending)


def is_query(parameter: Parameter) -> bool:
    return parameter.name.endswith("self_attn.q_proj.weight")


def test_every_recurrent_layer_states_what_engines_need() -> None:
    for row in catalog.rows():
        for layer, _ in load_model(row.id).layer_groups():
            for part in recurrent(layer):
                assert part.cache == ()
                assert part.score_heads == 0
                assert part.query_width > 0
                assert part.key_width > 0
                assert part.kind
                held = sum(state.elements for state in part.state)
                convolution = part.convolution
                wide = convolution.elements if convolution else 0
                narrow = convolution.elements_before if convolution else 0
                assert narrow + part.recurrent_elements <= held <= wide + part.recurrent_elements


BASE = {"hidden_size": 64, "vocab_size": 100, "num_hidden_layers": 2, "intermediate_size": 96}
HEADS = {**BASE, "num_attention_heads": 4}
HOSTILE = [
    ({**BASE, "model_type": "mamba", "state_size": 0}, "state_size"),
    ({**BASE, "model_type": "mamba", "time_step_rank": "many"}, "time_step_rank"),
    ({**BASE, "model_type": "nemotron_h", "hybrid_override_pattern": "MQ"}, "no pattern"),
    ({**BASE, "model_type": "nemotron_h"}, "hybrid_override_pattern"),
    ({**HEADS, "model_type": "granitemoehybrid", "layer_types": ["mamba"]}, "1 entries for 2"),
    ({**HEADS, "model_type": "granitemoehybrid", "mamba_n_heads": 7}, "mamba_n_heads"),
    ({**HEADS, "model_type": "falcon_h1", "mamba_n_heads": 5}, "mamba_n_heads"),
    ({**HEADS, "model_type": "jamba", "attn_layer_period": 2, "attn_layer_offset": 2}, "offset"),
    ({**HEADS, "model_type": "zamba2"}, "layers_block_type"),
    ({**HEADS, "model_type": "lfm2", "layer_types": ["conv", "ring"]}, "ring"),
    ({**HEADS, "model_type": "lfm2", "block_ffn_dim_multiplier": "big"}, "no factor"),
    ({**HEADS, "model_type": "recurrent_gemma", "lru_width": 63}, "lru_width"),
    ({**BASE, "model_type": "xlstm", "num_heads": 7}, "num_heads"),
    ({**BASE, "model_type": "xlstm", "weight_mode": "fused"}, "weight_mode"),
    ({**HEADS, "model_type": "zaya", "layer_types": ["hybrid_sliding"] * 2}, "sliding_window"),
    ({"model_type": "qwen3_5"}, "text_config"),
    ({"model_type": "kimi_k3"}, "text_config"),
]


@pytest.mark.parametrize(
    ("config", "said"), HOSTILE, ids=[f"{c['model_type']}-{s}" for c, s in HOSTILE]
)
def test_absurd_values_are_refused_with_their_key(config: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match="test") as caught:
        read_model(Config(config, "test"))
    assert said in str(caught.value)


def test_a_pattern_of_letters_and_a_list_of_names_are_the_same() -> None:
    row = catalog.find("nemotron-3-nano")
    assert row is not None
    letters = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}
    names = [letters[each] for each in row.config["hybrid_override_pattern"]]
    config = {k: v for k, v in row.config.items() if k != "hybrid_override_pattern"}
    listed = read_model(Config({**config, "layers_block_type": names}, "test"))
    assert listed.parameters == load_model(row.id).parameters


def test_kinds_of_layers_are_named_for_the_reader() -> None:
    kinds = {layer.mixer.kind for layer in load_model("falcon-h1-7b").layers}
    assert kinds == {"full attention (GQA) + Mamba-2 (24 heads of 128 × 256)"}


# Parameters of the four World models and their shapes (arXiv:2503.14456, appendix), where
# 2DV + 4D + LD(12D + 2(w + a + v + g) + 19) - (2v + 1)D is the paper's own formula.
GOOSE = [
    (768, 12, (64, 64, 32, 128), 191_034_624),
    (1024, 24, (64, 64, 32, 128), 450_767_872),
    (2048, 24, (96, 96, 64, 256), 1_527_404_544),
    (2560, 32, (96, 96, 64, 320), 2_947_735_040),
]


@pytest.mark.parametrize(
    ("hidden", "layers", "ranks", "count"), GOOSE, ids=["0.1B", "0.4B", "1.5B", "2.9B"]
)
def test_rwkv_7(hidden: int, layers: int, ranks: tuple[int, ...], count: int) -> None:
    names = ("decay_low_rank_dim", "a_low_rank_dim", "v_low_rank_dim", "gate_low_rank_dim")
    raw = {
        "model_type": "rwkv7",
        "architectures": ["RWKV7ForCausalLM"],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "hidden_ratio": 4.0,
        "vocab_size": 65_536,
        **dict(zip(names, ranks, strict=True)),
    }
    assert read_model(Config(raw, "goose")).parameters == count
    for key, value in (("value_dim", 2 * hidden), ("attn", {"layers": [1]}), ("num_heads", 7)):
        with pytest.raises(ConfigError, match=key):
            read_model(Config({**raw, key: value}, "goose"))
    del raw["v_low_rank_dim"]
    with pytest.raises(ConfigError, match="v_low_rank_dim"):
        read_model(Config(raw, "goose"))
