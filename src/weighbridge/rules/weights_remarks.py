"""What parameters × bytes misses on this very model, in sentences with its numbers."""

from __future__ import annotations

from weighbridge.rules.rule import Figure
from weighbridge.rules.subject import Subject
from weighbridge.rules.words import both, off, percent, share
from weighbridge.units import format_parameters


def of_weights(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """Format, mixture of experts, tied head and towers, each where the model has it."""
    del figure
    found = (_format(subject), _experts(subject), _tied(subject), _towers(subject))
    return tuple(sentence for sentence in found if sentence)


def of_name(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """The same, after what the size in the name leaves out."""
    return (*_name(subject), *of_weights(subject, figure))


def of_name_and_format(subject: Subject, figure: Figure) -> tuple[str, ...]:
    """What the name leaves out, and what the format's own bits do."""
    del figure
    storage = _format(subject)
    return (*_name(subject), *((storage,) if storage else ()))


def _name(subject: Subject) -> tuple[str, ...]:
    named, counted = subject.named, subject.parameters
    if subject.model.basis == "assumed":
        return (f"the name {subject.model.id} is all that is known: its size is taken at its word",)
    error = (named.parameters - counted) / counted if counted else 0.0
    if not named.in_name:
        return (
            f"no size is in the name; {named.text} is the count of {counted:,} as it would be "
            f"spoken: {percent(error)}",
        )
    sentence = (
        f"the {named.text} in the name stands for {format_parameters(counted)} parameters: "
        f"{percent(error)}"
    )
    if "x" in named.text and error > 0:
        sentence += ", because the experts share attention and embeddings"
    return (sentence,)


def _format(subject: Subject) -> str:
    """Bits per parameter as stored, where they are not those the format is named after."""
    if not subject.parameters:
        return ""
    average = subject.weights * 8 / subject.parameters
    if abs(average / subject.bits - 1) < 0.0005:
        return ""
    storage, left = subject.storage(), subject.left_in_16_bit()
    sentence = (
        f"{subject.format_name} takes {average:.3g} bits per parameter here, not {subject.bits}"
    )
    causes = []
    if storage is not None and abs(storage.bits_per_weight - subject.bits) > 0.001:
        causes.append(f"{storage.bits_per_weight:.4g} where it is used, scales included")
    if left and storage is not None:
        causes.append(
            f"{format_parameters(left)} parameters ({share(left, subject.parameters)}) stay in "
            f"{storage.rest_bits} bit"
        )
    return sentence + (f": {'; '.join(causes)}" if causes else "")


def _experts(subject: Subject) -> str:
    active, total = subject.model.active_parameters, subject.parameters
    if not 0 < active < total:
        return ""
    size = subject.weights * active // total
    return (
        f"all {format_parameters(total)} parameters are held though a token passes through "
        f"{format_parameters(active)}; counting only those would give {both(size)}, "
        f"{off(active / total)}"
    )


def _tied(subject: Subject) -> str:
    model = subject.model
    elements = sum(each.elements for each in model.outer if each.role == "embedding")
    if not (model.tied and model.generates and elements):
        return ""
    return (
        f"the head is the embedding and is held once; counting it twice would add "
        f"{format_parameters(elements)} parameters ({share(elements, subject.parameters)})"
    )


def _towers(subject: Subject) -> str:
    elements = subject.model.towers_elements
    if not elements:
        return ""
    names = " and ".join(tower.name for tower in subject.model.towers)
    return f"{format_parameters(elements)} parameters belong to the {names} tower and are held too"
