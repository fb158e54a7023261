"""Options of SGLang beside the common ones (sglang/srt/server_args.py).

``mem_fraction_static`` is ``gpu_memory_utilization`` here, ``max_running_requests`` is
``max_num_seqs``, ``context_length`` is ``max_model_len``.
"""

from __future__ import annotations

from weighbridge.options import Option
from weighbridge.options.common import PARALLEL, SERVING

TAKES = frozenset({*SERVING, *PARALLEL} - {"decode_context_parallel_size", "kv_cache_memory"})
OPTIONS = (
    Option("chunked_prefill_size", "tokens of one chunk of prefill", "TOKENS", kind="count"),
    Option("max_total_tokens", "tokens of the pool, instead of what is left", "TOKENS",
           kind="count"),
    Option("page_size", "tokens of a page", "TOKENS", kind="count"),
    Option("cuda_graph_max_bs", "largest batch that is captured", "N", kind="count"),
    Option("disable_cuda_graph", "no CUDA graphs", kind="flag"),
    Option("quantization", "how weights are quantized on loading", "NAME"),
    Option("swa_full_tokens_ratio", "tokens of sliding layers per token of full ones", "SHARE",
           kind="number"),
    Option("disable_hybrid_swa_memory", "keep every token of sliding layers", kind="flag"),
    Option("mamba_full_memory_ratio", "state pool per KV pool", "SHARE", kind="number"),
    Option("max_mamba_cache_size", "slots of the state pool", "N", kind="count"),
    Option("mamba_ssm_dtype", "type of recurrent states", "TYPE"),
    Option("enable_dp_attention", "data parallel attention", kind="flag"),
    Option("cpu_offload_gb", "GiB of weights that stay in host memory", "GIB", kind="number"),
    Option("speculative_algorithm", "EAGLE, EAGLE3, NEXTN, STANDALONE, NGRAM", "NAME"),
    Option("speculative_num_draft_tokens", "tokens drafted a step", "N", kind="count"),
    Option("speculative_num_steps", "steps of the draft model", "N", kind="count"),
    Option("speculative_draft_model_path", "the model that drafts", "MODEL"),
)  # fmt: skip
