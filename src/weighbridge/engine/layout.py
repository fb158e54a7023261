"""How ranks share a model: tensor, pipeline, data, expert and context parallelism."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from weighbridge.errors import RequestError
from weighbridge.hardware.card import Card
from weighbridge.request import Deployment


class Layout(NamedTuple):
    """Ranks in each direction; ``expert`` spreads whole experts over ``tensor × data`` ranks.

    ``context`` ranks (of the ``tensor`` ones) each keep a part of every sequence's cache.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    context: int = 1
    expert: bool = False

    @property
    def ranks(self) -> int:
        """Devices of all replicas together."""
        return self.tensor * self.pipeline * self.data

    @property
    def expert_ranks(self) -> int:
        """Ranks over which whole experts are spread; 1 where each rank has a part of all."""
        return self.tensor * self.data if self.expert else 1


class SettledLayout(NamedTuple):
    """A layout, the cards of its ranks in order, and what was assumed."""

    layout: Layout
    cards: tuple[Card, ...]
    notes: tuple[str, ...] = ()


def settle_layout(deployment: Deployment, cards: Sequence[Card]) -> SettledLayout:
    """The layout that was asked for; where none was, tensor parallelism over the named cards.

    Raises :class:`RequestError` where it needs more devices than were named.
    """
    pipeline = deployment.pipeline_parallel_size or 1
    data = deployment.data_parallel_size or 1
    tensor, notes = deployment.tensor_parallel_size, []
    if tensor is None:
        tensor = max(len(cards) // (pipeline * data), 1)
        if tensor > 1:
            notes.append(
                f"tensor parallel over {tensor} devices assumed; set it with --tensor-parallel-size"
            )
    layout = Layout(
        tensor,
        pipeline,
        data,
        deployment.decode_context_parallel_size or 1,
        deployment.enable_expert_parallel,
    )
    if layout.context > layout.tensor or layout.tensor % layout.context:
        raise RequestError(
            f"decode_context_parallel_size {layout.context} does not divide "
            f"tensor_parallel_size {layout.tensor}, over whose ranks the cache is cut"
        )
    if cards and layout.ranks > len(cards):
        raise RequestError(
            f"tensor {tensor} × pipeline {pipeline} × data {data} need {layout.ranks} devices and "
            f"--on names {len(cards)}; use --on {layout.ranks}x{cards[0].id}"
        )
    if cards and layout.ranks < len(cards):
        notes.append(f"{layout.ranks} of the {len(cards)} devices are used")
    return SettledLayout(layout, tuple(cards[: layout.ranks]), tuple(notes))
