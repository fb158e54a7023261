"""Which layers of a GGUF file slide or work in chunks, by the architecture's rule and its keys.

To add an architecture, add its name in llama.cpp (src/llama-arch.cpp, ``LLM_ARCH_NAMES``) after
reading its ``load_arch_hparams`` in src/models.
"""

from __future__ import annotations

from typing import NamedTuple

from weighbridge.model.config import LAYERS, POSITIONS, Config

WINDOW, PATTERN = "attention.sliding_window", "attention.sliding_window_pattern"


class Sliding(NamedTuple):
    """Which layers slide where the file does not list them: all but one of ``period``.

    That one is the last of a period, or its first with ``full_first``; a period of 0 lets all
    slide, and None refuses a file that lists none. ``window`` is the size where the key is absent;
    None with ``required`` refuses the file, and None without it lets nothing slide. ``always`` is
    what llama.cpp takes whatever size is stated (0 still lets nothing slide); ``layers`` bounds the
    rule to files of so many blocks.
    """

    window: int | None
    period: int | None
    required: bool = False
    full_first: bool = False
    always: int | None = None
    layers: int | None = None


WINDOWED = {
    "afmoe": Sliding(None, 4),
    "cohere2": Sliding(None, 4, required=True),
    "cohere2moe": Sliding(None, 4, required=True, full_first=True),
    "exaone-moe": Sliding(None, 4, required=True),
    "exaone4": Sliding(4096, 4, layers=64),
    "gemma-embedding": Sliding(None, 6, required=True),
    "gemma2": Sliding(4096, 2),
    "gemma3": Sliding(None, 6),
    "gemma3n": Sliding(None, 5, required=True),
    "gemma4": Sliding(None, None, required=True),
    "gpt-oss": Sliding(None, 2, required=True),
    "granite_swa": Sliding(None, None, required=True),
    "laguna": Sliding(None, 4, full_first=True),
    "lfm2": Sliding(None, 0),
    "llama4": Sliding(8192, 4, always=8192),
    "mellum": Sliding(None, 4),
    "mimo2": Sliding(None, None, required=True),
    "modern-bert": Sliding(None, 3, full_first=True),
    "olmo2": Sliding(None, 4),
    "plamo3": Sliding(None, 8),
    "smallthinker": Sliding(None, 4, full_first=True, always=4096),
    "step35": Sliding(None, None, required=True),
}
# A window is a chunk, whose end nothing sees past.
CHUNKED = frozenset({"llama4"})


def windows_of(config: Config, architecture: str, layers: int) -> list[int | None]:
    """The window of each layer; None where it sees everything."""
    rule = WINDOWED.get(architecture)
    if rule is None or (rule.layers is not None and rule.layers != layers):
        return [None] * layers
    size = _size(config, rule)
    if not size:
        return [None] * layers
    stated = config.raw.get(PATTERN)
    if isinstance(stated, list):
        if len(stated) < layers or any(each not in (0, 1) for each in stated):
            raise config.refuse(PATTERN, f"does not say for {layers} layers which slide")
        return [size if slides else None for slides in stated[:layers]]
    if rule.period is None:
        raise config.refuse(PATTERN, "is no list, so it cannot be known which layers slide")
    if rule.period == 0:
        return [size] * layers
    period = config.integer("window period", PATTERN, default=rule.period, low=0, high=LAYERS)
    full = 0 if rule.full_first else period - 1
    return [None if period and index % period == full else size for index in range(layers)]


def _size(config: Config, rule: Sliding) -> int | None:
    if rule.required and not config.has(WINDOW):
        config.integer("sliding window", WINDOW)
    size = config.optional_integer("sliding window", WINDOW, default=rule.window, high=POSITIONS)
    return rule.always if size and rule.always else size
