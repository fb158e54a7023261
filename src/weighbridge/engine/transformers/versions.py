"""What changed between versions of Transformers, as far as memory sees it.

Read in the wheels of 46 releases from 4.31.0 to 5.23.0; a version here is the first of those in
which the new behaviour was found. Paths are relative to ``transformers/``.
"""

from __future__ import annotations

Version = tuple[int, int, int]

NEWEST: Version = (5, 23, 0)
OLDEST: Version = (4, 31, 0)
ALWAYS: Version = (0, 0, 0)
NEVER: Version = (10**6, 0, 0)

# generate() asks the head for the last position only: num_logits_to_keep, later logits_to_keep
# (generation/utils.py 4.45.0:1903, 4.51.3:2318, 5.23.0:2953). Families not listed always did.
LAST_LOGITS_ONLY: dict[str, Version] = {
    **dict.fromkeys(
        ("llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "gemma", "gemma2", "phi", "phi3"),
        (4, 45, 0),
    ),
    "gpt2": (4, 53, 3),
}

# forward() copies the logits to fp32 (models/*/modeling_*.py: ``logits = logits.float()``).
LOGITS_IN_MODEL_DTYPE: dict[str, Version] = {
    **dict.fromkeys(
        ("llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "gemma", "gemma2", "phi", "phi3"),
        (4, 46, 0),
    ),
}

# Every layer keeps cos and sin for all positions (4.38.2 qwen2:105-122, 4.40.2 llama:112).
WITHOUT_ROTARY_TABLES: dict[str, Version] = {
    "llama": (4, 41, 2),
    "mistral": (4, 42, 4),
    "mixtral": (4, 48, 0),
    "qwen2": (4, 45, 0),
    "qwen2_moe": (4, 45, 0),
    "phi": (4, 45, 0),
}

# Fused experts, and bitsandbytes for the type nn.Linear alone: read in 5.23.0
# (integrations/bitsandbytes.py); 4.x had a module per expert and took subclasses too.
MODULES_PACKED: Version = (5, 0, 0)

# K and V are no longer repeated to all query heads for one layer at a time: FlashAttention paths,
# and sdpa with enable_gqa (integrations/sdpa_attention.py, 4.54.1).
FLASH_WITHOUT_REPEAT: dict[str, Version] = {
    **dict.fromkeys(("mistral", "mixtral", "qwen2", "qwen2_moe", "phi3", "gemma"), (4, 48, 0)),
}
SDPA_CONTIGUOUS: Version = (4, 48, 0)
SDPA_WITHOUT_REPEAT: Version = (4, 54, 1)

# The caller kept the old tuple of K and V beside the new one: twice the cache during decode
# (deleted from 4.42, generation/utils.py 4.42.4:2716).
ONE_CACHE_COPY: dict[str, Version] = {"gpt2": (4, 52, 4)}
ONE_CACHE_COPY_ELSE: Version = (4, 42, 4)

# A dynamic cache drops what has left the window (cache_utils.py 4.56.2, DynamicSlidingWindowLayer);
# Gemma 2 and 3 had the preallocated hybrid cache before.
BOUNDED_WINDOWS: Version = (4, 56, 0)
HYBRID_CACHE = frozenset({"gemma2", "gemma3", "gemma3_text"})

# The window is only a mask: the config names none that the cache would read
# (models/gpt_neo/modeling_gpt_neo.py 5.23.0:62-67).
UNBOUNDED_CACHE = frozenset({"gpt_neo"})

# Grouped KV heads are broadcast to the query heads before the cache's update
# (models/falcon/modeling_falcon.py 5.23.0:254-264, 4.38.2 the same).
REPEATED_BEFORE_CACHED = frozenset({"falcon"})

# DeepSeek caches its latent (models/deepseek_v3/modeling_deepseek_v3.py 5.15.1:461).
LATENT_CACHE: Version = (5, 15, 1)

# Experts run grouped instead of one after the other (modeling_utils.py 5.0.0:1931).
GROUPED_EXPERTS: Version = (5, 0, 0)

# The warm-up allocates one block that weights are then cut from (modeling_utils.py 4.50.3:5802).
WEIGHTS_FROM_ONE_BLOCK: Version = (4, 50, 3)
WARM_UP_COVERS_QUANTIZED: Version = (5, 0, 0)

# Attention weights of eager stay bound through the feed-forward (4.51.3, 5.23.0; not 4.46.0).
EAGER_WEIGHTS_KEPT: Version = (4, 48, 0)

# ``_supports_sdpa`` in models/*/modeling_*.py: first version with it, and families that lost it.
SDPA_FROM: dict[str, Version] = {
    "gpt2": (4, 42, 4),
    "phi": (4, 40, 2),
    "phi3": (4, 46, 3),
    "bert": (4, 42, 4),
    "gpt_oss": NEVER,
}
SDPA_FROM_ELSE: Version = (4, 38, 0)
SDPA_UNTIL: dict[str, Version] = {"gemma2": (5, 23, 0)}

# gpt2's attn.bias: one boolean matrix of positions² per layer (to 5.1.0).
WITHOUT_GPT2_MASKS: Version = (5, 2, 0)


def after(table: dict[str, Version], family: str, version: Version, otherwise: Version) -> bool:
    """Whether ``version`` has what ``table`` dates for ``family``."""
    return version >= table.get(family, otherwise)


def whole_prompt_logits(family: str, version: Version) -> bool:
    """Whether prefill computes logits for every prompt token."""
    return not after(LAST_LOGITS_ONLY, family, version, ALWAYS)


def upcasts_logits(family: str, version: Version) -> bool:
    """Whether forward copies its logits to fp32."""
    return not after(LOGITS_IN_MODEL_DTYPE, family, version, ALWAYS)


def rotary_tables(family: str, version: Version) -> bool:
    """Whether each layer keeps cosines and sines for every position."""
    return not after(WITHOUT_ROTARY_TABLES, family, version, ALWAYS)


def doubles_cache(family: str, version: Version) -> bool:
    """Whether decode holds the old cache beside the new one."""
    return not after(ONE_CACHE_COPY, family, version, ONE_CACHE_COPY_ELSE)


def bounds_windows(family: str, version: Version) -> bool:
    """Whether sliding layers keep no more than their window after the prompt."""
    if family in UNBOUNDED_CACHE:
        return False
    return version >= BOUNDED_WINDOWS or family in HYBRID_CACHE


def caches_every_head(family: str, kv_heads: int) -> bool:
    """Whether keys and values are repeated to all query heads before they are cached."""
    return family in REPEATED_BEFORE_CACHED and kv_heads > 1


def repeats_heads(family: str, version: Version, attention: str) -> bool:
    """Whether one layer's K and V are copied out to all query heads at a time."""
    if attention == "flash_attention_2":
        return not after(FLASH_WITHOUT_REPEAT, family, version, ALWAYS)
    return attention == "eager" or version < SDPA_WITHOUT_REPEAT


def supports_sdpa(family: str, version: Version) -> bool:
    """Whether the architecture can run PyTorch's scaled dot-product attention."""
    until = SDPA_UNTIL.get(family)
    return after(SDPA_FROM, family, version, SDPA_FROM_ELSE) and (until is None or version < until)


def caches_latent(version: Version) -> bool:
    """Whether latent attention caches the latent rather than expanded heads."""
    return version >= LATENT_CACHE
