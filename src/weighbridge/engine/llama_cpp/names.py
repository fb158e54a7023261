"""Names of tensors in GGUF files, from those in checkpoints for Transformers.

Source: gguf-py/gguf/tensor_mapping.py and the converters of llama.cpp (2026-11). A file's own names
are taken as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache

# The first row that matches the end of the name (without .weight or .bias) decides.
ROWS: tuple[tuple[str, str], ...] = (
    (r"embed_tokens_per_layer", "per_layer_token_embd"),
    (r"(?:embed_tokens|wte|word_embeddings|embeddings?|embed_in|tok_embeddings)", "token_embd"),
    (r"(?:lm_head|embed_out)", "output"),
    (r"experts\.(?:\{expert\}\.)?(?:gate_proj|w1)", "ffn_gate_exps"),
    (r"experts\.(?:\{expert\}\.)?(?:up_proj|w3)", "ffn_up_exps"),
    (r"experts\.(?:\{expert\}\.)?(?:down_proj|w2)(?:_bias)?", "ffn_down_exps"),
    (r"experts\.gate_up_proj(?:_bias)?|block_sparse_moe\.input_linear", "ffn_gate_up_exps"),
    (r"block_sparse_moe\.output_linear", "ffn_down_exps"),
    (r"(?:shared_experts?|shared_mlp)\.gate_proj", "ffn_gate_shexp"),
    (r"(?:shared_experts?|shared_mlp)\.up_proj", "ffn_up_shexp"),
    (r"(?:shared_experts?|shared_mlp)\.(?:down_proj|output_linear)", "ffn_down_shexp"),
    (r"shared_mlp\.input_linear", "ffn_gate_up_shexp"),
    (r"shared_expert_gate", "ffn_gate_inp_shexp"),
    (r"(?:mlp\.gate|router(?:\.layer)?|block_sparse_moe\.gate|feed_forward\.gate)", "ffn_gate_inp"),
    (r"e_score_correction_bias", "exp_probs_b"),
    (r"q_a_proj", "attn_q_a"),
    (r"q_a_layernorm", "attn_q_a_norm"),
    (r"q_b_proj", "attn_q_b"),
    (r"kv_a_proj_with_mqa", "attn_kv_a_mqa"),
    (r"kv_a_layernorm", "attn_kv_a_norm"),
    (r"kv_b_proj", "attn_kv_b"),
    (r"(?:qkv_proj|c_attn|Wqkv|query_key_value|W_pack)", "attn_qkv"),
    (r"(?:q_norm|q_layernorm|query_layernorm)", "attn_q_norm"),
    (r"(?:k_norm|k_layernorm|key_layernorm)", "attn_k_norm"),
    (r"(?:q_proj|wq)", "attn_q"),
    (r"(?:k_proj|wk)", "attn_k"),
    (r"(?:v_proj|wv)", "attn_v"),
    (r"linear_attn\.in_proj_qkv", "attn_qkv"),
    (r"linear_attn\.in_proj_z", "attn_gate"),
    (r"linear_attn\.in_proj_qkvz", "ssm_in"),
    (r"linear_attn\.in_proj_ba", "ssm_ba"),
    (r"(?:mamba|mixer|linear_attn)\.in_proj", "ssm_in"),
    (r"(?:mamba|mixer|linear_attn)\.out_proj", "ssm_out"),
    (r"(?:mamba|mixer|linear_attn)\.conv1d", "ssm_conv1d"),
    (r"(?:mamba|mixer|linear_attn)\.norm", "ssm_norm"),
    (r"\w*(?:attn|attention)\.(?:out_proj|c_proj|dense)|o_proj|wo", "attn_output"),
    (r"sinks", "attn_sinks"),
    (r"conv\.in_proj", "shortconv.in_proj"),
    (r"conv\.out_proj", "shortconv.out_proj"),
    (r"conv\.conv", "shortconv.conv"),
    (r"(?:mamba|mixer)\.(dt|b|c)_layernorm", r"ssm_\1_norm"),
    (r"embedding_norm", "token_embd_norm"),
    (r"pre_ff_layernorm", "ffn_norm"),
    (r"x_proj", "ssm_x"),
    (r"dt_proj", "ssm_dt"),
    (r"A_log", "ssm_a"),
    (r"(?:mamba|mixer)\.D", "ssm_d"),
    (r"dt_bias", "ssm_dt"),
    (r"gate_up_proj", "ffn_up"),
    (r"(?:gate_proj|feed_forward\.w1)", "ffn_gate"),
    (r"(?:up_proj|fc1|c_fc|dense_h_to_4h|feed_forward\.w3)", "ffn_up"),
    (r"(?:down_proj|fc2|mlp\.c_proj|dense_4h_to_h|feed_forward\.w2)", "ffn_down"),
    (r"pre_feedforward_layernorm", "ffn_norm"),
    (r"post_feedforward_layernorm", "post_ffw_norm"),
    (r"(?:input_layernorm|ln_1|ln_attn|operator_norm|attention_norm)", "attn_norm"),
    (r"(?:post_attention_layernorm|ln_2|ffn_norm)", "ffn_norm"),
    (r"(?:norm|ln_f|final_layernorm|final_layer_norm|norm_f)", "output_norm"),
)
_COMPILED: list[tuple[re.Pattern[str], str]] = []


@lru_cache(maxsize=4096)
def gguf_name(name: str) -> str:
    """``self_attn.q_proj.weight`` → ``attn_q.weight``; a name that is not known stays."""
    if not _COMPILED:
        _COMPILED.extend((re.compile(rf"(?:^|\.)(?:{row})$"), short) for row, short in ROWS)
    base, dot, ending = name.rpartition(".")
    if ending not in {"weight", "bias"} or not dot:
        base, ending = name, "weight"
    for pattern, short in _COMPILED:
        found = pattern.search(base)
        if found:
            return f"{found.expand(short)}.{ending}"
    return name


def layer_name(layer: int, name: str) -> str:
    """The full name of a layer's tensor: ``blk.3.ffn_up_exps.weight``."""
    return f"blk.{layer}.{inner_name(name)}"


def inner_name(name: str) -> str:
    """The name inside a block, where a plain ``norm`` is the one before the mixer."""
    found = gguf_name(name)
    return (
        found.replace("output_norm.", "attn_norm.") if found.startswith("output_norm.") else found
    )
