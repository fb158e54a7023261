"""Which layers slide: the many spellings of it in configs, resolved to one window per layer."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.model.config import POSITIONS, Config

Windows = tuple[int | None, ...]


def window_size(config: Config, default: int | None) -> int | None:
    """``sliding_window``: null or 0 means none, a missing key means the class default."""
    size = config.optional_integer(
        "sliding window", "sliding_window", default=default, high=POSITIONS
    )
    return size or None


def by_layer_types(config: Config, layers: int, window: int | None) -> Windows | None:
    """From ``layer_types``; None where the config does not list them."""
    kinds = config.names("layer types", "layer_types")
    if kinds is None:
        return None
    if len(kinds) != layers:
        raise config.refuse("layer_types", f"has {len(kinds)} entries for {layers} layers")
    known = {"full_attention": None, "sliding_attention": window}
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise config.refuse("layer_types", f"names kinds this family does not have: {unknown}")
    if window is None and "sliding_attention" in kinds:
        raise config.refuse("layer_types", "names sliding layers, but sliding_window is not set")
    return tuple(known[kind] for kind in kinds)


def every_nth_full(layers: int, period: int, window: int | None) -> Windows:
    """Sliding layers with a full one at each ``period``-th place."""
    return tuple(None if (index + 1) % period == 0 else window for index in range(layers))


def all_sliding(layers: int, window: int | None) -> Windows:
    """The same window for every layer, or none."""
    return (window,) * layers


def distinct(windows: Sequence[int | None]) -> list[int | None]:
    """The windows that occur, in order of first use."""
    return list(dict.fromkeys(windows))
