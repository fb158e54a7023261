"""Options of Hugging Face Transformers; ``max_num_seqs`` is the batch."""

from __future__ import annotations

from weighbridge.options import Option

TAKES = frozenset(
    {
        "on",
        "engine",
        "weights",
        "kv_cache_dtype",
        "attn_implementation",
        "cache_implementation",
        "max_model_len",
        "max_num_seqs",
    }
)
OPTIONS: tuple[Option, ...] = ()
