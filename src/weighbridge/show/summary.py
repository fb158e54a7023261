"""What every rendering of a plan says in words: the verdict, the facts, the way out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from weighbridge.planner import DevicePlan, Plan, Weighing
from weighbridge.show.labels import BASES, label
from weighbridge.show.width import clean
from weighbridge.speed.roofline import Speed
from weighbridge.term import spoken
from weighbridge.units import (
    GIB,
    format_bytes,
    format_bytes_decimal,
    format_parameters,
)

if TYPE_CHECKING:
    from weighbridge.speed.ask import Answer


class Head(NamedTuple):
    """The verdict: a mark and a word that need no colour, the colour's tone, and the numbers."""

    mark: str
    word: str
    tone: str
    detail: str


def verdict_head(plan: Weighing) -> Head:
    """The verdict of a plan in one line."""
    fits, sure = plan.verdict.fits, plan.verdict.sure
    because = clean(plan.verdict.because)
    if fits is None:
        return Head("○", "no card named", "hint", _need(plan))
    if fits and sure:
        return Head("✓", "fits", "good", because)
    if fits:
        return Head("~", "fits, but the upper bound does not", "warn", because)
    if sure:
        return Head("✗", "does not fit", "bad", because)
    return Head("✗", "does not fit, though the lower bound would", "bad", because)


def _need(plan: Weighing) -> str:
    phases = {device.phase for device in plan.devices}
    peak = f" in {spoken(phases.pop())}" if len(phases) == 1 else ""
    return f"{format_bytes(plan.total)} at the peak{peak}{_bounds(plan.low, plan.high)}"


def _bounds(low: int, high: int) -> str:
    first, last = format_bytes(low), format_bytes(high)
    return "" if first == last else f", between {first} and {last}"


def facts(plan: Plan) -> list[tuple[str, str]]:
    """What was weighed, as (name, sentence): model, layers, weights, engine, work, cache."""
    every = [
        ("model", model_line(plan)),
        ("layers", layers_line(plan)),
        ("weights", _weights(plan)),
        ("engine", _engine(plan)),
        ("work", _work(plan)),
        ("KV cache", _cache(plan)),
        ("host", _host(plan)),
        ("room", _room(plan)),
        ("speed", _speed(plan)),
    ]
    return [(name, clean(sentence)) for name, sentence in every if sentence]


def model_line(plan: Weighing) -> str:
    """The model with its parameters."""
    total, active = plan.model.parameters, plan.model.active_parameters
    parts = [clean(plan.model.id), f"{format_parameters(total)} parameters"]
    if active != total:
        parts.append(f"{format_parameters(active)} of them active per token")
    return " · ".join(parts)


def layers_line(plan: Weighing) -> str:
    """How many layers of which kind of mixer and feed-forward, and what stands beside them."""
    mixers: dict[str, int] = {}
    forwards: dict[str, int] = {}
    for layer, count in plan.model.layer_groups():
        mixers[layer.mixer.kind] = mixers.get(layer.mixer.kind, 0) + count
        forwards[layer.feed_forward.kind] = forwards.get(layer.feed_forward.kind, 0) + count
    if not mixers:
        return ""
    parts = [_kinds(mixers)]
    parts.append(_kinds(forwards) if len(forwards) > 1 else next(iter(forwards)))
    parts += [
        f"{tower.name} tower of {format_parameters(tower.elements)}" for tower in plan.model.towers
    ]
    return " · ".join(parts)


def _kinds(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} × {kind}" for kind, count in counts.items())


def _weights(plan: Plan) -> str:
    size = plan.term("weights")
    basis = BASES.get(plan.model.basis, plan.model.basis)
    form = plan.settings.get("weights", plan.request.deployment.weights)
    return f"{form} · {both_units(size)} · {basis}"


def both_units(size: int) -> str:
    """``14.96 GiB (16.06 GB)``."""
    return f"{format_bytes(size)} ({format_bytes_decimal(size)})"


TITLES = {"vllm": "vLLM", "sglang": "SGLang", "tensorrt-llm": "TensorRT-LLM"}


def logged(plan: Plan) -> tuple[str, list[str]]:
    """A title and the lines that the engine would print; an error stands in the verdict."""
    title = f"{TITLES.get(plan.engine.name, plan.engine.name)} would log"
    return title, [clean(line) for line in plan.log if not line.startswith("ValueError: ")]


