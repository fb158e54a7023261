"""What factors, flat sums and training rules miss on this very model, with its numbers."""

from __future__ import annotations

from weighbridge.rules import formulas
from weighbridge.rules.rule import Figure
from weighbridge.rules.subject import Subject
from weighbridge.rules.weights_remarks import of_name_and_format
from weighbridge.rules.words import both, percent, share, times
from weighbridge.units import format_bytes


def of_factor(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """What the rest really is beside weights and cache."""
    del figure
    base = subject.weights + subject.remembered
    if not base:
        return ()
    return (
        f"beside weights and cache this plan holds {both(subject.rest)}, "
        f"{share(subject.rest, base)} of the two together; {_largest(subject)}",
    )


def of_twenty_percent(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """How far 20 % of the weights go: what the cache leaves of them, and when it leaves nothing."""
    allowance = subject.weights // 5
    needed = subject.remembered + subject.rest
    first = (
        f"20 % of the weights are {both(allowance)}; this plan needs {both(needed)} beside them, "
        f"of which {both(subject.remembered)} is the cache of {subject.tokens:,} tokens × "
        f"{subject.sequences:,}"
    )
    return tuple(sentence for sentence in (first, _used_up(subject, allowance)) if sentence) + (
        of_factor(subject, figure) if not subject.remembered else ()
    )


def of_served(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The same for formulas that start from the size in the name."""
    return (*of_name_and_format(subject, figure), *of_twenty_percent(subject, figure))


def of_multiplied(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """Beside the formula as it was meant, and with the other way to read the misprint."""
    size, bits = subject.named.parameters, subject.bits
    meant = formulas.serving(size, bits)
    literal = formulas.serving_multiplied_literally(size, bits)
    return (
        f"divided as it was meant, {subject.named.text} in {bits} bit gives {both(meant)}: the "
        f"misprint is {times(figure.low / max(meant, 1))} that",
        f"with the 4 kept literally as 4 bytes, multiplying by 32 / {bits} would give "
        f"{both(literal)}",
    )


def of_multiplied_literally(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """What fewer bits do to the misprint."""
    size = subject.named.parameters
    row = ", ".join(
        f"{both(formulas.serving_multiplied_literally(size, bits))} in {bits} bit"
        for bits in (16, 8, 4)
    )
    meant = formulas.serving(size, subject.bits)
    return (
        f"fewer bits ask for more memory, which cannot be: {row}",
        f"divided as it was meant it gives {both(meant)}: the misprint is "
        f"{times(figure.low / max(meant, 1))} that",
    )


def of_twice(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """How much of the second half is needed, and at what length it would be."""
    del figure
    second, needed = subject.weights, subject.plan.total - subject.weights
    if not second:
        return ()
    sentence = f"beside the weights this plan needs {share(needed, second)} of them once more"
    return tuple(each for each in (sentence, _used_up(subject, second)) if each)


def of_training(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The sum by definition, and what it starts from."""
    del figure
    parts = " + ".join(
        f"{format_bytes(subject.parameters * size)} {name}"
        for name, size in formulas.TRAINING_PARTS.items()
    )
    found = [f"by definition: {parts}; activations come on top"]
    if subject.bits < 16:
        size = both(formulas.weights(subject.parameters, 16))
        found.append(
            f"full training starts from 16-bit weights, {size}, not from {subject.format_name}"
        )
    if 0 < subject.model.active_parameters < subject.parameters:
        found.append("every expert has gradients and moments, whether a token visits it or not")
    return tuple(found)


def of_flat(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """What the rest consists of, and the range in which our context lies."""
    del figure
    context = f"; the context is {_context(subject)}" if subject.plan.term("context") else ""
    return (
        f"{_largest(subject)}{context}",
        f"the rest is {both(subject.rest)} at {subject.tokens:,} tokens × {subject.sequences:,}: "
        "it grows with both, and a flat sum does not",
    )


def of_context(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """Ours with its bounds, and the rest that such a range does not cover."""
    excess = (figure.high - subject.rest) / subject.rest if subject.rest else 0.0
    verdict = "would cover" if excess >= 0 else "would not cover"
    return (
        f"our context is {_context(subject)}",
        f"everything beside weights and cache is {both(subject.rest)}: the upper end {verdict} "
        f"it, {percent(excess)}",
    )


def _used_up(subject: Subject, allowance: int) -> str:
    """At how many tokens the cache alone takes ``allowance``."""
    per_token = subject.plan.cache.bytes_per_token * subject.sequences
    held, longest = subject.remembered, subject.model.max_positions
    if not (held and per_token):
        return ""
    if held >= allowance:
        return f"the cache alone is more than that at {subject.tokens:,} tokens"
    tokens = subject.tokens + (allowance - held) // per_token
    if longest is not None and tokens > longest:
        return f"the cache alone does not use that up within the model's {longest:,} positions"
    return f"the cache alone would use that up at about {tokens:,} tokens"


def _largest(subject: Subject) -> str:
    parts = [name for name in subject.names() if name not in {"weights", "kv_cache", "state"}]
    if not parts:
        return "nothing"
    name = max(parts, key=subject.plan.term)
    return f"most of it is {name}, {both(subject.plan.term(name))}"


def _context(subject: Subject) -> str:
    terms = [term for term in subject.plan.terms if term.name == "context"]
    low, high = sum(term.low for term in terms), sum(term.high for term in terms)
    size = format_bytes(subject.plan.term("context"))
    return f"{size} (between {format_bytes(low)} and {format_bytes(high)})"
