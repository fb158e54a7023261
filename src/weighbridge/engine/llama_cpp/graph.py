"""A graph as llama.cpp builds it: tensors in the order in which they are computed, cut where the
device changes.

Shapes are written fastest dimension first, as ggml does. Source: ``ggml_build_forward_expand``
(ggml.c), ``ggml_backend_sched_split_graph`` (ggml-backend.cpp) of ggml 0.25.3.
"""

from __future__ import annotations

from math import prod

from weighbridge.engine.llama_cpp.allocator import Replay, Tensor

F32, I32, I64 = 4, 4, 8


class Graph:
    """Tensors under construction; ``device`` is where the next operations run."""

    def __init__(self, host: int, copies: int = 1) -> None:
        self.host, self.device, self.copies = host, host, copies
        self.leaves: list[Tensor] = []
        self.nodes: list[Tensor] = []
        self._seen: set[Tensor] = set()

    def input(self, name: str, *shape: int, element: int = F32) -> Tensor:
        """A tensor that the program fills before each pass, in host memory."""
        tensor = Tensor(name, shape, prod(shape) * element, self.host)
        tensor.input = True
        return tensor

    def outside(self, name: str, device: int | None = None, size: int = 0) -> Tensor:
        """A weight or a cache, which lies in a buffer of its own."""
        where = self.device if device is None else device
        return Tensor(name, (), size, where, external=True)

    def op(
        self,
        name: str,
        shape: tuple[int, ...],
        *sources: Tensor,
        over: bool = False,
        element: int = F32,
        extra: int = 0,
    ) -> Tensor:
        """The result of an operation; ``over`` where it may take an operand's place."""
        size = prod(shape) * element + extra
        return Tensor(name, shape, size, self.device, sources, overwrites=over)

    def view(self, source: Tensor, *shape: int, strided: bool = False) -> Tensor:
        """The same bytes in another shape; ``strided`` where they are not in one piece."""
        layout = object() if strided else None
        external = source.external and source.root is None
        made = Tensor(
            source.name, shape, 0, source.device, (source,), root=source, layout=layout
        )
        made.external = external or (made.root is not None and made.root.external)
        return made

    def store(self, name: str, *sources: Tensor) -> Tensor:
        """An operation that writes into a cache and leaves nothing in the graph."""
        made = Tensor(name, (), 0, self.device, sources, external=True)
        self.expand(made)
        return made

    def expand(self, tensor: Tensor) -> None:
        """Put a tensor in the order, everything that it is made from before it."""
        stack: list[tuple[Tensor, int]] = [(tensor, 0)]
        if tensor in self._seen:
            return
        self._seen.add(tensor)
        while stack:
            current, index = stack.pop()
            if index < len(current.sources):
                stack.append((current, index + 1))
                source = current.sources[index]
                if source not in self._seen:
                    self._seen.add(source)
                    stack.append((source, 0))
            elif current.input:
                self.leaves.append(current)
            elif current.sources:
                self.nodes.append(current)

    def allocate(self, alignments: list[int]) -> Replay:
        """Lay the graph out on its devices."""
        replay = Replay(alignments)
        nodes = self._split()
        replay.run(self.leaves, nodes)
        return replay

    def _split(self) -> list[Tensor]:
        """The order with a copy of each foreign operand before the split that needs it."""
        copied: dict[tuple[Tensor, int], Tensor] = {}
        found: list[Tensor] = []
        split: list[Tensor] = []
        inputs: list[Tensor] = []
        current = self.host
        for node in self.nodes:
            if node.root is None:
                fresh = bool(inputs) and any(
                    s.external and s.size and s.device != node.device for s in node.sources
                )
                if node.device != current or fresh:
                    found += [*inputs, *split]
                    split, inputs, current = [], [], node.device
                for index, source in enumerate(node.sources):
                    place = source.root or source
                    if place.device == current or (place.external and not place.size):
                        continue
                    key = (source, current)
                    if key not in copied:
                        copied[key] = self._copy(source, current, inputs)
                    node.sources[index] = copied[key]
            split.append(node)
        return [*found, *inputs, *split]

    def _copy(self, source: Tensor, device: int, inputs: list[Tensor]) -> Tensor:
        """A copy on ``device``; the view before it keeps the source from being freed."""
        shape = source.shape
        place = source.root or source
        size = source.size or prod(shape) * F32
        copy = Tensor(source.name, shape, size, device)
        if self.copies > 1:
            copy.pinned = True
            for _ in range(self.copies):
                again = Tensor(source.name, shape, size, device)
                again.pinned = True
                self.leaves.append(again)
            copy.external = True
            return copy
        if not place.external:
            keeper = Tensor(source.name, shape, 0, place.device, (source,), root=source)
            inputs.append(keeper)
        inputs.append(copy)
        return copy
