"""ggml's graph allocator, replayed: how many bytes a graph's temporary tensors need.

The rules of ``ggml/src/ggml-alloc.c`` (ggml 0.25.3): inputs come first; a tensor goes to the free
block that fits best, or to the end; some operations take over their operand's place; a tensor is
given back after its last use. Nothing is computed: the same tensors in the same order give the
same offsets, so the result is llama.cpp's own to the byte.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

END = 2**62


class Tensor:
    """A tensor of a graph: ``size`` bytes on ``device``, made from ``sources``.

    ``shape`` with ``layout`` says whether another one may take its place; ``root`` is the tensor
    that a view looks into; ``external`` ones (weights, caches) lie in a buffer of their own;
    ``overwrites`` marks operations that may work in place; ``pinned`` what the program reads
    afterwards. A ``device`` of None is settled by the neighbours; ``weight`` marks weights.
    """

    __slots__ = (
        "allocated", "children", "device", "external", "input", "layout", "name", "offset",
        "overwrites", "pinned", "root", "shape", "size", "sources", "views", "weight",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        size: int,
        device: int | None,
        sources: Sequence[Tensor] = (),
        *,
        overwrites: bool = False,
        root: Tensor | None = None,
        layout: Hashable = None,
        external: bool = False,
    ) -> None:
        self.name, self.shape, self.size, self.device = name, shape, size, device
        self.sources = list(sources)
        self.overwrites, self.layout, self.external = overwrites, layout, external
        self.root: Tensor | None = (root.root or root) if root is not None else None
        self.input = self.pinned = self.allocated = self.weight = False
        self.children = self.views = self.offset = 0


class Arena:
    """The free blocks of one device's buffer, in order of address, and the most it ever held."""

    __slots__ = ("alignment", "blocks", "highest")

    def __init__(self, alignment: int) -> None:
        self.alignment = alignment
        self.blocks: list[list[int]] = [[0, END]]
        self.highest = 0

    def take(self, size: int) -> int:
        """The offset of a new tensor: the smallest block that holds it, else the last one."""
        size = self._padded(size)
        blocks = self.blocks
        best, smallest = len(blocks) - 1, END
        for index in range(len(blocks) - 1):
            room = blocks[index][1]
            if size <= room <= smallest:
                best, smallest = index, room
        block = blocks[best]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if block[1] == 0:
            del blocks[best]
        self.highest = max(self.highest, offset + size)
        return offset

    def give_back(self, offset: int, size: int) -> None:
        """Free a tensor's bytes, joining them to the free neighbours."""
        size = self._padded(size)
        blocks, end = self.blocks, offset + size
        for index, block in enumerate(blocks):
            if block[0] + block[1] == offset:
                block[1] += size
                after = blocks[index + 1] if index + 1 < len(blocks) else None
                if after is not None and end == after[0]:
                    block[1] += after[1]
                    del blocks[index + 1]
                return
            if end == block[0]:
                block[0] = offset
                block[1] += size
                before = blocks[index - 1] if index else None
                if before is not None and before[0] + before[1] == offset:
                    before[1] += block[1]
                    del blocks[index]
                return
        at = next((i for i, block in enumerate(blocks) if block[0] >= offset), len(blocks))
        blocks.insert(at, [offset, size])

    def _padded(self, size: int) -> int:
        return -(-size // self.alignment) * self.alignment


class Replay:
    """One pass over a graph in its order; ``arenas`` are the devices' buffers afterwards.

    ``alive`` are the tensors held when a device's buffer grew for the last time.
    """

    def __init__(self, alignments: Sequence[int]) -> None:
        self.arenas = [Arena(alignment) for alignment in alignments]
        self._held: list[dict[Tensor, None]] = [{} for _ in alignments]
        self.alive: list[tuple[Tensor, ...]] = [() for _ in alignments]

    def run(self, leaves: Iterable[Tensor], nodes: Sequence[Tensor]) -> list[int]:
        """Bytes of each device's buffer."""
        for leaf in leaves:
            self._allocate(leaf)
        for node in nodes:
            if node.root is not None:
                node.root.views += 1
            for source in node.sources:
                source.children += 1
        for node in nodes:
            for source in node.sources:
                self._allocate(source)
            self._allocate(node)
            for source in node.sources:
                self._release(source)
        return [arena.highest for arena in self.arenas]

    def _allocate(self, tensor: Tensor) -> None:
        if tensor.allocated or tensor.external or tensor.root is not None:
            return
        assert tensor.device is not None
        tensor.allocated = True
        if tensor.overwrites and self._take_over(tensor):
            return
        arena, held = self.arenas[tensor.device], self._held[tensor.device]
        before = arena.highest
        tensor.offset = arena.take(tensor.size)
        held[tensor] = None
        if arena.highest > before:
            self.alive[tensor.device] = tuple(held)

    def _take_over(self, tensor: Tensor) -> bool:
        """Whether an operand's place is taken: one that nothing else will read, and no view."""
        for parent in tensor.sources:
            if parent.root is not None or not parent.allocated or parent.pinned:
                continue
            if parent.shape != tensor.shape or parent.layout != tensor.layout:
                continue
            if parent.children != 1 or parent.views != 0:
                continue
            tensor.offset = parent.offset
            parent.allocated = False
            place = parent.device
            assert place is not None
            tensor.device = place
            held, arena = self._held[place], self.arenas[place]
            held.pop(parent, None)
            held[tensor] = None
            extra = arena._padded(parent.size) - arena._padded(tensor.size)
            if extra > 0:
                arena.give_back(tensor.offset + arena._padded(tensor.size), extra)
            return True
        return False

    def _release(self, source: Tensor) -> None:
        source.children -= 1
        if source.children or source.views:
            return
        if source.root is None:
            self._free(source)
            return
        root = source.root
        root.views -= 1
        if root.views == 0 and root.children == 0:
            self._free(root)

    def _free(self, tensor: Tensor) -> None:
        if tensor.allocated and not tensor.pinned and not tensor.external:
            assert tensor.device is not None
            tensor.allocated = False
            self._held[tensor.device].pop(tensor, None)
            self.arenas[tensor.device].give_back(tensor.offset, tensor.size)
