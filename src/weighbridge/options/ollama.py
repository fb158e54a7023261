"""Options of Ollama (Modelfile parameters and environment variables).

``max_model_len`` is ``num_ctx``, ``max_num_seqs`` is ``OLLAMA_NUM_PARALLEL``.
"""

from __future__ import annotations

from weighbridge.options import Option

TAKES = frozenset(
    {"on", "engine", "weights", "kv_cache_dtype", "max_model_len", "max_num_seqs",
     "max_num_batched_tokens", "calibration"}
)  # fmt: skip
OPTIONS = (
    Option("num_gpu", "layers on the GPU", "N", kind="count"),
    Option("flash_attention", "OLLAMA_FLASH_ATTENTION", kind="flag"),
    Option("sched_spread", "OLLAMA_SCHED_SPREAD: use every GPU", kind="flag"),
    Option("gpu_overhead", "OLLAMA_GPU_OVERHEAD: bytes left free on each GPU", "SIZE",
           kind="size"),
)  # fmt: skip
