"""What changed between versions of SGLang, with the change that did it.

Where a change is not dated to a release, the release is the first after the date of its pull
request; the newest version modelled is the one whose sources were read.
"""

from __future__ import annotations

Version = tuple[int, int, int]

NEWEST: Version = (0, 5, 23)
OLDEST: Version = (0, 3, 0)

# Reserves by card memory replace a table by tensor parallel size (sglang#7054, 2025-06-10).
TIERED: Version = (0, 4, 7)
# One formula of chunk, graphs and ranks (sglang#10975, 2025-09-27).
GENERAL: Version = (0, 5, 3)
# Prefill graphs by default (sglang#16331, released with 0.5.10 on 2026-04-06).
PREFILL_GRAPHS: Version = (0, 5, 10)
# They are captured in segments, and data parallel attention has them too (read in 0.5.23).
PREFILL_SEGMENTS: Version = (0, 5, 20)
# Draft weights are counted before the pool, so nothing is reserved for them; the error names the
# smallest fraction (seen in logs of July 2026, InferenceX#2128; the release is not known exactly).
DRAFT_COUNTED: Version = (0, 5, 14)
# Cards of 20 to 35 GB take chunks of 4,096 and graphs to 48 (read in 0.5.23, not in 0.5.10).
LARGER_SMALL_CARDS: Version = (0, 5, 14)
# "dtype: torch.bfloat16," in the line of the KV cache (logs of 2026-05-28, not of 2026-05-23).
LOG_STATES_DTYPE: Version = (0, 5, 12)
# Two pools for layers with windows (hybrid SWA), one ratio (sglang#7367, 2025-07).
SLIDING_POOLS: Version = (0, 4, 9)
# Gemma 2 and 3 among them where the attention kernel allows it (read in 0.5.23).
SLIDING_GEMMA: Version = (0, 5, 20)
# GPT-OSS among them, but for TRT-LLM's kernels (disabled in 0.5.5, read in 0.5.9).
SLIDING_GPT_OSS: Version = (0, 5, 9)
# The indexer's keys are counted in the pool's cells (sglang#11309, 2025-10-07).
INDEXER_COUNTED: Version = (0, 5, 4)


def text(version: Version) -> str:
    """``0.5.23``."""
    return ".".join(map(str, version))
