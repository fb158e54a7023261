"""What to change when a plan does not fit: one option at a time, each tried on the plan itself."""

from __future__ import annotations

from typing import Any

from weighbridge.errors import InputError
from weighbridge.formats import FORMATS, find_format
from weighbridge.hardware.cards import list_cards
from weighbridge.model.facts import Model
from weighbridge.options import engine_options
from weighbridge.planner import Plan, Remedy, plan_request
from weighbridge.records import replace
from weighbridge.request import Request
from weighbridge.search.bisect import largest
from weighbridge.units import format_bytes

SMALLER_FORMATS = ("bf16", "fp8", "int8", "nf4", "nf4-dq")
SHORTEST_CONTEXT = 256
MOST_CARDS = (2, 4, 8, 16)


def with_remedies(plan: Plan) -> Plan:
    """The plan, with the single changes that would make it fit in its verdict.

    What an engine advises by itself, from its own options, stands.
    """
    if plan.verdict.fits is not False or plan.verdict.remedies:
        return plan
    own = plan.verdict.remedies
    shorter = None if any(each.option == "max_model_len" for each in own) else _context(plan)
    tried = (*own, _attention(plan), _format(plan), shorter, _concurrency(plan),
             _more_cards(plan), _larger_card(plan), _offload(plan))  # fmt: skip
    found = tuple(remedy for remedy in tried if remedy is not None)
    if not any(remedy.option != "--on" for remedy in found):
        both = _format_and(plan, "concurrency") or _format_and(plan, "max_model_len")
        found = (both, *found) if both is not None else found
    return replace(plan, verdict=plan.verdict._replace(remedies=found))


def _attempt(plan: Plan, **changes: Any) -> Plan | None:
    """The plan under changed options; None where they exclude each other."""
    request = plan.request
    deployment = {k: v for k, v in changes.items() if k not in {"concurrency", "input_tokens"}}
    workload = {k: v for k, v in changes.items() if k in {"concurrency", "input_tokens"}}
    changed = Request(
        request.model,
        request.deployment._replace(**deployment),
        request.workload._replace(**workload),
    )
    try:
        return plan_request(changed, plan.model)
    except InputError:
        return None


def _fits(plan: Plan | None) -> bool:
    return plan is not None and plan.verdict.fits is True


def _fullest(plan: Plan) -> int:
    return max(device.total for device in plan.devices)


def _remedy(option: str, value: object, plan: Plan, why: str) -> Remedy:
    return Remedy(option, str(value), _fullest(plan), why)


def _attention(plan: Plan) -> Remedy | None:
    if plan.settings.get("attn_implementation") != "eager":
        return None
    for kernel in ("sdpa", "flash_attention_2"):
        changed = _attempt(plan, attn_implementation=kernel)
        if changed is not None and _fits(changed):
            why = "no score matrix is written out"
            return _remedy("--attn-implementation", kernel, changed, why)
    return None


def _format(plan: Plan) -> Remedy | None:
    """The format of most bits that fits."""
    current = _bits(plan.settings["weights"], plan.model)
    for name in SMALLER_FORMATS:
        storage = find_format(name)
        if storage.bits_per_weight >= current:
            continue
        changed = _attempt(plan, weights=name)
        if changed is not None and _fits(changed):
            why = f"weights take {format_bytes(changed.term('weights'))} as {storage.title}"
            return _remedy("--weights", name, changed, why)
    return None


def _format_and(plan: Plan, name: str) -> Remedy | None:
    """A smaller format together with fewer sequences, or with one of a shorter context."""
    current = _bits(plan.settings["weights"], plan.model)
    now = plan.tokens.prompt if name == "max_model_len" else plan.request.workload.concurrency
    low = SHORTEST_CONTEXT if name == "max_model_len" else 1
    fixed = {"input_tokens": None, "concurrency": 1} if name == "max_model_len" else {}
    for storage in (find_format(each) for each in SMALLER_FORMATS):
        if storage.bits_per_weight >= current:
            continue

        def at(count: int, weights: str = storage.name) -> Plan | None:
            return _attempt(plan, **{**fixed, "weights": weights, name: count})

        best = largest(lambda count: _fits(at(count)), low, now)
        changed = at(best) if best is not None else None
        if best is not None and changed is not None:
            one = " --concurrency 1" if fixed else ""
            flag = "--context" if name == "max_model_len" else "--concurrency"
            return _remedy(
                f"--weights {storage.name}{one} {flag}", best, changed, "both changes together"
            )
    return None


