"""Work and rates → seconds of a pass, and where they go.

Weights, experts and cache cross the bus at what their kernels reach; arithmetic runs beside them,
and the longer of the two counts, smoothly. Each kernel has a fixed time as well (which is why small
tensors reach little: size / (size + t0·efficiency·bandwidth)), each step and each sequence another.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from weighbridge.speed.constants import Constants
from weighbridge.speed.kernels import KernelSet
from weighbridge.speed.rates import Rates
from weighbridge.speed.work import Work, touched
from weighbridge.units import maximum, minimum, where

TINY = 1e-300


class Split(NamedTuple):
    """Seconds of a pass: moving weights, moving cache and state, computing, communicating,
    waiting on launches, prompts of others, and moving what is offloaded.

    ``arithmetic`` are the seconds that the operations would take by themselves (not a further
    part): where memory takes longer, the units wait for the difference.
    """

    weights: Any
    cache: Any
    compute: Any
    communicate: Any
    launches: Any
    interference: Any
    offload: Any
    arithmetic: Any

    @property
    def seconds(self) -> Any:
        """All of it."""
        return added(
            self.weights, self.cache, self.compute, self.communicate, self.launches,
            self.interference, self.offload,
        )  # fmt: skip

    @property
    def memory_wait_fraction(self) -> Any:
        """The share of the pass in which arithmetic waits for memory."""
        return maximum(self.weights + self.cache - self.arithmetic, 0.0) / self.seconds

    def scaled(self, factor: Any) -> Split:
        """Every part times ``factor``."""
        if isinstance(factor, float) and factor == 1:
            return self
        return Split(*(part * factor for part in self))

    def plus(self, **more: Any) -> Split:
        """With more seconds in some parts."""
        return self._replace(
            **{name: added(getattr(self, name), value) for name, value in more.items()}
        )


def both(memory: Any, arithmetic: Any) -> Any:
    """Seconds of two that overlap, ∛(a³ + b³): close to the longer, more where they are alike."""
    if nothing(memory) and nothing(arithmetic):
        return 0.0
    longer, shorter = maximum(memory, arithmetic), minimum(memory, arithmetic)
    share = shorter / (longer + TINY)
    return longer * cube_root(1 + share * share * share)


def cube_root(number: Any) -> Any:
    """The cube root of 1 to 2 by additions, products and quotients alone.

    Those are the same to the last digit of a float and of an array, which powers are not.
    """
    more = number - 1
    root = 1 + more * (0.3255 - 0.0657 * more)
    for _ in range(2):  # Halley: 0.1 %, then 10⁻⁹, then below the last digit
        cubed = root * root * root
        root = root * (cubed + 2 * number) / (2 * cubed + number)
    return root


class Cost(NamedTuple):
    """What a pass is timed with."""

    constants: Constants
    kernels: KernelSet
    rates: Rates
    narrow: Any = False


def decode_split(work: Work, cost: Cost) -> Split:
    """Seconds of a decode step by itself, nobody's prompt beside it."""
    c, kernels, rates = cost.constants, cost.kernels, cost.rates
    weights, arithmetic = weight_times(work, cost)
    dense = both(weights[0], arithmetic[0])
    expert = both(weights[1], arithmetic[1])
    cache = (work.cache_bytes + work.state_bytes) / (
        c.cache * kernels.attention.efficiency * rates.bandwidth
    )
    mixing = work.mixing_operations / (c.attention_rate * rates.plain)
    moved = added(*weights)
    seen = both(cache, mixing)
    return Split(
        weights=moved,
        cache=cache,
        compute=added(dense, expert) - moved + (seen - cache),
        communicate=reductions(work, cost),
        launches=launches(work, cost),
        interference=0.0,
        offload=0.0,
        arithmetic=added(*arithmetic, mixing),
    )


