"""The block pool: layers in groups, pages of one size, and the blocks that a request takes.

vLLM v1/core/kv_cache_utils.py (kv_cache_planning.py from 0.33 on): layers that keep the same are
cut into groups of one size; every block of the pool serves one layer of each place in a group; a
request takes blocks for each group by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.engine.vllm.specs import Spec
from weighbridge.units import ceil_div, minimum


class Placed(NamedTuple):
    """A layer's number with what it asks for."""

    layer: int
    spec: Spec


class Group(NamedTuple):
    """Layers that share a table of blocks: what they keep, in blocks of ``block`` tokens."""

    spec: Spec
    layers: tuple[int, ...]
    block: int
    pages: tuple[int, ...]


class Pool(NamedTuple):
    """All groups, and the tokens of their smallest block; ``attention_block`` is that of attention
    before pages were brought to one size. ``padding`` says, for each kind of layer whose last group
    is not full, how many layers are missing of how many."""

    groups: tuple[Group, ...]
    block: int
    padding: tuple[tuple[int, int], ...] = ()
    attention_block: int = 0

    def bytes_per_block(self, layers: range | None = None) -> int:
        """Bytes of one block on the rank that holds ``layers``: those of its fullest group."""
        return max(
            (
                sum(
                    page
                    for layer, page in zip(group.layers, group.pages, strict=True)
                    if layers is None or layer in layers
                )
                for group in self.groups
            ),
            default=0,
        )


class Packing(NamedTuple):
    """What decides how layers are grouped."""

    block: int = 16
    alignment: int = 16
    hybrid: bool = True
    spread: tuple[int, int] = (3, 2)
    length: int = 0


class Taking(NamedTuple):
    """What decides how many blocks a request takes."""

    in_flight: int = 0
    context_ranks: int = 1
    drafted: int = 0
    mode: str = "none"
    checkpoints: bool = False
    encoder_tokens: int = 0


def build_pool(placed: Sequence[Placed], packing: Packing) -> Pool:
    """The pool of these layers."""
    if not packing.hybrid and len({each.spec.kind for each in placed}) > 1:
        placed = [Placed(layer, _seen_whole(spec)) for layer, spec in placed]
    if not placed:
        return Pool((), packing.block)
    block = _aligned_block(placed, packing)
    if _one_kind([each.spec for each in placed]):
        pages = tuple(_page(each.spec, block) for each in placed)
        group = Group(placed[0].spec, tuple(each.layer for each in placed), block, pages)
        return Pool((group,), block)
    page = max(_page(spec, block) for _, spec in placed)
    buckets: dict[Spec, list[int]] = {}
    for layer, spec in placed:
        buckets.setdefault(spec, []).append(layer)
    size = _group_size([len(layers) for layers in buckets.values()], packing.spread)
    groups, padding = [], []
    for spec, layers in buckets.items():
        count = ceil_div(len(layers), size)
        if len(layers) % size:
            padding.append((count * size - len(layers), len(layers)))
        tokens = _block_of(spec, block, page)
        for start in range(count):
            mine = tuple(layers[start::count])
            groups.append(Group(spec, mine, tokens, (page,) * len(mine)))
    return Pool(tuple(groups), min(group.block for group in groups), tuple(padding), block)


def _seen_whole(spec: Spec) -> Spec:
    """A window is charged as full attention where the hybrid manager is off."""
    return spec._replace(kind="full", window=0) if spec.kind in {"sliding", "chunked"} else spec


def _one_kind(specs: Sequence[Spec]) -> bool:
    """Whether all layers need the same number of tokens, so that one group holds them."""
    first = specs[0]
    if first.kind == "state":
        return all(spec == first for spec in specs)
    return all((spec.kind, spec.window) == (first.kind, first.window) for spec in specs)


def _aligned_block(placed: Sequence[Placed], packing: Packing) -> int:
    """The block of attention layers, raised until its page holds a state.

    vLLM platforms/interface.py, _align_hybrid_block_size.
    """
    states = [spec.state for _, spec in placed if spec.kind == "state"]
    tokens = [spec.token for _, spec in placed if spec.kind != "state"]
    if not states:
        return packing.block
    if not tokens:
        return packing.length or packing.block
    step = packing.alignment
    return max(packing.block, step * ceil_div(max(states), step * max(tokens)))


def _page(spec: Spec, block: int) -> int:
    return spec.state if spec.kind == "state" else spec.token * block


def _block_of(spec: Spec, block: int, page: int) -> int:
    """Tokens of a block once its page has the common size; pages that do not divide are padded."""
    if spec.kind == "state":
        return block
    own = spec.token * block
    return block * (page // own) if page % own == 0 else block


def _group_size(counts: Sequence[int], spread: tuple[int, int]) -> int:
    """The smallest bucket, or the largest where that is not much more."""
    times, per = spread
    least, most = min(counts), max(counts)
    return most if most * per < least * times else least


def blocks_of_request(pool: Pool, length: Any, taking: Taking) -> Any:
    """Blocks that one request of ``length`` tokens takes over all groups."""
    total: Any = 0
    for group in pool.groups:
        total = total + _group_blocks(group, length, taking)
    return total


def _group_blocks(group: Group, length: Any, taking: Taking) -> Any:
    spec, block = group.spec, group.block
    if spec.kind == "state":
        return _state_blocks(spec, block, length, taking)
    if spec.kind == "cross":
        return ceil_div(taking.encoder_tokens, block)
    if spec.kind == "sliding":
        kept = minimum(length, spec.window - 1 + taking.in_flight)
        return ceil_div(kept, block) + 1
    if spec.kind == "chunked":
        return ceil_div(minimum(length, spec.window + taking.in_flight), block)
    return ceil_div(ceil_div(length, taking.context_ranks), block)


def _state_blocks(spec: Spec, block: int, length: Any, taking: Taking) -> Any:
    """Pages of state (MambaSpec.max_memory_usage_bytes): one, two with prefix caching and what
    the kernel leaves as checkpoints, or one for each block of tokens."""
    if taking.mode == "all":
        return ceil_div(length, block) + taking.drafted
    if taking.mode == "align":
        return 2 + taking.drafted + (spec.checkpoints if taking.checkpoints else 0)
    return 1 + taking.drafted + 0 * length
