"""Options of vLLM, under its own names (vllm/engine/arg_utils.py)."""

from __future__ import annotations

from weighbridge.options import Option
from weighbridge.options.common import PARALLEL, SERVING

TAKES = frozenset({*SERVING, *PARALLEL})
OPTIONS = (
    Option("enforce_eager", "no CUDA graphs", kind="flag"),
    Option("block_size", "tokens of a cache block", "TOKENS", kind="count"),
    Option("enable_prefix_caching", "share the cache of equal prefixes", kind="flag"),
    Option("enable_chunked_prefill", "cut long prompts into steps", kind="flag"),
    Option("async_scheduling", "plan the next step while this one runs", kind="flag"),
    Option("quantization", "how weights are quantized on loading", "NAME"),
    Option("load_format", "how weights are loaded", "NAME"),
    Option("cpu_offload_gb", "GiB of weights of each device that stay in host memory", "GIB",
           kind="number"),
    Option("swap_space", "GiB of host memory per device for preempted sequences (V0)", "GIB",
           kind="number"),
    Option("num_gpu_blocks_override", "blocks of the cache, instead of what was profiled", "N",
           kind="count"),
    Option("speculative_method", "how drafts are made: mtp, eagle3, ngram, draft_model", "NAME"),
    Option("speculative_model", "the model that drafts", "MODEL"),
    Option("num_speculative_tokens", "tokens drafted a step", "N", kind="count"),
    Option("enable_lora", "keep slots for LoRA adapters", kind="flag"),
    Option("max_loras", "adapters in one batch", "N", kind="count"),
    Option("max_lora_rank", "largest rank of an adapter", "N", kind="count"),
    Option("mamba_cache_dtype", "type of convolution states", "TYPE"),
    Option("mamba_ssm_cache_dtype", "type of recurrent states", "TYPE"),
    Option("mamba_cache_mode", "which states are kept: none, align, all", "NAME"),
    Option("disable_hybrid_kv_cache_manager", "keep every token of sliding layers", kind="flag"),
    Option("max_cudagraph_capture_size", "largest batch that is captured", "N", kind="count"),
    Option("limit_mm_per_prompt", "most images, videos and audios of a prompt, as JSON", "JSON"),
    Option("language_model_only", "leave vision and audio towers out", kind="flag"),
    Option("skip_mm_profiling", "do not profile the towers", kind="flag"),
    Option("moe_backend", "kernels of the experts: auto, triton, marlin", "NAME"),
    Option("use_v1", "which core runs where both can (VLLM_USE_V1)", kind="flag"),
    Option("expert_placement_strategy", "how experts are laid out: linear, round_robin", "NAME"),
)  # fmt: skip
