"""What the articles' cache formulas miss on this very model, in sentences with its numbers."""

from __future__ import annotations

from weighbridge.model.facts import CacheStream, Layer
from weighbridge.model.mixers.mla import LatentAttention
from weighbridge.rules.rule import Figure
from weighbridge.rules.subject import Subject
from weighbridge.rules.words import both, off, share, times
from weighbridge.units import format_bytes


def of_cache(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """Latents, windows, layers without a cache, state, and the factor in all."""
    found = (
        _assumed(subject),
        _latent(subject),
        _windows(subject),
        _without_cache(subject),
        _state(subject),
        _overall(subject, figure),
    )
    return tuple(sentence for sentence in found if sentence)


def of_all_heads(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The same, after the heads that share keys and values."""
    shared = _shared_heads(subject)
    return (*((shared,) if shared else ()), *of_cache(subject, figure))


def of_missing_layers(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The layers that are left out, the width that is put in their place, and the windows."""
    layers = (
        f"the formula counts one of {subject.layers} layers, which alone makes it "
        f"{subject.layers} times too small"
    )
    found = (
        _assumed(subject),
        layers,
        _width(subject),
        _windows(subject),
        _without_cache(subject),
        _state(subject),
        _overall(subject, figure),
    )
    return tuple(sentence for sentence in found if sentence)


def of_each_token(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The same, after what each token really costs."""
    per_token = subject.plan.cache.bytes_per_token
    if not per_token:
        return of_cache(subject, figure)
    cost = (
        f"a further token costs {format_bytes(per_token)} here; 0.5 MB is "
        f"{off(500_000 / per_token)}"
    )
    return (cost, *of_cache(subject, figure))


def _width(subject: Subject) -> str:
    """Elements per token and layer: what hidden stands for, and what the layers keep."""
    stated = sum(stream.width for stream in _streams(subject))
    per_token = subject.plan.cache.bytes_per_token * 8 // subject.cache_bits
    kept = max(stated, per_token) // max(subject.layers, 1)
    counted = 2 * subject.model.hidden
    if not kept or kept == counted:
        return ""
    return (
        f"twice the hidden size is {counted:,} elements per token and layer, where a layer "
        f"here keeps {kept:,}: {off(counted / kept)}"
    )


def _assumed(subject: Subject) -> str:
    if subject.model.basis != "assumed":
        return ""
    return (
        f"layers and heads are not known from a size; they are borrowed "
        f"({subject.model.architecture})"
    )


def _shared_heads(subject: Subject) -> str:
    heads = subject.heads
    if heads is None or heads.kv_heads == heads.heads:
        return ""
    ratio = heads.heads / heads.kv_heads
    return (
        f"{heads.heads} query heads share {heads.kv_heads} KV heads: counting all query heads "
        f"is {times(ratio)} too large"
    )


def _latent(subject: Subject) -> str:
    """What a latent keeps in place of heads, or what an engine that expands it keeps."""
    latent = [each for each in _layers(subject) if isinstance(each.mixer, LatentAttention)]
    if not latent or subject.heads is None:
        return ""
    mixer = latent[0].mixer
    assert isinstance(mixer, LatentAttention)
    width = mixer.latent + mixer.rope
    counted = 2 * subject.heads.heads * subject.heads.head_dim
    kept = sum(stream.width for stream in mixer.expanded_cache)
    per_token = subject.plan.cache.bytes_per_token * 8 // subject.cache_bits
    if per_token >= kept * len(latent):
        return (
            f"this engine expands the latent and keeps {kept:,} elements per token and layer, "
            f"where the latent itself has {width:,} and the formula counts {counted:,}"
        )
    return (
        f"a token leaves one latent of {mixer.latent} + {mixer.rope} = {width:,} elements per "
        f"layer, once for all {mixer.heads} heads, where all heads would count {counted:,}: "
        f"{off(counted / width)}"
    )


def _windows(subject: Subject) -> str:
    """Layers that see a window, and whether it saves anything at this length in this engine."""
    windows = [stream.window for stream in _streams(subject) if stream.window is not None]
    if not windows:
        return ""
    window, tokens = max(windows), subject.tokens
    count = sum(any(s.window for s in each.mixer.cache) for each in _layers(subject))
    opening = f"{count} of {subject.layers} layers see only the last {window:,} tokens: "
    if tokens <= window:
        return f"{opening}at {tokens:,} the window is not full yet, so nothing is saved"
    full = sum(stream.width for stream in _streams(subject)) * subject.cache_bits // 8
    if subject.plan.cache.bytes_per_token >= full:
        return f"{opening}this engine keeps all {tokens:,} of them all the same"
    return (
        f"{opening}at {tokens:,} they keep {share(window, tokens)} of what a formula without "
        "windows counts for them"
    )


def _without_cache(subject: Subject) -> str:
    count = sum(not each.mixer.cache for each in _layers(subject))
    if not count:
        return ""
    return f"{count} of {subject.layers} layers keep no cache at all, and the formula counts them"


def _state(subject: Subject) -> str:
    size = subject.plan.term("state")
    return f"{both(size)} of recurrent state are not in the formula" if size else ""


def _overall(subject: Subject, figure: Figure) -> str:
    ours = subject.remembered
    if not ours or figure.low != figure.high:
        return ""
    return (
        f"at {subject.tokens:,} tokens × {subject.sequences:,} "
        f"sequence{'s' if subject.sequences > 1 else ''} it is {off(figure.low / ours)} in all"
    )


def _layers(subject: Subject) -> tuple[Layer, ...]:
    return subject.model.layers


def _streams(subject: Subject) -> list[CacheStream]:
    return [stream for layer in subject.model.layers for stream in layer.mixer.cache]
