"""Options of TensorRT-LLM beside the common ones (trtllm-serve, LlmArgs).

``gpu_memory_utilization`` is its ``free_gpu_memory_fraction``, of what is free after loading;
``max_num_seqs`` its ``max_batch_size``, ``max_num_batched_tokens`` its ``max_num_tokens``.
"""

from __future__ import annotations

from weighbridge.options import Option
from weighbridge.options.common import PARALLEL, SERVING

TAKES = frozenset({*SERVING, *PARALLEL} - {"decode_context_parallel_size"})
OPTIONS = (
    Option("tokens_per_block", "tokens of a cache block", "TOKENS", kind="count"),
    Option("max_tokens", "tokens of the cache, instead of what is left", "TOKENS", kind="count"),
    Option("backend", "pytorch, tensorrt or _autodeploy", "NAME"),
    Option("moe_expert_parallel_size", "ranks over which experts are spread", "N", kind="count"),
    Option("moe_tensor_parallel_size", "ranks that share each expert", "N", kind="count"),
    Option("enable_attention_dp", "data parallel attention", kind="flag"),
    Option("enable_chunked_prefill", "cut long prompts into steps", kind="flag"),
    Option("max_beam_width", "beams of a request", "N", kind="count"),
    Option("cuda_graph_max_batch_size", "largest batch that is captured", "N", kind="count"),
)  # fmt: skip
