"""What changed between llama.cpp's versions, by build number, and since 0.5.0 by version.

``b7079`` is held as (0, 0, 7079), so that builds sort before versions. Where a change is dated by
its pull request alone, the build is the first of that day or later.
"""

from __future__ import annotations

Version = tuple[int, int, int]

NEWEST: Version = (0, 5, 0)
OLDEST: Version = (0, 0, 1)

# Sliding layers got a cache of their own (ggml-org/llama.cpp#13194, merged 2025-05-20).
SLIDING_CACHE: Version = (0, 0, 5430)
# Rows to write are inputs of the graph (ggml_set_rows; #14285, #14661, July and August 2025).
ROW_INPUTS: Version = (0, 0, 6000)
# --flash-attn auto is the default (#15434, merged 2025-08-30).
FLASH_AUTO: Version = (0, 0, 6325)
# llama-server takes four slots over one cache by itself (#16736; b7079 does, ggml #17300).
FOUR_SLOTS: Version = (0, 0, 6930)
# --fit and -ngl auto (#16653, merged 2025-12-15).
FIT: Version = (0, 0, 7410)
# Tokens and given embeddings are both inputs of every graph (#18550, January 2026).
BOTH_INPUTS: Version = (0, 0, 7600)
# The latent is cached once, as keys; before, its first part once more as values (a log of b7400
# shows both).
LATENT_ONCE: Version = (0, 0, 7800)
# Seen in the sources of 0.5.0-dev (2026-11), and not dated further: llama-server asks for the
# logits of one token a slot, and a quantized cache is rotated by Hadamard matrices.
SLOT_OUTPUTS: Version = (0, 5, 0)
ROTATED_CACHE: Version = (0, 5, 0)


def parse_version(text: str) -> Version | None:
    """``b7079``, ``7079`` or ``0.5.0``; None where it is none of these."""
    digits = text.removeprefix("b")
    if digits.isascii() and digits.isdigit() and len(digits) <= 6:
        return (0, 0, int(digits))
    parts = text.split(".")
    if len(parts) in {2, 3} and all(p.isascii() and p.isdigit() and len(p) < 5 for p in parts):
        major, minor, patch = (*map(int, parts), 0)[:3]
        return (major, minor, patch)
    return None


def version_text(version: Version) -> str:
    """``b7079`` or ``0.5.0``."""
    return f"b{version[2]}" if version[:2] == (0, 0) else ".".join(map(str, version))