def weight_times(work: Work, cost: Cost) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Seconds of reading dense and expert weights, and of their arithmetic."""
    c, kernels, rates = cost.constants, cost.kernels, cost.rates
    narrow = c.narrow**cost.narrow
    few: Any = work.kernels.quantized > 0
    reached = where(few, kernels.quantized.efficiency, kernels.plain.efficiency)
    dense = work.dense_bytes * (1 / (c.gemm * narrow * reached * rates.bandwidth) + 1 / c.ceiling)
    computed = work.dense_operations / (c.decode_rate * rates.dense)
    if nothing(work.expert_bytes):
        return (dense, 0.0), (computed, 0.0)
    part = touched(work.experts, work.top_k, work.routed)
    visited = c.expert * narrow * kernels.mixture.efficiency * rates.bandwidth
    expert = work.expert_bytes * part * (1 / visited + 1 / c.ceiling)
    return (dense, expert), (
        computed,
        work.expert_operations / (c.expert_decode_rate * rates.expert),
    )


def launches(work: Work, cost: Cost) -> Any:
    """Fixed times of a decode step: kernels, small kernels of each layer, the step, its rows."""
    c, kernels, count = cost.constants, cost.kernels, work.kernels
    extra = maximum(kernels.quantized.seconds - kernels.plain.seconds, 0.0)
    large = (
        c.plain_kernel * count.matrices * kernels.plain.seconds
        + c.quantized_kernel * count.quantized * extra
        + c.attention_kernel * count.attentions * kernels.attention.seconds
        + c.mixture_kernel * count.mixtures * kernels.mixture.seconds
    )
    small = (
        c.layer * work.layers
        + c.norm * count.norms
        + c.shared * count.shared
        + c.route * count.mixtures
        + c.latent * count.latents
        + c.indexer * count.indexers
        + c.recurrence * count.recurrences
    )
    slower = where(cost.rates.hopper, c.hopper, 1.0)
    rows = c.row * work.rows + c.routed_row * count.mixtures * work.rows
    return large + slower * small + c.step + rows


def latency(cost: Cost, ranks: Any) -> Any:
    """Seconds of an all-reduce of nothing."""
    over_host = cost.constants.reduce_host * maximum(1.0, ranks / 2)
    return where(cost.rates.direct, cost.constants.reduce, over_host)


def reductions(work: Work, cost: Cost, *, fixed: bool = True) -> Any:
    """Seconds of all-reduces (a ring's 2(n-1)/n of a message), all-to-alls and sends."""
    ranks, reached = work.ranks, cost.constants.link * cost.rates.link
    wait = latency(cost, ranks) if fixed else 0.0
    reduced: Any = 0.0
    exchanged: Any = 0.0
    sent: Any = 0.0
    # Of arrays the product with nothing takes as long as any other.
    if not nothing(work.messages):
        each = wait + work.message_bytes * 2 * (ranks - 1) / ranks / reached
        reduced = work.messages * each
    if not nothing(work.exchanges):
        exchanged = work.exchanges * (2 * wait + work.exchange_bytes / reached)
    if not nothing(work.hops):
        sent = work.hops * (latency(cost, 2) + work.message_bytes / reached)
    return added(reduced, exchanged, sent)


def added(*parts: Any) -> Any:
    """The sum; of arrays one with nothing takes as long as any other, and is left out."""
    total: Any = 0.0
    for part in parts:
        if not nothing(part):
            total = part if nothing(total) else total + part
    return total


def nothing(count: Any) -> bool:
    """Whether it is the plain number 0."""
    return isinstance(count, int | float) and count == 0


class Prompt(NamedTuple):
    """Seconds of one prompt's arithmetic, of its messages, and of launching one pass."""

    compute: Any
    communicate: Any
    launches: Any

    @property
    def seconds(self) -> Any:
        """A whole pass by itself, where arithmetic is all that counts."""
        return self.compute + self.communicate + self.launches


def prompt_cost(work: Work, cost: Cost, tokens: Any) -> Prompt:
    """What a prompt costs a step into which it is mixed, ``tokens`` of prompts in that pass.

    The step reads the weights anyway; experts with few tokens each compute below their rate.
    """
    c, rates = cost.constants, cost.rates
    dense = work.dense_operations / (c.prefill_rate * rates.dense)
    expert: Any = 0.0
    if not nothing(work.expert_operations):
        each = maximum(tokens * work.top_k / work.experts, 1.0)
        rate = c.expert_prefill_rate * rates.expert * each / (each + c.half_rows)
        expert = work.expert_operations / rate
    mixing = work.mixing_operations / (c.attention_rate * rates.plain)
    compute = added(dense, expert, mixing)
    fixed = c.prefill_layer * work.layers + work.messages * latency(cost, work.ranks)
    return Prompt(compute, reductions(work, cost, fixed=False), fixed)


def prefill_split(work: Work, cost: Cost, tokens: Any, passes: Any) -> Split:
    """Seconds of a prompt's passes by themselves: ``passes`` of ``tokens`` each.

    Each pass reads the weights again, so that small chunks are bound by memory.
    """
    prompt = prompt_cost(work, cost, tokens)
    read, _ = weight_times(work._replace(routed=tokens), cost)
    weights = added(*read) * passes
    return Split(
        weights=weights,
        cache=work.cache_bytes / (cost.constants.cache * cost.rates.bandwidth),
        compute=both(weights, prompt.compute) - weights,
        communicate=prompt.communicate,
        launches=prompt.launches * passes + cost.constants.step,
        interference=0.0,
        offload=0.0,
        arithmetic=prompt.compute,
    )
