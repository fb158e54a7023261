"""What one token and one sequence take in SGLang's pools, per rank.

Sources of sgl-project/sglang: ``model_executor/pool_configurator.py`` (cells, two pools for layers
with windows), ``mem_cache/memory_pool.py`` (pools), ``configs/mamba_utils.py`` (states),
``model_executor/model_runner_kv_cache_mixin.py`` (0.5.6 to 0.5.19) and
``mem_cache/kv_cache_configurator.py`` (after).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from weighbridge.engine.served import RankState, rank_state, rank_streams, stream_bytes
from weighbridge.engine.sglang import versions
from weighbridge.engine.sglang.setup import Setup
from weighbridge.model.facts import CacheStream, Layer
from weighbridge.model.mixers.heads import GroupedHeads
from weighbridge.model.mixers.sparse import SparseLatentAttention

# The latent in fp8 with a scale for each 128, its rotary part in bf16 (calculate_mla_kv_cache_dim).
SCALE_BLOCK = 128
INDEX_BLOCK = 128

# Families whose layers with windows have a pool of their own (configs/model_config.py,
# is_hybrid_swa_model); the others keep every token in every layer.
SLIDING = frozenset(
    {"llama4", "llama4_text", "mimo_v2", "mimo_v2_flash", "step3p5", "step3p7", "gemma4",
     "gemma4_text", "inkling", "mellum", "deepseek_v4"}
)  # fmt: skip
GEMMAS = frozenset({"gemma2", "gemma3", "gemma3_text"})


class Cells(NamedTuple):
    """Bytes per token of the layers that keep every token and of those with a window.

    ``windowed`` and ``full`` count those layers; ``key`` and ``value`` are the bytes of keys and of
    values among all, 0 where both are one tensor. ``window`` is the widest.
    """

    full_bytes: int
    windowed_bytes: int
    full: int
    windowed: int
    key: int
    value: int
    window: int = 0


class Slot(NamedTuple):
    """Bytes of one sequence's recurrent states on a rank."""

    convolution: int
    recurrence: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.convolution + self.recurrence


def two_pools(setup: Setup) -> bool:
    """Whether layers with windows get a pool of their own."""
    if setup.own.get("disable_hybrid_swa_memory") or setup.version < versions.SLIDING_POOLS:
        return False
    family = setup.model.family
    if family == "gpt_oss":
        return setup.version >= versions.SLIDING_GPT_OSS and not setup.kernel.startswith("trtllm")
    if family in GEMMAS:
        aside = {"aiter"} if family == "gemma2" else {"aiter", "fa3"}
        return setup.version >= versions.SLIDING_GEMMA and setup.kernel not in aside
    return family in SLIDING


def cells(setup: Setup, layers: Iterable[Layer], tensor: int) -> Cells:
    """Bytes per token of these layers, cut over ``tensor`` ranks."""
    split = two_pools(setup)
    full = windowed = full_layers = windowed_layers = key = value = window = 0
    sizes: dict[int, tuple[int, int | None]] = {}
    for layer in layers:
        # Most layers are alike, and one object then.
        if id(layer) not in sizes:
            streams = rank_streams(layer, tensor)
            own = sum(_bytes(setup, layer, stream) for stream in streams)
            sizes[id(layer)] = own if streams else -1, streams[0].window if streams else None
        size, reach = sizes[id(layer)]
        if size < 0:
            continue
        if split and reach is not None:
            windowed, windowed_layers = windowed + size, windowed_layers + 1
            window = max(window, reach)
        else:
            full, full_layers = full + size, full_layers + 1
        mixer = layer.mixer
        if isinstance(mixer, GroupedHeads) and mixer.k_dim + mixer.v_dim:
            key += size * mixer.k_dim // (mixer.k_dim + mixer.v_dim)
            value += size - size * mixer.k_dim // (mixer.k_dim + mixer.v_dim)
    return Cells(full, windowed, full_layers, windowed_layers, key, value, window)


def _bytes(setup: Setup, layer: Layer, stream: CacheStream) -> int:
    """Bytes of one token of a stream, one of every ``stride``."""
    mixer, cache = layer.mixer, setup.cache
    if stream.name == "index":
        size = stream.width + stream.width // INDEX_BLOCK * 4
    elif isinstance(mixer, SparseLatentAttention) and cache.name == "fp8":
        size = mixer.latent + mixer.latent // SCALE_BLOCK * 4 + 2 * mixer.rope
    else:
        size = stream_bytes(stream, cache)
    return -(-size // stream.stride)


def draft_cells(setup: Setup, found: Cells) -> Cells:
    """The cells with those of a draft's layers, which are taken to be like the target's."""
    draft = setup.speculation
    if draft is None or not draft.layers or not found.full:
        return found
    each = found.full_bytes // found.full
    return found._replace(full_bytes=found.full_bytes + each * draft.layers)


def slot(setup: Setup, layers: Iterable[Layer], tensor: int) -> Slot:
    """States of one sequence: convolution inputs in 16 bit, the recurrence as it was asked for."""
    state: RankState = rank_state(layers, tensor)
    return Slot(*state.bytes(2, setup.state_bytes))
