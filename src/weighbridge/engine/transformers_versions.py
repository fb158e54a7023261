"""What changed between versions of Transformers, as far as memory sees it.

Each rule says from which version it holds and where that was read.
"""

from __future__ import annotations

from weighbridge.model.facts import Model

Version = tuple[int, int, int]

LAST_LOGITS_ONLY: Version = (4, 45, 0)
ROTARY_TABLES_UNTIL: Version = (4, 43, 0)
LATENT_CACHE: Version = (5, 0, 0)
SDPA_DEFAULT: Version = (4, 36, 0)
QUANTIZED_CACHE_FP8: Version = (5, 23, 0)
BOUNDED_WINDOWS: Version = (4, 56, 0)


def logits_for_whole_prompt(model: Model, version: Version) -> bool:
    """Whether prefill computes logits for every prompt token instead of the last one."""
    return version < LAST_LOGITS_ONLY


def rotary_tables_per_layer(model: Model, version: Version) -> bool:
    """Whether each layer keeps cosine and sine tables for every position."""
    return version < ROTARY_TABLES_UNTIL


def caches_latent(version: Version) -> bool:
    """Whether latent attention caches the latent rather than expanded heads."""
    return version >= LATENT_CACHE


def bounds_windows(model: Model, version: Version) -> bool:
    """Whether a dynamic cache drops what has left a layer's window."""
    return version >= BOUNDED_WINDOWS
