"""What Transformers 5.23 renames and joins in memory against the files of recurrent and hybrid
models (its ``conversion_mapping.py``), by model_type."""

from __future__ import annotations

import re
from collections.abc import Mapping

Named = dict[str, tuple[int, ...]]

FORGET_GATE = [
    (r"self_attn\.(f_a_proj|f_b_proj|f_proj)\.", r"self_attn.forget_gate.\1."),
    (r"self_attn\.(dt_bias|A_log)$", r"self_attn.forget_gate.\1"),
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
    "granitemoehybrid": [
        (r"block_sparse_moe\.input_linear\.weight", "block_sparse_moe.experts.gate_up_proj"),
        (r"block_sparse_moe\.output_linear\.weight", "block_sparse_moe.experts.down_proj"),
        (r"block_sparse_moe\.router\.layer\.weight", "block_sparse_moe.router.weight"),
    ],
    "kimi_linear": [*FORGET_GATE, (r"\.block_sparse_moe\.", ".mlp.")],
    "lfm3": [(r"\.self_attn\.gate_proj\.", ".self_attn.g_proj.")],
    "nemotron_h": [(r"^backbone\.", "model.")],
    "olmo_hybrid": [
        ("attention_layer_norm", "input_layernorm"),
        ("feedforward_layer_norm", "post_attention_layernorm"),
    ],
}
JOINED = re.compile(r"\.[qkv]_conv1d\.weight$")


def as_in_memory(model_type: str, named: Named) -> Named:
    """Tensors by the names, and joined as, the class holds them."""
    result: Named = {}
    for name, shape in named.items():
        for pattern, replacement in RENAMES.get(model_type, []):
            name = re.sub(pattern, replacement, name)  # noqa: PLW2901
        if JOINED.search(name):
            name = JOINED.sub(".conv1d.weight", name)  # noqa: PLW2901
            before = result.get(name, (0,))[0]
            shape = (before + shape[0], *shape[1:])  # noqa: PLW2901
        result[name] = shape
    return result
