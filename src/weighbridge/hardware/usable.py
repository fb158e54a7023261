"""What an application can allocate on a card: less than is printed on the box.

Three totals differ. *Marketed* is the memory fitted. The *driver* total (nvidia-smi
``memory.total``) is what is left once error correction and firmware took theirs. The *visible*
total (torch ``total_memory``, llama.cpp's device line) is what a program sees, and it is the
figure that engines multiply by their utilization.

The ladder, best first: a visible total seen on that card (``measured``); the driver total less
a reserve fitted on the cards where both are known (``calibrated``); the marketed size less a
stated share (``assumed``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from weighbridge.units import GIB, MIB, format_bytes

if TYPE_CHECKING:
    from weighbridge.hardware.card import Card

RESERVE_BASE = 400 * MIB
RESERVE_DIVISOR = 512
RESERVE_WORST = (8, 5)
DRIVER_MOVES = (1, 200)


class Usable(NamedTuple):
    """Bytes an application can allocate, their bounds, and where they come from."""

    bytes: int
    low: int
    high: int
    basis: str
    why: str


def nvidia_reserve(driver_total: int) -> int:
    """Bytes between the driver's total and the visible total on Linux: 400 MiB + 2 MiB per GiB.

    Least squares over the NVIDIA rows of ``cards.jsonl`` that carry both totals gives
    396 MiB + 1/482; single cards lie between 0.5 and 1.54 times the law. Windows keeps 1 MiB.
    """
    return RESERVE_BASE + driver_total // RESERVE_DIVISOR


def usable_memory(card: Card) -> Usable:
    """The best statement of what an application can allocate on ``card``."""
    if card.visible_bytes is not None:
        return _from_visible(card, card.visible_bytes)
    if card.kind in {"custom", "host"}:
        why = "the size given is taken as what an application can allocate"
        return _share(card.marketed_memory, 100, 100, 100, why)
    if card.vendor == "NVIDIA" and card.driver_total_bytes is not None:
        return _from_driver(card.driver_total_bytes)
    if card.vendor == "Apple":
        return _apple(card.marketed_memory)
    return _from_marketed(card)


def _from_visible(card: Card, visible: int) -> Usable:
    why = f"total that programs see: {card.visible_source}"
    if card.visible_low is not None and card.visible_high is not None:
        return Usable(visible, card.visible_low, card.visible_high, card.visible_basis, why)
    part, whole = DRIVER_MOVES
    slack = visible * part // whole
    high = min(visible + slack, max(visible, card.driver_total_bytes or card.marketed_memory))
    why += "; drivers move such totals by up to 0.5 %"
    return Usable(visible, visible - slack, high, card.visible_basis, why)


def _from_driver(total: int) -> Usable:
    reserve = nvidia_reserve(total)
    times, per = RESERVE_WORST
    why = (
        f"driver total {format_bytes(total)} less 400 MiB and 2 MiB per GiB, fitted on the cards "
        "where both totals are known; Windows keeps only 1 MiB"
    )
    return Usable(total - reserve, total - reserve * times // per, total - MIB, "calibrated", why)


def _apple(memory: int) -> Usable:
    typical = memory * 2 // 3 if memory <= 36 * GIB else memory * 3 // 4
    why = (
        "Metal recommendedMaxWorkingSetSize by default: 2/3 of memory up to 36 GiB and 3/4 above "
        "(llama.cpp logs: 16 GiB 10,923 MiB, 48 GiB 36,864, 64 GiB 49,152, 128 GiB 98,304); "
        "newer macOS gives up to 0.84 (128 GiB 107.5 GiB); iogpu.wired_limit_mb moves it"
    )
    return Usable(typical, memory * 2 // 3, memory * 84 // 100, "assumed", why)


def _from_marketed(card: Card) -> Usable:
    memory = card.marketed_memory
    if card.kind == "unified":
        why = "CUDA shows 93 to 96 % of such memory (GB10, Orin), and the system lives in it too"
        return _share(memory, 93, 75, 96, why)
    if card.kind == "accelerator":
        why = "97 to 98 % of the marketed memory is open to programs on TPU v5e and v6e (XLA)"
        return _share(memory, 97, 95, 100, why)
    if card.vendor == "AMD":
        why = "ROCm shows 16 MiB less than the marketed size, up to 1/16 less with error correction"
        low = memory * 15 // 16 - 16 * MIB
        return Usable(memory - 16 * MIB, low, memory, "calibrated", why)
    if card.vendor == "Intel":
        why = "SYCL shows 94 to 99 % of the marketed size on Arc cards (llama.cpp device lines)"
        return _share(memory, 97, 94, 100, why)
    guess = _from_driver(memory * 249 // 250)
    why = (
        "driver total not known: marketed size less 0.4 %, up to 1/16 with error correction, "
        "and less the driver's reserve"
    )
    low = _from_driver(memory * 15 // 16).low
    return Usable(guess.bytes, low, memory - MIB, "assumed", why)


def _share(memory: int, typical: int, low: int, high: int, why: str) -> Usable:
    typical, low, high = (memory * percent // 100 for percent in (typical, low, high))
    return Usable(typical, low, high, "assumed", why)
