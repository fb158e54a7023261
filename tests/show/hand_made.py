"""Plans put together by hand, so that what is shown does not move with the engines' numbers."""

from __future__ import annotations

from dataclasses import dataclass

from weighbridge.engine import CacheFacts, Engine
from weighbridge.hardware.card import Card
from weighbridge.hardware.machine import machine_of
from weighbridge.model.facts import CacheStream, Layer, Model, Parameter, StateTensor, Tower
from weighbridge.planner import Capacity, DevicePlan, Plan, Remedy, Verdict
from weighbridge.request import Deployment, Request, Tokens, Workload
from weighbridge.term import Basis, Phase, Term
from weighbridge.units import GIB, MIB


@dataclass(frozen=True, slots=True)
class Mixer:
    kind: str = "full attention (GQA)"
    parameters: tuple[Parameter, ...] = ()
    cache: tuple[CacheStream, ...] = (CacheStream(2048),)
    state: tuple[StateTensor, ...] = ()
    score_heads: int = 32
    live_width: int = 1


@dataclass(frozen=True, slots=True)
class Forward:
    kind: str = "gated feed-forward of 14,336"
    parameters: tuple[Parameter, ...] = ()
    active_elements: int = 0
    live_width: int = 1


CARD = Card(
    id="card-24",
    name="Card 24",
    vendor="NVIDIA",
    kind="discrete",
    marketed_memory=24 * GIB,
    marketed_unit="GiB",
    source="by hand",
    visible_bytes=24_081 * MIB,
    visible_low=24_050 * MIB,
    visible_high=24_563 * MIB,
    visible_source="by hand",
)
SMALL = CARD._replace(
    id="card-12",
    name="Card 12",
    marketed_memory=12 * GIB,
    visible_bytes=12_000 * MIB,
    visible_low=None,
    visible_high=None,
)


def term(
    name: str,
    size: int,
    low: int | None = None,
    high: int | None = None,
    phase: Phase = "resident",
    basis: Basis = "config",
    formula: str = "parameters × bits / 8",
    source: str = "by hand",
) -> Term:
    low, high = size if low is None else low, size if high is None else high
    inputs = {"parameters": 8_030_261_248, "bits per parameter": 16.0}
    return Term(name, 0, phase, size, low, high, basis, formula, inputs, source)


def terms(phase: Phase, weights: int = 15_317 * MIB, cache: int = 1024 * MIB) -> tuple[Term, ...]:
    many = phase == "prefill"
    return (
        term("weights", weights),
        term("context", 400 * MIB, 250 * MIB, 700 * MIB, basis="calibrated"),
        term("workspace", 2 * MIB, 0, 16 * MIB),
        term("kv_cache", cache, phase=phase),
        term("activations", (932 if many else 1) * MIB, phase=phase),
        term("logits", 0, phase=phase),
        term("reserve", 98 * MIB, 0, 489 * MIB, phase, "assumed"),
    )


def device(
    index: int = 0, card: Card | None = CARD, weights: int = 15_317 * MIB, cache: int = 1024 * MIB
) -> DevicePlan:
    phases: dict[Phase, tuple[Term, ...]] = {
        "prefill": terms("prefill", weights, cache),
        "decode": terms("decode", weights, cache),
    }
    name = card.name if card else "any device"
    return DevicePlan(name, index, card, "prefill", phases["prefill"], phases)


def model(name: str = "org/Model-8B", *, experts: bool = False) -> Model:
    full, window = (
        Mixer(),
        Mixer("sliding window of 1,024 (GQA)", cache=(CacheStream(2048, window=1024),)),
    )
    if not experts:
        layer = Layer(full, Forward())
        layers: tuple[Layer, ...] = (layer,) * 32
    else:
        routed = Forward("8 of 128 experts of 768", (Parameter("e", (10**9,), "expert"),), 10**8)
        one, other = Layer(window, routed), Layer(full, routed)
        layers = (one, one, one, one, one, other) * 4
    return Model(
        id=name,
        family="llama",
        architecture="LlamaForCausalLM",
        hidden=4096,
        vocab=128_256,
        layers=layers,
        outer=(Parameter("w", (8_030_261_248,), "linear"),),
        tied=False,
        dtype="bf16",
        towers=(Tower("vision", (Parameter("v", (423_000_000,), "linear"),)),) if experts else (),
        answers={"hidden size": "hidden_size = 4096", "layers": "num_hidden_layers = 32"},
        source="config.json by hand",
    )