def _engine(plan: Plan) -> str:
    parts = [str(plan.engine).replace("==", " ")]
    asked = plan.request.deployment
    if "n_gpu_layers" in plan.settings:
        return " · ".join((*parts, *_llama_settings(plan.settings)))
    if "max_num_seqs" in plan.settings:
        return " · ".join([*parts, *_scheduler(plan)])
    attention = plan.settings.get("attn_implementation", asked.attn_implementation)
    growth = plan.settings.get("cache_implementation", asked.cache_implementation)
    parts.append(f"{attention} attention")
    if plan.cache.bytes_per_sequence:
        parts.append(f"{growth} cache in {plan.cache.dtype}")
    return " · ".join(parts)


def _scheduler(plan: Plan) -> list[str]:
    """What an engine that schedules decided: shares, sizes of a step, ranks."""
    decided = plan.settings
    parts = [f"{int(decided['max_num_seqs']):,} sequences at most"]
    if "max_num_batched_tokens" in decided:
        parts.append(f"{int(decided['max_num_batched_tokens']):,} tokens a step")
    if "gpu_memory_utilization" in decided:
        parts.append(f"{float(decided['gpu_memory_utilization']):.1%} of each device")
    for name, what in (
        ("tensor_parallel_size", "tensor"),
        ("pipeline_parallel_size", "pipeline"),
        ("data_parallel_size", "data"),
    ):
        if decided.get(name, "1") != "1":
            parts.append(f"{what} parallel over {decided[name]}")
    return [*parts, f"cache in {plan.cache.dtype}"]


def _llama_settings(settings: Mapping[str, str]) -> tuple[str, ...]:
    """What llama.cpp was started with, in its own flags' terms."""
    return (
        f"{settings['n_gpu_layers']} layers on GPU",
        f"{int(settings['ctx_size']):,} cells for {settings['parallel']}",
        f"flash attention {settings['flash_attn']}",
        f"cache in {settings['kv_cache_dtype']}",
    )


def _host(plan: Plan) -> str:
    """What lies in host memory, where the engine plans it."""
    if plan.host is None:
        return ""
    parts = [f"{label(t.name)} {format_bytes(t.bytes)}" for t in plan.host.terms if t.bytes]
    return f"{format_bytes(plan.host.total)} of host memory: " + ", ".join(parts)


def _work(plan: Plan) -> str:
    count = plan.request.workload.concurrency
    many = f"{count:,} sequences at once, each" if count > 1 else "1 sequence of"
    prompt, output = plan.tokens.prompt, plan.tokens.output
    if not plan.model.generates:
        return f"{many} {prompt:,} tokens"
    return f"{many} {prompt:,} tokens in and {output:,} out"


def _cache(plan: Plan) -> str:
    """What a token and a sequence cost."""
    cache, parts = plan.cache, []
    if cache.bytes_per_token:
        further = "further token" if _forgets(plan) else "token"
        parts.append(f"{_small(cache.bytes_per_token)} per {further}")
    if cache.bytes_per_sequence:
        length = plan.tokens.cached
        parts.append(f"{format_bytes(cache.bytes_per_sequence)} per sequence of {length:,} tokens")
    if cache.state_bytes_per_sequence:
        parts.append(f"{format_bytes(cache.state_bytes_per_sequence)} of state per sequence")
    return " · ".join(parts)


def _forgets(plan: Plan) -> bool:
    """Whether some layers keep a window only, so that a further token costs less than the first."""
    groups = plan.model.layer_groups()
    return any(stream.window for layer, _ in groups for stream in layer.mixer.cache)


def _small(size: int) -> str:
    """Bytes in KiB as the arithmetic gives them: ``128 KiB``, ``68.62 KiB``."""
    if size >= GIB:
        return format_bytes(size)
    return f"{size / 1024:,.2f}".rstrip("0").rstrip(".") + " KiB"


def _room(plan: Plan) -> str:
    """How many tokens and sequences the rest of the cards would hold."""
    tokens, sequences = plan.capacity.tokens, plan.capacity.sequences
    if tokens is None and sequences is None:
        return ""
    if not tokens and not sequences:
        return "none for a cache beside the other terms"
    parts = [f"{tokens:,} tokens of cache"] if tokens is not None else []
    if sequences is not None:
        parts.append(f"{_tenths(sequences)} such sequences")
    if plan.log:
        return " or ".join(parts)
    return " or ".join(parts) + ", the other terms unchanged"


