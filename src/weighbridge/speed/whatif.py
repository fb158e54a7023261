"""What a remedy would be worth: before and after for memory, first token and each token.

Each lever changes one thing of a setting and says what it assumes and where physics stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from weighbridge.engine.layout import Layout
from weighbridge.formats.table import find_format
from weighbridge.hardware.cards import find_card
from weighbridge.speed.ask import Answer, Subject, answer
from weighbridge.speed.offload import CXL, Tier, host_over, on_disk, on_host
from weighbridge.speed.rates import PCIE_USED
from weighbridge.speed.serve import Load, Offloaded, Setting, pace_of
from weighbridge.speed.speculative import measured_tokens
from weighbridge.speed.step import Cost


class Outcome(NamedTuple):
    """One row: the lever, its value, and what it leads to; ``memory`` in bytes per device."""

    lever: str
    value: str
    memory: int
    first: float
    token: float
    tokens_per_second: float
    assumes: str
    limit: str


Lever = Callable[[Answer], Iterator[Outcome]]


def what_if(found: Answer) -> list[Outcome]:
    """Every lever on this answer, the present state first."""
    here = _outcome("now", "", found.setting, found, "", "")
    return [here, *(row for lever in LEVERS for row in lever(found))]


def held_bytes(setting: Setting, found: Answer) -> int:
    """Weights and cache of a rank, at the end of every sequence."""
    from weighbridge.speed.work import decode_work

    load, shape = setting.load, setting.shape
    end = decode_work(shape, load.sequences, load.input + load.output, setting.cached)
    away = setting.offloaded.share if setting.offloaded else 0.0
    embedding = sum(
        found.subject.storage.bytes_of(p)
        for p in found.subject.model.outer
        if p.role == "embedding" and not found.subject.model.tied
    )
    weights = (shape.dense_bytes + shape.expert_bytes) * (1 - away)
    return int(weights + embedding // shape.layout.tensor + end.cache_bytes + end.state_bytes)


def _outcome(
    lever: str, value: str, setting: Setting, found: Answer, assumes: str, limit: str
) -> Outcome:
    pace = pace_of(setting)
    token = float(pace.decode.seconds)
    return Outcome(
        lever,
        value,
        held_bytes(setting, found),
        float(pace.first),
        token,
        float(setting.load.sequences) / token,
        assumes,
        limit,
    )


def _again(found: Answer, **changes: Any) -> Answer | None:
    subject: Subject = found.subject._replace(**changes)
    return answer(subject, found.fitted)


def _of(lever: str, value: str, made: Answer | None, assumes: str, limit: str) -> Iterator[Outcome]:
    if made is not None:
        yield _outcome(lever, value, made.setting, made, assumes, limit)


def weight_formats(found: Answer) -> Iterator[Outcome]:
    """The usual formats of weights."""
    for name in ("bf16", "fp8", "int4-g128", "nvfp4"):
        storage = find_format(name).for_model(found.subject.model)
        if storage.name != found.subject.storage.name:
            yield from _of(
                "weights", name, _again(found, storage=storage),
                "every linear layer in this format, and a kernel for it",
                "scales and what stays in 16 bit; quality is not in it",
            )  # fmt: skip


def cache_formats(found: Answer) -> Iterator[Outcome]:
    """The cache in fewer bits."""
    for name, size in (("16 bit", 2.0), ("fp8", 1.0), ("4 bit", 4.5 / 8)):
        if size != found.subject.element:
            yield from _of(
                "KV cache", name, _again(found, element=size),
                "kernels read this type as fast as any",
                "what is saved is the cache's part of a step, the weights' stays",
            )  # fmt: skip


def batches(found: Answer) -> Iterator[Outcome]:
    """More sequences at once."""
    for count in (1, 8, 32, 128):
        if count != found.subject.sequences:
            yield from _of(
                "batch", f"{count}", _again(found, sequences=count),
                "as many users, each with a cache of its own; memory is not checked here",
                "weights are read once for all, until arithmetic or the cache takes over",
            )  # fmt: skip


def sparsity(found: Answer) -> Iterator[Outcome]:
    """Reading only some of the weights, or of the cache."""
    shape, cached = found.setting.shape, found.setting.cached
    for part, name in ((0.5625, "2:4 structured"), (0.5, "half of the feed-forward rows")):
        less = shape._replace(
            dense_bytes=int(shape.dense_bytes * part), expert_bytes=int(shape.expert_bytes * part),
        )  # fmt: skip
        yield _outcome(
            "sparse weights", name, found.setting._replace(shape=less), found,
            "values of half the weights and 2-bit positions" if part > 0.5 else
            "a predictor picks the rows (Deja Vu, arXiv:2310.17157) at no cost",
            "with many sequences each wants other rows, and all are read again",
        )  # fmt: skip
    fewer = cached._replace(element=cached.element / 4)
    yield _outcome(
        "sparse cache", "a quarter of the tokens", found.setting._replace(cached=fewer), found,
        "an index that costs nothing picks them (Quest, arXiv:2406.10774)",
        "the cache's part of a step; in memory all tokens stay if any may be picked",
    )  # fmt: skip


def memories(found: Answer) -> Iterator[Outcome]:
    """Faster memory: stacked on the chip, or another card."""
    rates, cost = found.setting.cost.rates, found.setting.cost
    for times in (2, 4):
        faster: Cost = cost._replace(rates=rates._replace(bandwidth=rates.bandwidth * times))
        yield _outcome(
            "memory", f"{times} times the bandwidth", found.setting._replace(cost=faster), found,
            "3D-stacked memory, the same kernels keep it as busy",
            "launches and arithmetic stay; they are the floor then",
        )  # fmt: skip
    for name in ("h100-sxm", "b200-sxm"):
        if name != found.subject.card.id:
            cards = tuple(find_card(name) for _ in found.subject.cards)
            yield from _of(
                "card", name, _again(found, cards=cards), "the same layout on these cards",
                "its bandwidth, while arithmetic waits for it",
            )  # fmt: skip


def scores(found: Answer) -> Iterator[Outcome]:
    """Eager attention: every score written, read for softmax, written and read again."""
    load, kind = found.setting.load, found.subject.model
    heads = sum(
        part.times * part.heads * part.layer.mixer.score_heads for part in found.setting.shape.parts
    )
    traffic = 4 * 2 * heads * load.input * load.input
    here = _outcome("attention", "eager", found.setting, found, "", "")
    slower = float(traffic / found.setting.cost.rates.bandwidth)
    yield here._replace(
        first=here.first + slower,
        assumes=f"{kind.family}: scores in 16 bit cross the bus four times, none are kept",
        limit="FlashAttention writes none of them; in decode there is one row, and nothing to gain",
    )


def offloading(found: Answer) -> Iterator[Outcome]:
    """Half of the layers elsewhere, by place and by how well copies overlap."""
    pcie = (found.subject.card.pcie_bandwidth or 32e9) * PCIE_USED
    tiers: tuple[tuple[Tier, str], ...] = (
        (host_over(pcie), "none"),
        (host_over(pcie), "partial"),
        (host_over(pcie), "perfect"),
        (on_host(), "none"),
        (Tier("CXL memory", min(CXL, pcie), "PCIe 5.0 x16 behind a CXL switch"), "perfect"),
        (on_disk(), "perfect"),
    )
    for tier, overlap in tiers:
        away = Offloaded(0.5, tier, overlap)
        yield _outcome(
            "half offloaded", f"{tier.name}, overlap {overlap}",
            found.setting._replace(offloaded=away), found, tier.assumption,
            f"{tier.bandwidth / 1e9:.0f} GB/s, in every step",
        )  # fmt: skip


def devices(found: Answer) -> Iterator[Outcome]:
    """The same model over more cards."""
    for ranks in (2, 4, 8):
        layout: Layout = found.subject.layout._replace(tensor=ranks)
        if ranks != found.subject.layout.tensor:
            cards = (found.subject.card,) * (ranks * layout.pipeline * layout.data)
            yield from _of(
                "tensor parallel", f"{ranks} cards",
                _again(found, layout=layout, cards=cards),
                "two all-reduces per layer over the cards' own links",
                "launches and all-reduces do not shrink",
            )  # fmt: skip


def speculation(found: Answer) -> Iterator[Outcome]:
    """Drafted tokens, verified together."""
    for method, drafts in (("mtp", 1), ("mtp", 3), ("eagle3", 5)):
        load: Load = found.setting.load._replace(
            drafts=drafts, accepted=measured_tokens(drafts, method)
        )
        yield _outcome(
            "speculative", f"{drafts} drafts ({method})", found.setting._replace(load=load), found,
            f"{load.accepted:.2f} tokens accepted per step, as InferenceX measured",
            "a large batch is bound by arithmetic, which verifying multiplies",
        )  # fmt: skip


def chunks(found: Answer) -> Iterator[Outcome]:
    """Smaller and larger passes of prompts."""
    for size in (512, 2048, 16384):
        if size != found.setting.load.chunk:
            load = found.setting.load._replace(chunk=size)
            yield _outcome(
                "prefill chunk", f"{size:,} tokens", found.setting._replace(load=load), found,
                "prompts are cut into passes of this size",
                "small ones read the weights more often; large ones hold up who generates",
            )  # fmt: skip


LEVERS: tuple[Lever, ...] = (
    weight_formats, cache_formats, batches, sparsity, memories, scores, offloading, devices,
    speculation, chunks,
)  # fmt: skip
