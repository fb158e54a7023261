"""Names of cards, forgiving about case, spaces, dashes and the maker's name.

Words are dropped whole or kept whole; no part of a word ever decides which card is meant.
"""

from __future__ import annotations

_BREAKS = {code: " " for code in range(128) if not chr(code).isalnum()}
_MAKERS = {"nvidia", "geforce", "tesla", "amd", "radeon", "instinct", "intel", "r", "tm", "apple"}
_MAKERS |= {"google", "cloud", "aws", "amazon", "habana", "corporation"}
_NOISE = frozenset(_MAKERS | {"gpu", "graphics", "generation", "edition"})


def name_key(name: str) -> str:
    """The form in which two spellings of one name are equal.

    >>> name_key("NVIDIA GeForce RTX 4090"), name_key("rtx_4090"), name_key("RTX4090")
    ('rtx4090', 'rtx4090', 'rtx4090')
    """
    words = name.lower().translate(_BREAKS).split()
    key = "".join([word for word in words if word not in _NOISE])
    return key[:-3] + "gb" if key.endswith("gib") else key
