"""GGUF files of state spaces, hybrids and shared caches: real shapes, their data a hole.

Names and keys are what llama.cpp's converters write (conversion/*.py of ggml-org/llama.cpp at
0c1e57098); shapes are those of the published configs. Sizes are llama.cpp's, fastest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Metadata = dict[str, Any]
Tensors = dict[str, tuple[list[int], str]]
Block = dict[str, list[int]]
File = tuple[Metadata, Tensors]


def file(
    architecture: str,
    blocks: Sequence[Block],
    keys: Mapping[str, Any],
    *,
    vocab: int,
    hidden: int,
    tied: bool = False,
    outside: Mapping[str, list[int]] | None = None,
    final_norm: str = "output_norm.weight",
    kind: str = "Q8_0",
) -> File:
    """A file of these blocks; what no quantization can take stays F32."""
    named: dict[str, list[int]] = {"token_embd.weight": [hidden, vocab]}
    for index, block in enumerate(blocks):
        named |= {f"blk.{index}.{name}": size for name, size in block.items()}
    named |= {final_norm: [hidden]} | dict(outside or {})
    if not tied:
        named["output.weight"] = [hidden, vocab]
    tensors = {name: (size, _kind(name, size, kind)) for name, size in named.items()}
    stated = {"block_count": len(blocks), "context_length": 131_072, "embedding_length": hidden}
    metadata: Metadata = {"general.architecture": architecture, "general.file_type": 7}
    metadata |= {f"{architecture}.{key}": value for key, value in {**stated, **keys}.items()}
    return metadata, tensors


def _kind(name: str, size: list[int], kind: str) -> str:
    small = len(size) == 1 or size[0] % 32 or "ssm_conv" in name or "_inp" in name
    return "F32" if small or not name.endswith(".weight") else kind


def mamba2_block(hidden: int, inner: int, state: int, heads: int, groups: int) -> Block:
    """The tensors of a Mamba-2 mixer with a kernel of 4."""
    channels = inner + 2 * groups * state
    return {
        "ssm_in.weight": [hidden, inner + channels + heads],
        "ssm_conv1d.weight": [4, channels],
        "ssm_conv1d.bias": [channels],
        "ssm_dt.bias": [heads],
        "ssm_a": [1, heads],
        "ssm_d": [1, heads],
        "ssm_norm.weight": [inner // groups, groups],
        "ssm_out.weight": [inner, hidden],
    }


def space_keys(inner: int, state: int, heads: int, groups: int) -> dict[str, int]:
    """The keys of a state space with a kernel of 4."""
    return {
        "ssm.conv_kernel": 4,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": heads,
        "ssm.group_count": groups,
    }


def attention(hidden: int, queries: int, pairs: int, *, gates: int = 1, norm: int = 0) -> Block:
    """q, k, v and output, with a norm over each head where ``norm`` is its length."""
    block = {
        "attn_q.weight": [hidden, gates * queries],
        "attn_k.weight": [hidden, pairs],
        "attn_v.weight": [hidden, pairs],
        "attn_output.weight": [queries, hidden],
    }
    return block | ({"attn_q_norm.weight": [norm], "attn_k_norm.weight": [norm]} if norm else {})


def gated(hidden: int, width: int) -> Block:
    """A gated feed-forward."""
    return {
        "ffn_gate.weight": [hidden, width],
        "ffn_up.weight": [hidden, width],
        "ffn_down.weight": [width, hidden],
    }


def experts(hidden: int, width: int, count: int, *, shared: int = 0) -> Block:
    """Routed experts beside a shared one of ``shared`` columns."""
    block = {
        "ffn_gate_inp.weight": [hidden, count],
        "ffn_gate_exps.weight": [hidden, width, count],
        "ffn_up_exps.weight": [hidden, width, count],
        "ffn_down_exps.weight": [width, hidden, count],
    }
    if shared:
        block |= {
            "ffn_gate_shexp.weight": [hidden, shared],
            "ffn_up_shexp.weight": [hidden, shared],
            "ffn_down_shexp.weight": [shared, hidden],
        }
    return block


def norms(hidden: int, *names: str) -> Block:
    """Norms over the hidden size; without names those before both halves."""
    return {f"{name}.weight": [hidden] for name in names or ("attn_norm", "ffn_norm")}


def head_keys(heads: int, kv_heads: Any, length: int | None = None) -> dict[str, Any]:
    """The keys of attention, ``kv_heads`` once or for each block."""
    keys: dict[str, Any] = {"attention.head_count": heads, "attention.head_count_kv": kv_heads}
    if length:
        keys |= {"attention.key_length": length, "attention.value_length": length}
    return keys


def mamba2_27b() -> File:
    """state-spaces/mamba2-2.7b."""
    block = norms(2560, "attn_norm") | mamba2_block(2560, 5120, 128, 80, 1)
    keys = space_keys(5120, 128, 80, 1) | {"attention.head_count": 0, "feed_forward_length": 0}
    return file("mamba2", [block] * 64, keys, vocab=50288, hidden=2560, tied=True, kind="F16")


def mamba_28b() -> File:
    """state-spaces/mamba-2.8b-hf; the vocabulary is already a multiple of 8."""
    block = norms(2560, "attn_norm") | mamba_block(2560, inner=5120, state=16, rank=160)
    keys = space_keys(5120, 16, 160, 1) | {"attention.head_count": 0, "feed_forward_length": 0}
    del keys["ssm.group_count"]
    return file("mamba", [block] * 64, keys, vocab=50280, hidden=2560, tied=True, kind="F16")


def mamba_block(hidden: int, *, inner: int, state: int, rank: int) -> Block:
    """The tensors of a Mamba mixer with a kernel of 4."""
    return {
        "ssm_in.weight": [hidden, 2 * inner],
        "ssm_conv1d.weight": [4, inner],
        "ssm_conv1d.bias": [inner],
        "ssm_x.weight": [inner, rank + 2 * state],
        "ssm_dt.weight": [rank, inner],
        "ssm_dt.bias": [inner],
        "ssm_a": [state, inner],
        "ssm_d": [inner],
        "ssm_out.weight": [inner, hidden],
    }


def granite_40_h_tiny() -> File:
    """ibm-granite/granite-4.0-h-tiny: four attending layers of 40."""
    attends = {5, 15, 25, 35}
    feed = experts(1536, 512, 64, shared=1024) | norms(1536)
    mixers = {True: attention(1536, 1536, 512), False: mamba2_block(1536, 3072, 128, 48, 1)}
    blocks = [mixers[index in attends] | feed for index in range(40)]
    keys = space_keys(3072, 128, 48, 1)
    keys |= head_keys(12, [4 if index in attends else 0 for index in range(40)])
    keys |= {"feed_forward_length": 512, "expert_count": 64, "expert_used_count": 6}
    keys |= {"expert_shared_feed_forward_length": 1024}
    return file("granitehybrid", blocks, keys, vocab=100352, hidden=1536, tied=True)


def qwen3_next_80b(*, listed: bool = False) -> File:
    """Qwen/Qwen3-Next-80B-A3B-Instruct: every fourth layer attends, with gated queries."""
    linear = {
        "attn_qkv.weight": [2048, 8192],
        "attn_gate.weight": [2048, 4096],
        "ssm_conv1d.weight": [4, 8192],
        "ssm_dt.bias": [32],
        "ssm_a": [32],
        "ssm_ba.weight": [2048, 64],
        "ssm_norm.weight": [128],
        "ssm_out.weight": [4096, 2048],
    }
    feed = experts(2048, 512, 512, shared=512) | {"ffn_gate_inp_shexp.weight": [2048]}
    feed |= norms(2048, "attn_norm", "post_attention_norm")
    attends = attention(2048, 4096, 512, gates=2, norm=256)
    blocks = [(linear if (index + 1) % 4 else attends) | feed for index in range(48)]
    keys = space_keys(4096, 128, 32, 16) | head_keys(16, 2, 256)
    keys |= {"feed_forward_length": 5120, "expert_count": 512, "expert_used_count": 10}
    if listed:
        keys["attention.recurrent_layers"] = [(index + 1) % 4 != 0 for index in range(48)]
    else:
        keys["full_attention_interval"] = 4
    return file("qwen3next", blocks, keys, vocab=151936, hidden=2048)


def llama_4_scout(**more: Any) -> File:
    """meta-llama/Llama-4-Scout-17B-16E: three chunked layers to each full one."""
    block = attention(5120, 5120, 1024) | experts(5120, 8192, 16, shared=8192) | norms(5120)
    keys = head_keys(40, 8, 128) | {"feed_forward_length": 16384, "expert_count": 16}
    keys |= {"expert_used_count": 1, "expert_feed_forward_length": 8192, **more}
    return file("llama4", [block] * 48, keys, vocab=202048, hidden=5120)


def falcon_h1_7b() -> File:
    """tiiuae/Falcon-H1-7B-Base: attention beside Mamba-2 in every layer."""
    block = attention(3072, 1536, 256) | mamba2_block(3072, 3072, 256, 24, 1)
    block |= gated(3072, 12288) | norms(3072)
    keys = space_keys(3072, 256, 24, 1) | head_keys(12, 2, 128) | {"feed_forward_length": 12288}
    return file("falcon-h1", [block] * 44, keys, vocab=130048, hidden=3072)


def _short_convolution(hidden: int) -> Block:
    return {
        "shortconv.conv.weight": [3, hidden],
        "shortconv.in_proj.weight": [hidden, 3 * hidden],
        "shortconv.out_proj.weight": [hidden, hidden],
    }


def lfm2_12b() -> File:
    """LiquidAI/LFM2-1.2B: six attending layers of 16."""
    attends = {2, 5, 8, 10, 12, 14}
    mixers = {True: attention(2048, 2048, 512, norm=64), False: _short_convolution(2048)}
    both = gated(2048, 8192) | norms(2048)
    blocks = [mixers[index in attends] | both for index in range(16)]
    keys = head_keys(32, [8 if index in attends else 0 for index in range(16)])
    keys |= {"shortconv.l_cache": 3, "feed_forward_length": 8192}
    return file(
        "lfm2",
        blocks,
        keys,
        vocab=65536,
        hidden=2048,
        tied=True,
        final_norm="token_embd_norm.weight",
    )


def lfm2_8b() -> File:
    """LiquidAI/LFM2-8B-A1B: two dense layers, then experts."""
    attends = {2, 6, 10, 14, 18, 21}
    mixers = {True: attention(2048, 2048, 512, norm=64), False: _short_convolution(2048)}
    sparse = experts(2048, 1792, 32) | {"exp_probs_b.bias": [32]}
    blocks = [
        mixers[index in attends] | (gated(2048, 7168) if index < 2 else sparse) | norms(2048)
        for index in range(24)
    ]
    keys = head_keys(32, [8 if index in attends else 0 for index in range(24)])
    keys |= {"shortconv.l_cache": 3, "feed_forward_length": 7168, "expert_count": 32}
    keys |= {"expert_used_count": 4, "expert_feed_forward_length": 1792}
    norm = "token_embd_norm.weight"
    return file("lfm2moe", blocks, keys, vocab=65536, hidden=2048, tied=True, final_norm=norm)


def nemotron_h_8b() -> File:
    """nvidia/Nemotron-H-8B-Base-8K: a layer is a state space, attention or a feed-forward."""
    pattern = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
    kinds = {
        "M": mamba2_block(4096, 8192, 128, 128, 8),
        "*": attention(4096, 4096, 1024),
        "-": {"ffn_up.weight": [4096, 21504], "ffn_down.weight": [21504, 4096]},
    }
    blocks = [kinds[kind] | norms(4096, "attn_norm") for kind in pattern]
    keys = space_keys(8192, 128, 128, 8)
    keys |= head_keys(32, [8 if kind == "*" else 0 for kind in pattern], 128)
    keys["feed_forward_length"] = [21504 if kind == "-" else 0 for kind in pattern]
    return file("nemotron_h", blocks, keys, vocab=131072, hidden=4096)


def gemma_3n_e4b() -> File:
    """google/gemma-3n-E4B-it: the last 15 layers read the cache of earlier ones, though they hold
    keys and values; both embeddings are padded to the vocabulary of pictures and sounds."""
    block = attention(2048, 2048, 512, norm=256) | gated(2048, 16384) | norms(2048)
    block |= norms(2048, "post_attention_norm", "post_ffw_norm", "post_norm", "laurel_post_norm")
    block |= norms(2048, "altup_correct_scale", "altup_router_norm")
    block |= {
        "inp_gate.weight": [2048, 256],
        "proj.weight": [256, 2048],
        "altup_correct_coef.weight": [4, 4],
        "altup_predict_coef.weight": [4, 16],
        "altup_router.weight": [2048, 4],
        "laurel_l.weight": [2048, 64],
        "laurel_r.weight": [64, 2048],
    }
    keys = head_keys(8, 2, 256) | {"feed_forward_length": [16384] * 35}
    keys |= {"attention.sliding_window": 512, "attention.shared_kv_layers": 15}
    keys["attention.sliding_window_pattern"] = [(index + 1) % 5 != 0 for index in range(35)]
    outside = {
        "per_layer_token_embd.weight": [256 * 35, 262400],
        "per_layer_model_proj.weight": [2048, 256 * 35],
        "per_layer_proj_norm.weight": [256],
        "altup_proj.weight": [2048, 2048, 3],
        "altup_unembd_proj.weight": [2048, 2048, 3],
    }
    return file(
        "gemma3n", [block] * 35, keys, vocab=262400, hidden=2048, tied=True, outside=outside
    )


def jamba_mini() -> File:
    """ai21labs/AI21-Jamba-1.5-Mini: one layer of eight attends, every second has experts."""
    mamba = mamba_block(4096, inner=8192, state=16, rank=256)
    mamba |= {"ssm_dt_norm.weight": [256], "ssm_b_norm.weight": [16], "ssm_c_norm.weight": [16]}
    mixers = {True: attention(4096, 4096, 1024), False: mamba}
    feeds = {True: experts(4096, 14336, 16), False: gated(4096, 14336)}
    blocks = [mixers[i % 8 == 4] | feeds[i % 2 == 1] | norms(4096) for i in range(32)]
    keys = space_keys(8192, 16, 256, 0)
    del keys["ssm.group_count"]
    keys |= head_keys(32, [8 if index % 8 == 4 else 0 for index in range(32)])
    keys |= {"feed_forward_length": 14336, "expert_count": 16, "expert_used_count": 2}
    return file("jamba", blocks, keys, vocab=65536, hidden=4096)


def kimi_linear_48b() -> File:
    """moonshotai/Kimi-Linear-48B-A3B-Instruct: delta attention beside latent attention."""
    attends = {3, 7, 11, 15, 19, 23, 26}
    delta = {f"ssm_conv1d_{each}.weight": [4, 1, 4096] for each in "qkv"}
    delta |= {f"attn_{each}.weight": [2304, 4096] for each in "qkv"}
    delta |= {f"ssm_{each}_a.weight": [2304, 128] for each in "fg"}
    delta |= {f"ssm_{each}_b.weight": [128, 4096] for each in "fg"}
    delta |= {"ssm_beta.weight": [2304, 32], "ssm_a": [1, 32], "ssm_dt.bias": [4096]}
    delta |= {"ssm_norm.weight": [128], "attn_output.weight": [4096, 2304]}
    latent = {
        "attn_q.weight": [2304, 32 * 192],
        "attn_kv_a_mqa.weight": [2304, 576],
        "attn_kv_a_norm.weight": [512],
        "attn_k_b.weight": [128, 512, 32],
        "attn_v_b.weight": [512, 128, 32],
        "attn_output.weight": [4096, 2304],
    }
    sparse = experts(2304, 1024, 256, shared=1024) | {"exp_probs_b.bias": [256]}
    blocks = [
        (latent if index in attends else delta)
        | (sparse if index else gated(2304, 9216))
        | norms(2304)
        for index in range(27)
    ]
    keys = head_keys(32, [1 if index in attends else 0 for index in range(27)])
    keys |= {"attention.kv_lora_rank": 512, "attention.key_length": 576, "kda.head_dim": 128}
    keys |= {"attention.value_length": 512, "attention.key_length_mla": 192, "ssm.conv_kernel": 4}
    keys |= {"attention.value_length_mla": 128, "rope.dimension_count": 64}
    keys |= {"expert_count": 256, "expert_used_count": 8, "expert_feed_forward_length": 1024}
    return file("kimi-linear", blocks, keys, vocab=163840, hidden=2304)


def gemma_4_e2b() -> File:
    """google/gemma-4-E2B-it, its text: wider heads where nothing slides, and 20 layers without a
    cache of their own (nor keys and values)."""
    blocks = []
    for index in range(35):
        length, own = (512 if (index + 1) % 5 == 0 else 256), index < 15
        mixer = attention(1536, 8 * length, length, norm=length)
        if not own:
            mixer = {name: size for name, size in mixer.items() if "_k" not in name}
            del mixer["attn_v.weight"]
        block = mixer | gated(1536, 6144 if own else 12288) | norms(1536)
        block |= norms(1536, "post_attention_norm", "post_ffw_norm", "post_norm")
        block |= {"inp_gate.weight": [1536, 256], "proj.weight": [256, 1536]}
        blocks.append(block | {"layer_output_scale.weight": [1]})
    keys = head_keys(8, 1, 512) | {"attention.key_length_swa": 256}
    keys |= {"attention.value_length_swa": 256, "attention.shared_kv_layers": 20}
    keys |= {"attention.sliding_window": 512, "embedding_length_per_layer_input": 256}
    keys["attention.sliding_window_pattern"] = [(index + 1) % 5 != 0 for index in range(35)]
    keys["feed_forward_length"] = [6144 if index < 15 else 12288 for index in range(35)]
    outside = {
        "per_layer_token_embd.weight": [256 * 35, 262144],
        "per_layer_model_proj.weight": [1536, 256 * 35],
        "per_layer_proj_norm.weight": [256],
    }
    return file("gemma4", blocks, keys, vocab=262144, hidden=1536, tied=True, outside=outside)


def minimax_text_01() -> File:
    """MiniMaxAI/MiniMax-Text-01-hf: seven layers of lightning attention to each full one."""
    linear = {
        "attn_norm_2.weight": [8192],
        "attn_qkv.weight": [6144, 3 * 8192],
        "attn_gate.weight": [6144, 8192],
        "attn_output.weight": [8192, 6144],
    }
    attends = attention(6144, 8192, 1024)
    both = experts(6144, 9216, 32) | norms(6144)
    blocks = [(linear if (index + 1) % 8 else attends) | both for index in range(80)]
    keys = head_keys(64, 8, 128) | {"expert_count": 32, "expert_used_count": 2}
    return file("minimax-01", blocks, keys, vocab=200064, hidden=6144)


def rwkv7_15b() -> File:
    """fla-hub/rwkv7-1.5B-world; the first layer's value residual is stored, though not trained."""
    h, ranks = 2048, {"w": 96, "a": 96, "v": 64, "g": 256}
    block: Block = {"time_mix_lerp_fused.weight": [h, 1, 1, 6]}
    for each, rank in ranks.items():
        block |= {f"time_mix_{each}1.weight": [h, rank], f"time_mix_{each}2.weight": [rank, h]}
    block |= {f"time_mix_{each}0.weight": [h] for each in "wav"}
    block |= {f"time_mix_{each}.weight": [h] for each in ("k_k", "k_a", "r_k", "ln")}
    block |= {f"time_mix_{each}.weight": [h, h] for each in ("key", "value", "receptance")}
    block |= {"time_mix_output.weight": [h, h], "time_mix_ln.bias": [h]}
    block |= {"channel_mix_lerp_k.weight": [h, 1, 1], "channel_mix_key.weight": [h, 8192]}
    block |= {"channel_mix_value.weight": [8192, h]}
    block |= norms(h, "attn_norm", "attn_norm_2")
    block |= {"attn_norm.bias": [h], "attn_norm_2.bias": [h]}
    keys = {"attention.head_count": 0, "wkv.head_size": 64, "feed_forward_length": 8192}
    outside = {"token_embd_norm.weight": [h], "token_embd_norm.bias": [h], "output_norm.bias": [h]}
    return file("rwkv7", [block] * 24, keys, vocab=65536, hidden=h, outside=outside)


def nemotron_super_sketch() -> File:
    """Three layers of Llama-3.3-Nemotron-Super-49B: full, without attention, and linear."""
    full = attention(8192, 8192, 1024) | norms(8192, "attn_norm")
    linear = {"attn_output.weight": [8192, 8192]} | norms(8192, "attn_norm")
    feed = gated(8192, 28672) | norms(8192, "ffn_norm")
    keys = {"attention.head_count": [64, 0, 64], "attention.head_count_kv": [8, 0, 0]}
    keys |= {"attention.key_length": 128, "attention.value_length": 128}  # type: ignore[dict-item]
    return file("deci", [full | feed, feed, linear | feed], keys, vocab=128256, hidden=8192)