def _bits(name: str, model: Model) -> float:
    known = {each.name: each for each in FORMATS}
    if name in known:
        return known[name].bits_per_weight
    return 16.0 if model.quantization is None else 8.0


def _context(plan: Plan) -> Remedy | None:
    """The longest context that fits, with the output kept."""
    workload = plan.request.workload
    now = plan.tokens.prompt + (workload.output_tokens or 0)

    def at(context: int) -> Plan | None:
        return _attempt(plan, max_model_len=context, input_tokens=None)

    lowest = SHORTEST_CONTEXT + (workload.output_tokens or 0)
    best = largest(lambda context: _fits(at(context)), lowest, now - 1)
    changed = at(best) if best is not None else None
    if best is None or changed is None:
        return None
    return _remedy("--context", best, changed, "the longest that fits with everything else as is")


def _concurrency(plan: Plan) -> Remedy | None:
    """The most sequences at once that fit."""
    now = plan.request.workload.concurrency
    best = largest(lambda n: _fits(_attempt(plan, concurrency=n)), 1, now - 1)
    changed = _attempt(plan, concurrency=best) if best is not None else None
    if best is None or changed is None:
        return None
    return _remedy("--concurrency", best, changed, "the most sequences at once that fit")


def _offload(plan: Plan) -> Remedy | None:
    """Layers in host memory, where the engine places them by itself."""
    own = plan.request.deployment.own
    if "device_map" not in engine_options(plan.engine.name).own or own.get("device_map"):
        return None
    changed = _attempt(plan, own={**own, "device_map": "auto"})
    if changed is None or not _fits(changed) or changed.host is None:
        return None
    why = f"{format_bytes(changed.host.total)} of weights in host memory, which is far slower"
    return _remedy("--device-map", "auto", changed, why)


def _more_cards(plan: Plan) -> Remedy | None:
    """The smallest number of the same card over which the layers can be spread."""
    if plan.machine is None or plan.machine.mixed:
        return None
    card, have = plan.machine.devices[0], len(plan.machine.devices)
    fixed = plan.request.deployment.tensor_parallel_size
    for count in MOST_CARDS:
        if count <= have or card.id.startswith("custom"):
            continue
        ranks = {} if fixed is None else {"tensor_parallel_size": count * fixed // have}
        changed = _attempt(plan, on=f"{count}x{card.id}", **ranks)
        if changed is not None and _fits(changed):
            why = "layers spread over the cards"
            if changed.settings.get("tensor_parallel_size", "1") != "1":
                why = "each card holds a part of every layer"
            flags = "".join(f" --tp {n}" for n in ranks.values())
            return _remedy("--on", f"{count}x{card.id}{flags}", changed, why)
    return None


def _larger_card(plan: Plan) -> Remedy | None:
    """The smallest single card of the same maker that holds it."""
    if plan.machine is None:
        return None
    vendor = plan.machine.devices[0].vendor
    vendor = vendor if plan.machine.devices[0].bandwidth else "NVIDIA"
    floor = min(device.low for device in plan.devices)
    larger = sorted(
        (card for card in list_cards(vendor=vendor) if card.usable_bytes >= floor),
        key=lambda card: (card.usable_bytes, -(card.launch_year or 0), card.id),
    )
    for card in larger:
        changed = _attempt(plan, on=card.id)
        if changed is not None and _fits(changed):
            return _remedy("--on", card.id, changed, f"the smallest {vendor} card that holds it")
    return None
