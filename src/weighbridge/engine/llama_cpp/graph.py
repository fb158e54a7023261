"""A graph as llama.cpp builds it: tensors in the order in which they are computed, each on the
device that holds its weights, cut where the device changes.

Shapes are written fastest dimension first, as ggml does. Source: ``ggml_build_forward_expand``
(ggml.c), ``ggml_backend_sched_split_graph`` (ggml-backend.cpp) of ggml 0.25.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

from weighbridge.engine.llama_cpp.allocator import Replay, Tensor

F32, I32, I64 = 4, 4, 8
NOTHING: Mapping[str, int] = {}


class Graph:
    """Tensors under construction; ``device`` is where the layer at work has its weights.

    ``in_host`` are the bytes of those of its weights that lie in host memory instead, by the
    operation that reads them. With ``offload`` such operations run on the first GPU all the same,
    and their weights are copied there for the time.
    """

    def __init__(self, host: int, *, copies: int = 1, offload: bool = False) -> None:
        self.host, self.device, self.copies = host, host, copies
        self.offload = offload and host > 0
        self.in_host = NOTHING
        self.all_on_gpus = False
        self.leaves: list[Tensor] = []
        self.nodes: list[Tensor] = []
        self._seen: set[Tensor] = set()

    def input(self, name: str, *shape: int, element: int = F32) -> Tensor:
        """A tensor that the program fills before each pass, in host memory."""
        tensor = Tensor(name, shape, prod(shape) * element, self.host)
        tensor.input = True
        return tensor

    def cache(self, name: str, device: int, size: int) -> Tensor:
        """Bytes of a cache that an operation reads, in a buffer of their own."""
        return Tensor(name, (size,), size, device, external=True)

    def op(
        self,
        name: str,
        shape: tuple[int, ...],
        *sources: Tensor,
        over: bool = False,
        element: int = F32,
        extra: int = 0,
    ) -> Tensor:
        """An operation without weights; ``over`` where it may take an operand's place."""
        size = prod(shape) * element + extra
        return Tensor(name, shape, size, None, sources, overwrites=over)

    def weighted(
        self, name: str, shape: tuple[int, ...], *sources: Tensor, over: bool = False
    ) -> Tensor:
        """An operation with weights, which runs where they lie."""
        made = self.op(name, shape, *sources, over=over)
        made.device = self.device
        size = self.in_host.get(name, 0)
        if size or self.device == self.host:
            made.device = 0 if self.offload else self.host
            weight = Tensor(name, (size,), size, self.host, external=True)
            weight.weight = True
            made.sources.insert(0, weight)
        return made

    def view(self, source: Tensor, *shape: int, strided: bool = False) -> Tensor:
        """The same bytes in another shape; ``strided`` where they are not in one piece."""
        layout = object() if strided else None
        return Tensor(
            source.name, shape, source.size, source.device, (source,), root=source, layout=layout
        )

    def store(self, name: str, device: int, *sources: Tensor) -> None:
        """An operation that writes into a cache and leaves nothing in the graph."""
        self.expand(Tensor(name, (), 0, device, sources, external=True))

    def expand(self, tensor: Tensor) -> None:
        """Put a tensor in the order, everything that it is made from before it."""
        if tensor in self._seen:
            return
        self._seen.add(tensor)
        stack: list[tuple[Tensor, int]] = [(tensor, 0)]
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

    def allocate(self, alignments: Sequence[int]) -> Replay:
        """Lay the graph out on its devices."""
        _settle(self.nodes, self.host)
        replay = Replay(alignments)
        inputs = list(self.leaves)
        nodes = _Cutter(self).cut()
        if self.copies > 1:
            self.leaves += [again for leaf in inputs for again in self._copies_of(leaf)]
        replay.run(self.leaves, nodes)
        return replay

    def _copies_of(self, leaf: Tensor) -> list[Tensor]:
        """The other copies of an input, one for each batch at work; none is given back."""
        leaf.pinned = True
        found = [
            Tensor(leaf.name, leaf.shape, leaf.size, leaf.device) for _ in range(self.copies - 1)
        ]
        for each in found:
            each.pinned = each.input = True
        return found


def _settle(nodes: list[Tensor], host: int) -> None:
    """Give operations without weights the device of a neighbour, GPUs first (pass 2)."""
    real = [node for node in nodes if node.root is None]
    for skipped, order in (
        (host, real),
        (host, real[::-1]),
        (None, real),
        (None, real[::-1]),
    ):
        _spread(order, skipped)
    for node in nodes:
        if node.root is not None:
            node.device = node.root.device


def _spread(nodes: Iterable[Tensor], skipped: int | None) -> None:
    current: int | None = None
    for node in nodes:
        if node.device is not None:
            current = None if node.device == skipped else node.device
        elif current is not None:
            node.device = current


class _Cutter:
    """Cuts the order into splits of one device, with copies of foreign operands before each."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.copied: dict[tuple[Tensor, int], Tensor] = {}
        self.found: list[Tensor] = []
        self.split: list[Tensor] = []
        self.inputs: list[Tensor] = []
        self.current: int = graph.host

    def cut(self) -> list[Tensor]:
        """The order, its copies included."""
        for node in self.graph.nodes:
            if node.root is None:
                assert node.device is not None
                if node.device != self.current or (self.inputs and _brings_weights(node)):
                    self._close()
                    self.current = node.device
                self._bring(node)
            self.split.append(node)
        self._close()
        return self.found

    def _close(self) -> None:
        self.found += [*self.inputs, *self.split]
        self.split, self.inputs = [], []

    def _bring(self, node: Tensor) -> None:
        for index, source in enumerate(node.sources):
            place = source.root or source
            if place.device == self.current or not source.size:
                continue
            key = (source, self.current)
            if key not in self.copied:
                self.copied[key] = self._copy(source)
            node.sources[index] = self.copied[key]

    def _copy(self, source: Tensor) -> Tensor:
        """A copy of an operand; the source is kept until it is made.

        Where several GPUs work at once on several batches, each has copies of its own that are
        never given back.
        """
        size = prod(source.shape) * F32 if source.root is not None else source.size
        made = Tensor(source.name, source.shape, size, self.current)
        if self.graph.copies > 1:
            for _ in range(self.graph.copies):
                again = Tensor(source.name, source.shape, size, self.current)
                again.pinned = again.input = True
                self.graph.leaves.append(again)
            made.external = True
            return made
        if not (source.root or source).external:
            keeper = Tensor(source.name, (), 0, source.device, (source,), external=True)
            self.inputs.append(keeper)
        self.inputs.append(made)
        return made


def _brings_weights(node: Tensor) -> bool:
    return any(source.weight and source.device != node.device for source in node.sources)
