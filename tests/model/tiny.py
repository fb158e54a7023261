"""Configs of two to six layers and few parameters, one for each recurrent or hybrid kind: small
enough to run, odd enough that no two widths are equal by accident."""

from __future__ import annotations

from typing import Any

COMMON: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 80,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 10,
    "linear_value_head_dim": 14,
    "linear_conv_kernel_dim": 4,
}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "shared_expert_intermediate_size": 40,
}
LATENT = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 20,
    "q_lora_rank": None,
    "qk_rope_head_dim": 6,
    "qk_nope_head_dim": 10,
    "v_head_dim": 12,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "num_experts_per_token": 2,
    "moe_intermediate_size": 24,
    "n_group": 1,
    "topk_group": 1,
}
QWEN = {**DELTA, "head_dim": 16, "full_attention_interval": 2}
FALCON = {"mamba_n_heads": 4, "mamba_d_head": 18, "mamba_d_ssm": 72, "mamba_d_state": 10}
HYBRID = {"layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"]}

TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "mamba": ("MambaForCausalLM", {"state_size": 6, "intermediate_size": 96, "conv_kernel": 3}),
    "falcon_mamba": ("FalconMambaForCausalLM", {"state_size": 6, "intermediate_size": 96}),
    "mamba2": (
        "Mamba2ForCausalLM",
        {"num_heads": 8, "head_dim": 12, "state_size": 10, "n_groups": 2, "chunk_size": 16},
    ),
    "jamba": (
        "JambaForCausalLM",
        {
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 3,
            "mamba_d_state": 6,
            "use_mamba_kernels": False,
        },
    ),
    "falcon_h1": ("FalconH1ForCausalLM", {**FALCON, "head_dim": 16, "mamba_chunk_size": 16}),
    "granitemoehybrid": (
        "GraniteMoeHybridForCausalLM",
        {
            "layer_types": ["linear_attention", "full_attention"] * 2,
            "num_local_experts": 3,
            "mamba_n_heads": 6,
            "mamba_d_state": 10,
            "mamba_chunk_size": 16,
            "shared_intermediate_size": 56,
        },
    ),
    "nemotron_h": (
        "NemotronHForCausalLM",
        {
            "hybrid_override_pattern": "M-*E",
            "head_dim": 16,
            "mamba_num_heads": 6,
            "mamba_head_dim": 14,
            "ssm_state_size": 10,
            "n_groups": 2,
            "chunk_size": 16,
            "n_routed_experts": 4,
            "moe_intermediate_size": 24,
            "moe_shared_expert_intermediate_size": 40,
            "moe_latent_size": 32,
        },
    ),
    "zamba": (
        "ZambaForCausalLM",
        {
            **HYBRID,
            "num_key_value_heads": 4,
            "mamba_d_state": 6,
            "use_mamba_kernels": False,
        },
    ),
    "zamba2": (
        "Zamba2ForCausalLM",
        {
            **HYBRID,
            "num_key_value_heads": 4,
            "n_mamba_heads": 6,
            "mamba_d_state": 10,
            "num_mem_blocks": 2,
            "adapter_rank": 8,
            "chunk_size": 16,
            "use_shared_attention_adapter": True,
        },
    ),
    "qwen3_next": ("Qwen3NextForCausalLM", {**QWEN, **EXPERTS}),
    "olmo_hybrid": ("OlmoHybridForCausalLM", DELTA),
    "kimi_linear": (
        "KimiLinearForCausalLM",
        {
            **LATENT,
            "linear_attn_config": {
                "kda_layers": [1, 2, 4],
                "full_attn_layers": [3],
                "head_dim": 14,
                "num_heads": 3,
                "short_conv_kernel_size": 3,
            },
        },
    ),
    "bailing_hybrid": (
        "BailingHybridForCausalLM",
        {**LATENT, "layer_group_size": 2, "linear_head_dim": 128, "linear_num_heads": 4},
    ),
    "minimax": (
        "MiniMaxForCausalLM",
        {"head_dim": 14, "num_local_experts": 3, "block_size": 16},
    ),
    "lfm2": ("Lfm2ForCausalLM", {"full_attn_idxs": [1, 3]}),
    "lfm2_moe": (
        "Lfm2MoeForCausalLM",
        {
            "layer_types": ["conv", "full_attention", "conv", "conv"],
            "num_dense_layers": 1,
            **EXPERTS,
        },
    ),
    "lfm3": (
        "Lfm3ForCausalLM",
        {"num_hidden_layers": 6, "head_dim": 14, "sliding_window": 9, "conv_L_cache": 5},
    ),
    "recurrent_gemma": (
        "RecurrentGemmaForCausalLM",
        {"num_key_value_heads": 1, "attention_window_size": 9, "intermediate_size": 160},
    ),
    "xlstm": ("xLSTMForCausalLM", {"num_heads": 2, "hidden_size": 128, "chunk_size": 16}),
    "zaya": (
        "ZayaForCausalLM",
        {**EXPERTS, "num_experts_per_tok": 1, "head_dim": 12, "router_hidden_size": 20},
    ),
}

INDEXED = {
    **LATENT,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 0,
    "index_head_dim": 14,
    "index_n_heads": 2,
    "index_topk": 16,
    "index_kpool": 4,
    "linear_head_dim": 16,
    "linear_num_heads": 3,
    "n_routed_experts": 4,
    "hc_mult": 2,
    "mlp_layer_types": ["dense", "dense", "sparse", "sparse"],
}
VISION = {
    "hidden_size": 32,
    "depth": 1,
    "num_heads": 2,
    "intermediate_size": 40,
    "out_hidden_size": 48,
    "projection_intermediate_size": 56,
}
COMPOSITE: dict[str, tuple[str, dict[str, Any]]] = {
    "glm5_next": ("Glm5NextForConditionalGeneration", INDEXED),
    "qwen3_5": ("Qwen3_5ForConditionalGeneration", QWEN),
    "qwen3_5_moe": ("Qwen3_5MoeForConditionalGeneration", {**QWEN, **EXPERTS}),
}


def tiny(model_type: str) -> dict[str, Any]:
    """The whole config of the tiny model of this type."""
    if model_type in COMPOSITE:
        architecture, text = COMPOSITE[model_type]
        parts = {"text_config": {**COMMON, **text}, "vision_config": VISION}
        return {"model_type": model_type, "architectures": [architecture], **parts}
    architecture, own = TINY[model_type]
    return {**COMMON, "model_type": model_type, "architectures": [architecture], **own}