def _speed(plan: Plan) -> str:
    """The floor of decode, or of an encoder's pass, and what sets it."""
    if plan.speed is None:
        return ""
    if not isinstance(plan.speed, Speed):
        return _modelled(plan.speed)
    floor = plan.speed.decode or plan.speed.prefill
    what = "token" if plan.speed.decode else "pass"
    parts = [f"no faster than {floor.seconds * 1000:,.2f} ms per {what}"]
    if floor.bound_by == "arithmetic":
        parts.append("set by arithmetic")
    else:
        parts.append(
            f"set by memory bandwidth: arithmetic waits {floor.memory_wait_fraction:.0%} of it"
        )
    return ", ".join(parts)


def _modelled(found: Answer) -> str:
    """Time per token and to the first one, with bounds, and what sets it."""
    from weighbridge.speed.ask import bound_by

    token = float(found.pace.decode.seconds) * 1000
    low, high = token * found.fitted.low, token * found.fitted.high
    return (
        f"about {token:,.2f} ms per token ({low:,.1f} to {high:,.1f}), bound by "
        f"{bound_by(found.pace.decode)}; first token after {float(found.pace.first) * 1000:,.0f} ms"
    )


def _tenths(number: float) -> str:
    return f"{number:,.1f}" if number < 100 else f"{number:,.0f}"


def further_totals(plan: Weighing, device: DevicePlan) -> list[str]:
    """The device's totals in the phases that are not its peak, and the total of all devices."""
    lines = []
    for phase, terms in device.phases.items():
        if phase != device.phase and terms != device.terms:
            bounds = _bounds(sum(t.low for t in terms), sum(t.high for t in terms))
            when = "while loading" if phase == "load" else f"in {spoken(phase)}"
            lines.append(f"{when}: {format_bytes(sum(t.bytes for t in terms))}{bounds}")
    if len(plan.devices) > 1:
        bounds = _bounds(plan.low, plan.high)
        lines.append(f"over all {len(plan.devices)} devices: {format_bytes(plan.total)}{bounds}")
    return lines


def bounds_note(plan: Weighing) -> str:
    """What an unsure verdict hangs on, in a sentence; empty where it is sure."""
    if plan.fits is None or plan.verdict.sure:
        return ""
    short = [d for d in plan.devices if d.usable is not None and d.high > d.usable]
    if not short:
        return ""
    worst = max(short, key=lambda device: device.high - (device.usable or 0))
    usable = format_bytes(worst.usable or 0)
    if plan.fits:
        return f"the upper bound is {format_bytes(worst.high)}, more than {usable}"
    return f"the lower bound is {format_bytes(worst.low)}, within {usable}"


def flag(option: str) -> str:
    """An option as the command line spells it: ``max_model_len`` → ``--max-model-len``."""
    option = clean(option)
    return option if option.startswith("-") else "--" + option.replace("_", "-")


class WayOut(NamedTuple):
    """A remedy in words: what to type, what it then takes, and why it helps."""

    flag: str
    total: str
    why: str


def ways_out(plan: Weighing) -> list[WayOut]:
    """The remedies of a plan that does not fit."""
    return [
        WayOut(
            f"{flag(each.option)} {clean(each.value)}",
            format_bytes(each.total),
            clean(each.why),
        )
        for each in plan.verdict.remedies
    ]


NO_WAY_OUT = "no single option that is known here makes it fit"


def assumptions(plan: Weighing) -> list[str]:
    """What was assumed, a sentence each."""
    return [clean(each) for each in plan.assumptions]


def card_line(device: DevicePlan) -> str:
    """The card's memory as sold, as the driver gives it, and as a program sees it."""
    card = device.card
    if card is None:
        return ""
    sold = format_bytes(card.marketed_memory)
    if card.marketed_unit == "GB":
        sold = format_bytes_decimal(card.marketed_memory) + f" ({sold})"
    return f"{clean(card.name)}: sold as {sold}, a program sees {format_bytes(card.usable_bytes)}"
