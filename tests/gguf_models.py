"""GGUF files of well-known models: their real metadata and tensors, their data a hole.

Shapes are those of the published configs; names and metadata are what llama.cpp's converters write
(convert_hf_to_gguf.py of 2026-11).
"""

from __future__ import annotations

from typing import Any

Metadata = dict[str, Any]
Tensors = dict[str, tuple[list[int], str]]


def model(
    architecture: str,
    *,
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    intermediate: int,
    vocab: int,
    tied: bool = False,
    experts: tuple[int, int, int] | None = None,
    kind: str = "F16",
    qk_norm: bool = False,
    bias: bool = False,
    post_norms: bool = False,
    rope_freqs: bool = False,
    **keys: Any,
) -> tuple[Metadata, Tensors]:
    """A decoder with grouped-query attention; ``experts`` are (count, used, width)."""
    tensors: Tensors = {"token_embd.weight": ([hidden, vocab], kind)}
    queries, pairs = heads * head_dim, kv_heads * head_dim
    if rope_freqs:
        tensors["rope_freqs.weight"] = ([head_dim // 2], "F32")
    for index in range(layers):
        block = {
            "attn_norm.weight": [hidden],
            "attn_q.weight": [hidden, queries],
            "attn_k.weight": [hidden, pairs],
            "attn_v.weight": [hidden, pairs],
            "attn_output.weight": [queries, hidden],
            "ffn_norm.weight": [hidden],
        }
        if qk_norm:
            block |= {"attn_q_norm.weight": [head_dim], "attn_k_norm.weight": [head_dim]}
        if bias:
            block |= {"attn_q.bias": [queries], "attn_k.bias": [pairs], "attn_v.bias": [pairs]}
        if post_norms:
            block |= {"post_attention_norm.weight": [hidden], "post_ffw_norm.weight": [hidden]}
        if experts:
            count, _, width = experts
            block |= {
                "ffn_gate_inp.weight": [hidden, count],
                "ffn_gate_exps.weight": [hidden, width, count],
                "ffn_down_exps.weight": [width, hidden, count],
                "ffn_up_exps.weight": [hidden, width, count],
            }
        else:
            block |= {
                "ffn_gate.weight": [hidden, intermediate],
                "ffn_down.weight": [intermediate, hidden],
                "ffn_up.weight": [hidden, intermediate],
            }
        for name, dimensions in block.items():
            wide = len(dimensions) == 1 or "ffn_gate_inp" in name
            tensors[f"blk.{index}.{name}"] = (dimensions, "F32" if wide else kind)
    tensors["output_norm.weight"] = ([hidden], "F32")
    if not tied:
        tensors["output.weight"] = ([hidden, vocab], kind)
    metadata: Metadata = {
        "general.architecture": architecture,
        "general.file_type": {"F32": 0, "F16": 1, "BF16": 32, "Q8_0": 7, "Q4_0": 2}.get(kind, 15),
        f"{architecture}.block_count": layers,
        f"{architecture}.context_length": 131_072,
        f"{architecture}.embedding_length": hidden,
        f"{architecture}.feed_forward_length": intermediate,
        f"{architecture}.attention.head_count": heads,
        f"{architecture}.attention.head_count_kv": kv_heads,
        f"{architecture}.attention.key_length": head_dim,
        f"{architecture}.attention.value_length": head_dim,
        f"{architecture}.rope.dimension_count": head_dim,
    }
    if experts:
        metadata |= {
            f"{architecture}.expert_count": experts[0],
            f"{architecture}.expert_used_count": experts[1],
            f"{architecture}.expert_feed_forward_length": experts[2],
        }
    metadata |= {f"{architecture}.{key.replace('__', '.')}": keys[key] for key in keys}
    metadata["tokenizer.ggml.tokens"] = [f"t{number}" for number in range(min(vocab, 500))]
    return metadata, tensors


def llama_31_8b(kind: str = "F16") -> tuple[Metadata, Tensors]:
    """Llama-3.1-8B."""
    return model(
        "llama",
        layers=32,
        hidden=4096,
        heads=32,
        kv_heads=8,
        head_dim=128,
        intermediate=14336,
        vocab=128256,
        rope_freqs=True,
        kind=kind,
    )


def qwen3_4b(kind: str = "F16") -> tuple[Metadata, Tensors]:
    """Qwen3-4B, whose heads are wider than hidden / heads."""
    return model(
        "qwen3",
        layers=36,
        hidden=2560,
        heads=32,
        kv_heads=8,
        head_dim=128,
        intermediate=9728,
        vocab=151936,
        tied=True,
        qk_norm=True,
        kind=kind,
    )


def qwen3_30b(kind: str = "Q4_K") -> tuple[Metadata, Tensors]:
    """Qwen3-30B-A3B."""
    return model(
        "qwen3moe",
        layers=48,
        hidden=2048,
        heads=32,
        kv_heads=4,
        head_dim=128,
        intermediate=6144,
        vocab=151936,
        qk_norm=True,
        experts=(128, 8, 768),
        kind=kind,
    )


def gemma3_27b(kind: str = "Q4_0", **keys: Any) -> tuple[Metadata, Tensors]:
    """Gemma-3-27B: five sliding layers to each full one."""
    keys = {"attention__sliding_window": 1024, **keys}
    return model(
        "gemma3",
        layers=62,
        hidden=5376,
        heads=32,
        kv_heads=16,
        head_dim=128,
        intermediate=21504,
        vocab=262208,
        tied=True,
        qk_norm=True,
        post_norms=True,
        kind=kind,
        **keys,
    )


def deepseek_v3(*, old: bool = False, kind: str = "Q4_K") -> tuple[Metadata, Tensors]:
    """DeepSeek-V3; ``old`` is how it was converted before ``key_length_mla``."""
    hidden, heads, rank, rope, nope, value = 7168, 128, 512, 64, 128, 128
    tensors: Tensors = {"token_embd.weight": ([hidden, 129280], kind)}
    for index in range(61):
        block: dict[str, list[int]] = {
            "attn_norm.weight": [hidden],
            "attn_q_a_norm.weight": [1536],
            "attn_kv_a_norm.weight": [rank],
            "attn_q_a.weight": [hidden, 1536],
            "attn_q_b.weight": [1536, heads * (nope + rope)],
            "attn_kv_a_mqa.weight": [hidden, rank + rope],
            "attn_output.weight": [heads * value, hidden],
            "ffn_norm.weight": [hidden],
        }
        if old:
            block["attn_kv_b.weight"] = [rank, heads * (nope + value)]
        else:
            block |= {
                "attn_k_b.weight": [nope, rank, heads],
                "attn_v_b.weight": [rank, value, heads],
            }
        if index < 3:
            block |= {
                "ffn_gate.weight": [hidden, 18432],
                "ffn_down.weight": [18432, hidden],
                "ffn_up.weight": [hidden, 18432],
            }
        else:
            block |= {
                "ffn_gate_inp.weight": [hidden, 256],
                "exp_probs_b.bias": [256],
                "ffn_gate_exps.weight": [hidden, 2048, 256],
                "ffn_down_exps.weight": [2048, hidden, 256],
                "ffn_up_exps.weight": [hidden, 2048, 256],
                "ffn_gate_shexp.weight": [hidden, 2048],
                "ffn_down_shexp.weight": [2048, hidden],
                "ffn_up_shexp.weight": [hidden, 2048],
            }
        for name, dimensions in block.items():
            wide = len(dimensions) == 1 or "ffn_gate_inp" in name
            odd = dimensions[0] % 256 != 0
            tensors[f"blk.{index}.{name}"] = (
                dimensions,
                "F32" if wide else "Q8_0" if odd else kind,
            )
    tensors["output_norm.weight"] = ([hidden], "F32")
    tensors["output.weight"] = ([hidden, 129280], "Q6_K")
    keys = {
        "block_count": 61,
        "context_length": 163_840,
        "embedding_length": hidden,
        "feed_forward_length": 18432,
        "attention.head_count": heads,
        "attention.head_count_kv": heads if old else 1,
        "attention.q_lora_rank": 1536,
        "attention.kv_lora_rank": rank,
        "attention.key_length": nope + rope if old else rank + rope,
        "attention.value_length": value if old else rank,
        "rope.dimension_count": rope,
        "expert_count": 256,
        "expert_used_count": 8,
        "expert_feed_forward_length": 2048,
        "expert_shared_count": 1,
        "leading_dense_block_count": 3,
    }
    if not old:
        keys |= {"attention.key_length_mla": nope + rope, "attention.value_length_mla": value}
    metadata: Metadata = {"general.architecture": "deepseek2", "general.file_type": 15}
    return metadata | {f"deepseek2.{key}": found for key, found in keys.items()}, tensors


def gpt_oss_20b() -> tuple[Metadata, Tensors]:
    """gpt-oss-20b: MXFP4 experts, every second layer sliding, heads of 64."""
    metadata, tensors = model(
        "gpt-oss",
        layers=24,
        hidden=2880,
        heads=64,
        kv_heads=8,
        head_dim=64,
        intermediate=2880,
        vocab=201088,
        experts=(32, 4, 2880),
        kind="Q8_0",
        attention__sliding_window=128,
    )
    for name, (dimensions, _) in list(tensors.items()):
        if "_exps." in name:
            tensors[name] = (dimensions, "MXFP4")
            tensors[name.replace("weight", "bias")] = (dimensions[1:], "F32")
        elif ".attn_norm" in name:
            biases = {"attn_sinks.weight": 64, "attn_q.bias": 4096, "attn_k.bias": 512}
            biases |= {"attn_v.bias": 512, "attn_output.bias": 2880, "ffn_gate_inp.bias": 32}
            block = name.removesuffix("attn_norm.weight")
            tensors |= {block + each: ([width], "F32") for each, width in biases.items()}
    return metadata, tensors


TINY = model(
    "llama", layers=2, hidden=256, heads=8, kv_heads=4, head_dim=32, intermediate=512, vocab=1000
)
PROJECTOR: tuple[Metadata, Tensors] = (
    {"general.architecture": "clip", "general.type": "mmproj"},
    {"v.weight": ([32], "F32")},
)


def split(
    file: tuple[Metadata, Tensors], name: str, count: int
) -> dict[str, tuple[Metadata, Tensors]]:
    """A file in so many parts, as gguf-split makes them."""
    metadata, tensors = file
    names, parts = list(tensors), {}
    most = -(-len(names) // count)
    for number in range(count):
        mine = {each: tensors[each] for each in names[number * most :][:most]}
        keys = metadata if number == 0 else {}
        stated = {"split.no": number, "split.count": count, "split.tensors.count": len(names)}
        parts[f"{name}-{number + 1:05}-of-{count:05}.gguf"] = ({**keys, **stated}, mine)
    return parts
