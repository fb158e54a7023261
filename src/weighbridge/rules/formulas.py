"""The articles' formulas as they are written: whole numbers in, bytes out.

``parameters`` are counted one by one (7B is 7,000,000,000), ``bits`` are those the format is
named after (4 for nf4, whatever its scales take), and a gigabyte is 10⁹ bytes. A factor such as
1.2 is put in as 12 / 10, so that no figure passes through a float.
"""

from __future__ import annotations

from weighbridge.units import GB, MB


def weights(parameters: int, bits: int) -> int:
    """Parameters × bytes per parameter.

    >>> [weights(7 * GB, bits) / GB for bits in (16, 8, 4)]
    [14.0, 7.0, 3.5]
    """
    return parameters * bits // 8


def scaled(size: int, tenths: int) -> int:
    """``size`` × ``tenths`` / 10: a factor of 1.2 is 12 tenths."""
    return size * tenths // 10


def serving(parameters: int, bits: int) -> int:
    """M = P · 4 · (Q / 32) · 1.2: four bytes a parameter, Q of their 32 bits, and 20 %.

    >>> serving(7 * GB, 16) / GB
    16.8
    """
    return parameters * 4 * bits * 12 // (32 * 10)


def serving_multiplied(parameters: int, bits: int) -> int:
    """The same with (32 / Q) multiplied, the 4 bytes read as the Q / 8 bytes of the precision.

    The precision cancels out: it is 4 bytes a parameter and 20 % in any precision.

    >>> serving_multiplied(7 * GB, 16) / GB
    33.6
    """
    return parameters * bits * 32 * 12 // (8 * bits * 10)


def serving_multiplied_literally(parameters: int, bits: int) -> int:
    """The same with (32 / Q) multiplied and the 4 bytes left: fewer bits ask for more memory.

    >>> serving_multiplied_literally(7 * GB, 16) / GB
    67.2
    """
    return parameters * 4 * 32 * 12 // (bits * 10)


def cache_of_heads(layers: int, heads: int, head_dim: int, tokens: int, bits: int) -> int:
    """2 × layers × heads × head dim × tokens × bytes, for keys and values.

    >>> cache_of_heads(32, 32, 128, 2048, 16)
    1073741824
    """
    return 2 * layers * heads * head_dim * tokens * bits // 8


def cache_without_layers(hidden: int, tokens: int, bits: int) -> int:
    """2 × tokens × hidden × bytes: the cache of one layer, given out as that of all.

    >>> cache_without_layers(4096, 2048, 16)
    33554432
    """
    return 2 * tokens * hidden * bits // 8


def half_a_megabyte(tokens: int) -> int:
    """0.5 MB for each token.

    >>> half_a_megabyte(2048)
    1024000000
    """
    return tokens * MB // 2


def training(parameters: int, times: int) -> int:
    """``times`` the model in fp32."""
    return parameters * 4 * times


TRAINING_PARTS = {
    "16-bit weights": 2,
    "16-bit gradients": 2,
    "fp32 weights": 4,
    "fp32 momentum": 4,
    "fp32 variance": 4,
}
"""Bytes per parameter of mixed-precision Adam by definition (ZeRO, arXiv:1910.02054, 3.1)."""


def training_by_definition(parameters: int) -> int:
    """What AdamW needs in mixed precision, activations apart; in fp32 the sum is the same.

    2 + 2 + 4 + 4 + 4 bytes in mixed precision and 4 + 4 + 4 + 4 in fp32 are 16 a parameter.
    """
    return parameters * sum(TRAINING_PARTS.values())


FLAT_OVERHEAD = GB
CONTEXT_LOW, CONTEXT_HIGH = 300 * MB, 2 * GB