def plan(
    devices: tuple[DevicePlan, ...] = (device(),),
    verdict: Verdict | None = None,
    shown: Model | None = None,
    assumptions: tuple[str, ...] = ("a prompt that fills the context is assumed, the worst case",),
) -> Plan:
    cards = [each.card for each in devices if each.card is not None]
    because = f"17.36 GiB of 23.52 GiB on {devices[0].name}, 6.16 GiB to spare at the peak"
    return Plan(
        request=Request("m", Deployment(on="card"), Workload(concurrency=2)),
        model=shown or model(),
        engine=Engine("transformers", (5, 0, 0)),
        tokens=Tokens(8192, 1),
        machine=machine_of(cards) if cards else None,
        devices=devices,
        cache=CacheFacts("bf16", 131_072, GIB),
        capacity=Capacity(58_611, 7.2) if cards else Capacity(None, None),
        verdict=verdict or Verdict(True, True, because),
        assumptions=assumptions,
        host=None,
        settings={"weights": "bf16", "attn_implementation": "sdpa"},
        version="0",
    )


def short(remedies: tuple[Remedy, ...] = ()) -> Plan:
    because = "Card 12 can hold 11.72 GiB and would need 17.36 GiB in prefill: 5.64 GiB too much"
    return plan((device(card=SMALL),), Verdict(False, True, because, remedies))


REMEDIES = (
    Remedy("weights", "nf4", 7 * GIB, "4.5 bits for each weight of a linear layer"),
    Remedy("max_model_len", "2048", 11 * GIB, "a shorter prompt needs fewer activations"),
)
TINY = plan(
    (
        DevicePlan(
            "any device",
            0,
            None,
            "prefill",
            (term("weights", 45 * MIB), term("reserve", 1000, 0, 9 * MIB, "prefill", "assumed")),
            {"prefill": (term("weights", 45 * MIB), term("reserve", 1000, 0, 9 * MIB, "prefill"))},
        ),
    ),
    Verdict(None, False, "no card was named"),
    assumptions=(),
)
NO_CARD = plan((device(card=None),), Verdict(None, False, "no card was named; add --on CARD"))
UNSURE = plan(
    (device(cache=7_200 * MIB),),
    Verdict(True, False, "23.39 GiB of 23.52 GiB on Card 24, 132.0 MiB to spare"),
)
NEARLY = plan(
    (device(cache=7_450 * MIB),), Verdict(False, False, "Card 24 can hold 23.52 GiB and needs more")
)
SEVERAL = plan(
    (
        device(0, weights=9_000 * MIB),
        *(device(n, weights=8_000 * MIB) for n in range(1, 7)),
        device(7, SMALL, weights=14_000 * MIB),
    ),
    Verdict(False, True, "Card 12 can hold 11.72 GiB and would need 16.07 GiB: 4.35 GiB too much"),
    model("org/Experts-30B-A3B", experts=True),
)
EQUAL = plan(tuple(device(n, weights=9_000 * MIB + n * 4096) for n in range(8)))
HUGE = plan((device(card=None, weights=1_500_000 * GIB),), Verdict(None, False, ""))
PLANS = {
    "fits": plan(),
    "short": short(),
    "short_with_ways_out": short(REMEDIES),
    "no_card": NO_CARD,
    "tiny": TINY,
    "huge": HUGE,
    "unsure": UNSURE,
    "nearly": NEARLY,
    "several": SEVERAL,
    "equal": EQUAL,
}
