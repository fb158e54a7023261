"""How each term of the ledger is shown: its name in words, its glyph, its colours.

One row per term. The order of the rows is the order in which terms are shown everywhere.
"""

from __future__ import annotations

from typing import NamedTuple


class Look(NamedTuple):
    """A label, a glyph of one cell with its ASCII stand-in, a terminal colour and a web colour."""

    label: str
    glyph: str
    letter: str
    ansi: str
    colour: str


LOOKS = {
    "weights": Look("weights", "█", "#", "34", "#4477aa"),
    "master_weights": Look("master weights", "▙", "M", "94", "#225588"),
    "adapters": Look("adapters", "▐", "D", "96", "#009988"),
    "gradients": Look("gradients", "▞", "G", "35", "#cc3377"),
    "optimizer": Look("optimizer states", "╬", "O", "95", "#aa77cc"),
    "kv_cache": Look("KV cache", "▓", "K", "33", "#e08020"),
    "state": Look("recurrent state", "▚", "S", "93", "#c0a820"),
    "activations": Look("activations", "▒", "A", "32", "#3a9a5a"),
    "logits": Look("logits", "┼", "L", "95", "#bb5588"),
    "workspace": Look("buffers and workspace", "░", "B", "36", "#44aacc"),
    "graphs": Look("graphs", "╳", "H", "92", "#88aa33"),
    "context": Look("device context", "═", "C", "90", "#808890"),
    "reserve": Look("allocator slack", "╌", "R", "37", "#a9a294"),
}
FREE = Look("free", "·", "-", "90", "none")
LIMIT, LIMIT_LETTER = "┃", "|"
PHASES = {"resident": "always", "step": "optimizer step"}
BASES = {
    "rule": "a rule of thumb",
    "assumed": "assumed",
    "config": "from config.json",
    "header": "from the checkpoint's headers",
    "traced": "traced through the model's code",
    "calibrated": "fitted on measured runs",
    "measured": "measured",
}
_OTHER = Look("", "▄", "?", "37", "#999999")


def look(name: str) -> Look:
    """The look of a term; a term without a row is shown by its own name."""
    found = LOOKS.get(name)
    return found if found is not None else _OTHER._replace(label=name.replace("_", " "))


def label(name: str, vendor: str | None = None) -> str:
    """The term in words; NVIDIA's device context is the CUDA context.

    >>> label("kv_cache"), label("context", "NVIDIA"), label("context", "AMD")
    ('KV cache', 'CUDA context', 'device context')
    """
    if name == "context" and vendor == "NVIDIA":
        return "CUDA context"
    return look(name).label


def place(name: str) -> int:
    """Where the term stands among the others."""
    order = list(LOOKS)
    return order.index(name) if name in LOOKS else len(order)


def phase_label(phase: str) -> str:
    """The phase in words: what is there all the time is ``always``."""
    return PHASES.get(phase, phase)
