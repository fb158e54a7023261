"""Which of several GGUF files is the model: a folder or a repository often holds many.

The parts of a split model count as one. ``mmproj-*.gguf``, the projector of pictures or sound that
llama.cpp loads beside a model, is none (tools/mtmd; common/download.cpp, which takes it so).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from weighbridge.errors import ModelReferenceError
from weighbridge.model.bounded import label, quoted
from weighbridge.model.gguf_splits import part_of

PROJECTOR = "mmproj"
SHOWN = 40
# What a name ends in: Q4_K_M, UD-Q2_K_XL, IQ3_XXS, BF16, MXFP4_MOE.
_TAG = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q|TQ|BF|FP|F|MXFP|NVFP)\d\w*)$", re.ASCII | re.IGNORECASE
)


class Choice(NamedTuple):
    """The first file of the chosen model, and what was left aside."""

    name: str
    notes: tuple[str, ...] = ()


def choose_gguf(names: Collection[str], where: str, wanted: str | None, *, hub: bool) -> Choice:
    """The one model among the GGUF files ``names``, or the one that is ``wanted``.

    ``wanted`` is a file's name or how it ends, such as Q4_K_M. Raises ModelReferenceError, with
    the models that there are, where none or several would do; ``hub`` says how to name one.
    """
    projectors = sorted(name for name in names if _base(name).lower().startswith(PROJECTOR))
    models = {_stem(name): name for name in sorted(names, reverse=True) if name not in projectors}
    notes = tuple(
        f"{label(name)} is a projector of pictures or sound, and is not counted"
        for name in projectors
    )
    if wanted is not None and wanted.lower().endswith(".gguf"):
        if wanted in names:
            return Choice(wanted, notes if wanted not in projectors else ())
        found = []
    else:
        found = [name for stem, name in models.items() if wanted is None or _ends(stem, wanted)]
    if len(found) == 1:
        return Choice(found[0], notes)
    if not models:
        raise ModelReferenceError(f"{where} holds no GGUF model" + _instead(projectors))
    some = sorted(_stem(name) for name in found) or sorted(models)
    asked = "" if wanted is None else f" {quoted(wanted)}"
    count = f"{len(found)} GGUF models" if found else "no GGUF model"
    tags = _tags(some)
    example = (
        f"hf:{where}:{tags[0]}" if hub and tags[0] not in some else f"{where}/{models[some[0]]}"
    )
    raise ModelReferenceError(
        f"{where} holds {count}{asked}{':' if found else '; it has'} {_listed(tags)}; "
        f"name one of them, such as {label(example)}"
    )


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _stem(name: str) -> str:
    """The name without its part and its ending."""
    part = part_of(name)
    return part.stem if part is not None else name[: -len(".gguf")]


def _ends(stem: str, wanted: str) -> bool:
    """Whether a model's name, or the folder it lies in, ends in what is wanted."""
    low, asked = stem.lower(), wanted.lower()
    ends = (f"{sign}{asked}" for sign in "-._")
    folder, _, base = low.rpartition("/")
    return asked in {base, folder} or any(base.endswith(end) for end in ends)


def _tags(stems: list[str]) -> list[str]:
    """What sets each apart: how its name ends, or the whole name where that is not enough."""
    matches = [_TAG.search(stem) for stem in stems]
    tags = [match[1] for match in matches if match is not None]
    return tags if len(set(tags)) == len(stems) else stems


def _listed(names: list[str]) -> str:
    shown = ", ".join(label(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _instead(projectors: list[str]) -> str:
    return f", only the projector {label(projectors[0])}" if projectors else ""
