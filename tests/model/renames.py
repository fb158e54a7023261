"""What Transformers 5.23 renames and joins in memory against the files (its
``conversion_mapping.py``), by model_type."""

from __future__ import annotations

import re
from collections.abc import Mapping

Named = dict[str, tuple[int, ...]]

FORGET_GATE = [
    (r"self_attn\.(f_a_proj|f_b_proj|f_proj)\.", r"self_attn.forget_gate.\1."),
    (r"self_attn\.(dt_bias|A_log)$", r"self_attn.forget_gate.\1"),
]
ROTARY_BERT = [
    (r"^encoder\.layers", "layers"),
    (r"^emb_ln", "embeddings.LayerNorm"),
    (r"(attn|mixer)\.out_proj", "self_attn.o_proj"),
    ("norm1", "post_attention_layernorm"),
    ("norm2", "post_mlp_layernorm"),
]
RENAMES: Mapping[str, list[tuple[str, str]]] = {
    "bailing_hybrid": [
        (r"^model\.word_embeddings\.", "model.embed_tokens."),
        (r"\.attention\.", ".self_attn."),
        (r"\.self_attn\.dense\.", ".self_attn.o_proj."),
        *FORGET_GATE,
    ],
    "glm5_next": [
        *FORGET_GATE,
        (r"\.hc_(attn|ffn)_(fn|base|scale)$", r".\1_hc.\2"),
    ],
    "gpt_neox": [(r"^embed_out\.", "lm_head.")],
    "granitemoehybrid": [
        (r"block_sparse_moe\.input_linear\.weight", "block_sparse_moe.experts.gate_up_proj"),
        (r"block_sparse_moe\.output_linear\.weight", "block_sparse_moe.experts.down_proj"),
        (r"block_sparse_moe\.router\.layer\.weight", "block_sparse_moe.router.weight"),
    ],
    "jina_embeddings_v3": ROTARY_BERT,
    "kimi_linear": [*FORGET_GATE, (r"\.block_sparse_moe\.", ".mlp.")],
    "lfm3": [(r"\.self_attn\.gate_proj\.", ".self_attn.g_proj.")],
    "nemotron_h": [(r"^backbone\.", "model.")],
    "nomic_bert": [
        *ROTARY_BERT,
        ("fc11", "up_proj"),
        ("fc12", "gate_proj"),
        ("fc2", "down_proj"),
    ],
    "olmo_hybrid": [
        ("attention_layer_norm", "input_layernorm"),
        ("feedforward_layer_norm", "post_attention_layernorm"),
    ],
}
CUT = re.compile(r"\.(attn|mixer)\.Wqkv\.")
CUT_IN_THREE = ("jina_embeddings_v3", "nomic_bert")
JOINED = re.compile(r"\.[qkv]_conv1d\.weight$")


def as_in_memory(model_type: str, named: Named) -> Named:
    """Tensors by the names, and joined or cut as, the class holds them."""
    result: Named = {}
    for name, shape in named.items():
        for pattern, replacement in RENAMES.get(model_type, []):
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        if JOINED.search(name):
            name = JOINED.sub(".conv1d.weight", name)  # noqa: PLW2901
            before = result.get(name, (0,))[0]
            shape = (before + shape[0], *shape[1:])  # noqa: PLW2901
        if model_type in CUT_IN_THREE and CUT.search(name):
            for part in ("q", "k", "v"):
                result[CUT.sub(f".self_attn.{part}_proj.", name)] = (shape[0] // 3, *shape[1:])
            continue
        result[name] = shape
    return result
