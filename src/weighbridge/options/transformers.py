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
        "calibration",
    }
)
OPTIONS = (
    Option("device_map", "how layers are placed: auto, balanced, balanced_low_0, sequential, or a "
           "map of modules as JSON", "NAME"),
    Option("max_memory", "limits of the placement: 0=20GiB,cpu=60GiB", "LIMITS"),
)  # fmt: skip
