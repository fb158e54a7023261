"""Rules for the weights, one row each."""

from __future__ import annotations

from weighbridge.rules import formulas
from weighbridge.rules.rule import Figure, Rule, one, our_weights
from weighbridge.rules.subject import Subject
from weighbridge.rules.weights_remarks import of_name, of_weights
from weighbridge.units import GB

GB_FOR_GIB = (
    "GB taken for GiB is an error of 7.4 %: estimators that divide by 1024³ and print GB look "
    "that much too low beside a list of files"
)


def _counted(subject: Subject) -> Figure:
    size = formulas.weights(subject.parameters, subject.bits)
    return one(size, parameters=subject.parameters, bits=subject.bits)


def _named(subject: Subject) -> Figure:
    size = subject.named.parameters
    return one(
        formulas.weights(size, subject.bits),
        billions=size / GB,
        bits=subject.bits,
        **{f"in {bits} bit".replace(" ", "_"): formulas.weights(size, bits) for bits in (16, 8, 4)},
    )


RULES = (
    Rule(
        id="parameters-bytes",
        title="Parameters × bytes per parameter",
        formula="parameters × bits / 8",
        unit="GB",
        compute=_counted,
        against=our_weights,
        remarks=of_weights,
        source="NVIDIA NIM for LLMs, Troubleshooting GPU memory: total_parameters × "
        "bytes_per_parameter "
        "(https://docs.nvidia.com/nim/large-language-models/latest/troubleshooting/memory.html)",
        near="when the weights alone are asked for and all of them are in 32 or 16 bit",
        fails="when the format has scales or leaves embeddings and head in 16 bit, or the figure "
        "is taken for the whole need: cache, activations and context come on top",
        unit_note=GB_FOR_GIB,
    ),
    Rule(
        id="marketing-size",
        title="2 GB per billion parameters in 16 bit (7B: 14, 7, 3.5 GB in 16, 8, 4 bit)",
        formula="size in the name × bits / 8",
        unit="GB",
        compute=_named,
        against=our_weights,
        remarks=of_name,
        source="Modal, How much VRAM do I need for LLM inference "
        "(https://modal.com/blog/how-much-vram-need-inference)",
        near="when the name rounds the count well and the format is plain",
        fails="when the name rounds (7B is 6.7 to 8.5 billion), multiplies experts (8x7B is 46.7 "
        "billion), or the 4 and 8 bit come with scales and 16-bit embeddings",
        unit_note=GB_FOR_GIB,
    ),
)
