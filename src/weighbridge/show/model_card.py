"""The facts of one model as an engineer reads them: `weigh card MODEL`.

Parameters by part, layers by kind, bytes by storage format, cache by context. Nothing here
depends on a card or an engine: a window is counted as the architecture needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from weighbridge._version import __version__
from weighbridge.errors import InputError
from weighbridge.formats.stated import stated_format
from weighbridge.formats.table import StorageFormat, find_format
from weighbridge.memory.cache import cache_elements, elements_per_token, state_bytes, visible_tokens
from weighbridge.memory.weights import weigh_parameters
from weighbridge.model import catalog
from weighbridge.model.facts import Layer, Model, Parameter
from weighbridge.records import replace
from weighbridge.show.tables import Row, markdown_table, table
from weighbridge.show.width import clean
from weighbridge.units import format_bytes, format_bytes_decimal, format_parameters

SCHEMA = 1
FORMATS = ("fp32", "bf16", "fp8", "int8", "nf4", "nf4-dq", "int4-g128", "nvfp4", "q8_0", "q4_k")
EXPERT_FORMATS = ("mxfp4",)
CONTEXTS = (4096, 32768, 131072)
CACHE_ELEMENT = 2
PARTS = ("embedding", "head", "attention", "recurrence", "feed-forward", "experts",
         "router and shared experts", "norms", "other")  # fmt: skip


class Part(NamedTuple):
    """A part of the model: all of its parameters, and those that one token passes through."""

    name: str
    parameters: int
    active: int


def parts_of(model: Model) -> list[Part]:
    """The parameters by part; together they are the model's, total and active."""
    total: dict[str, int] = dict.fromkeys(PARTS, 0)
    active: dict[str, int] = dict.fromkeys(PARTS, 0)
    for name, elements, passed in _pieces(model):
        total[name] = total.get(name, 0) + elements
        active[name] = active.get(name, 0) + passed
    return [Part(name, count, active[name]) for name, count in total.items() if count]


def _pieces(model: Model) -> Iterator[tuple[str, int, int]]:
    """Part, parameters and active parameters, piece by piece."""
    for parameter in model.outer:
        role = parameter.role
        name = "norms" if role == "norm" else role if role in {"embedding", "head"} else "other"
        yield name, parameter.elements, parameter.elements
    for layer, count in model.layer_groups():
        yield from _pieces_of_layer(layer, count)
    for tower in model.towers:
        yield f"{tower.name} tower", tower.elements, tower.elements


def _pieces_of_layer(layer: Layer, count: int) -> Iterator[tuple[str, int, int]]:
    for parameter in layer.norms:
        yield "norms", parameter.elements * count, parameter.elements * count
    mixing = "recurrence" if layer.mixer.state and not layer.mixer.cache else "attention"
    for parameter in layer.mixer.parameters:
        name = "norms" if parameter.role == "norm" else mixing
        yield name, parameter.elements * count, parameter.elements * count
    forward = layer.feed_forward
    routed = _elements(forward.parameters, expert=True)
    beside = _elements(forward.parameters, expert=False)
    if routed:
        yield "experts", routed * count, (forward.active_elements - beside) * count
        yield "router and shared experts", beside * count, beside * count
    else:
        yield "feed-forward", beside * count, forward.active_elements * count


def _elements(parameters: Sequence[Parameter], *, expert: bool) -> int:
    return sum(each.elements for each in parameters if (each.role == "expert") is expert)


def model_to_dict(model: Model) -> dict[str, Any]:
    """The facts as ``weigh card MODEL --json`` prints them; bytes are integers."""
    row = catalog.find(model.id)
    groups = model.layer_groups()
    return {
        "id": model.id,
        "family": model.family,
        "architecture": model.architecture,
        "license": (row.license if row else "") or None,
        "released": (row.released if row else "") or None,
        "source": model.source,
        "basis": model.basis,
        "precision": precision(model),
        "max_positions": model.max_positions,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "tied": model.tied,
        "layers": [
            {
                "count": count,
                "mixer": layer.mixer.kind,
                "feed_forward": layer.feed_forward.kind,
                "parameters": layer.elements,
            }
            for layer, count in groups
        ],
        "parts": [
            {"part": part.name, "parameters": part.parameters, "active_parameters": part.active}
            for part in parts_of(model)
        ],
        "stored_bytes": None if model.stored is None else model.stored.total_bytes,
        "weights": [{"format": name, "bytes": size} for name, size in bytes_by_format(model)],
        "cache": {
            "bytes_per_element": CACHE_ELEMENT,
            "bytes_per_token": CACHE_ELEMENT * elements_per_token(groups, kept=visible_tokens),
            "state_bytes": state_bytes(groups, CACHE_ELEMENT),
            "contexts": [
                {"tokens": tokens, "bytes": _cached(model, tokens)} for tokens in contexts_of(model)
            ],
        },
        "notes": list(model.notes),
    }


def precision(model: Model) -> str | None:
    """The form in which the checkpoint ships; None where nothing says it."""
    shipped = _shipped(model)
    if shipped is not None:
        return shipped.name
    if model.quantization:
        return str(model.quantization.get("quant_method"))[:40]
    if model.stored is not None and len(model.stored):
        sizes = {name: part.total_bytes for name, part in model.stored.by_dtype().items()}
        return max(sizes, key=lambda name: sizes[name]).lower()
    return model.dtype or None


def bytes_by_format(model: Model) -> list[tuple[str, int]]:
    """Format and bytes of the weights in it, scales and what is left alone included."""
    routed = any(parameter.role == "expert" for parameter, _ in model.every_parameter())
    rows = {name: find_format(name) for name in FORMATS + (EXPERT_FORMATS if routed else ())}
    shipped = _shipped(model)
    if shipped is not None:
        rows = {shipped.name: shipped, **rows}
    return [(name, _weigh(model, each.for_model(model))) for name, each in rows.items()]


def _weigh(model: Model, storage: StorageFormat) -> int:
    if not storage.by_layer:
        return weigh_parameters(model.every_parameter(), storage).total
    outer = [*model.outer, *(each for tower in model.towers for each in tower.parameters)]
    layers = [
        replace(each, name=f"{model.layer_prefix}{index}.{each.name}")
        for index, layer in enumerate(model.layers)
        for each in layer.parameters
    ]
    return weigh_parameters(((each, 1) for each in (*outer, *layers)), storage).total


def _shipped(model: Model) -> StorageFormat | None:
    """The format that a quantized checkpoint states; None where there is none that is known."""
    try:
        return stated_format(model.quantization, model.id) if model.quantization else None
    except InputError:
        return None


def _cached(model: Model, tokens: int) -> int:
    """Bytes that a sequence of so many tokens keeps; an encoder hands over its own positions."""
    encoded = tokens if model.encoder_tokens is None else model.encoder_tokens
    groups = model.layer_groups()
    return CACHE_ELEMENT * int(cache_elements(groups, tokens, encoder_tokens=encoded))


def contexts_of(model: Model) -> list[int]:
    """4k, 32k and 128k as far as the model goes, and its native context."""
    if not model.generates:
        return []
    longest = model.max_positions
    within = {tokens for tokens in CONTEXTS if longest is None or tokens <= longest}
    return sorted(within | ({longest} if longest else set()))


class Section(NamedTuple):
    """A table of the card: its header, its rows, and which columns hold numbers."""

    header: Row
    rows: list[Row]
    align: str


def sections(model: Model) -> list[Section]:
    """Facts, layers, parameters by part, bytes by format, cache by context."""
    facts = model_to_dict(model)
    return [
        Section(("", ""), _heads(facts), "ll"),
        Section(("layers", "mixer", "feed-forward", "parameters each"), _layers(facts), "rllr"),
        Section(("part", "parameters", "share", "active", "share"), _parts(facts), "lrrrr"),
        Section(("weights in", "bytes", "decimal", "bits each"), _weights(facts), "lrrr"),
        *([Section(("context", "cache of a sequence"), _cache(facts), "rr")]
          if facts["cache"]["contexts"] else []),
    ]  # fmt: skip


def _heads(facts: dict[str, Any]) -> list[Row]:
    said = facts["precision"] or "not stated"
    stored = facts["stored_bytes"]
    ships = said if stored is None else f"{said}, {format_bytes(stored)} in the files"
    longest = facts["max_positions"]
    cache = facts["cache"]
    rows: list[Row] = [
        ("model", facts["id"]),
        ("type", " · ".join(filter(None, (facts["family"], facts["architecture"])))),
        ("parameters", _counts(facts["parameters"], facts["active_parameters"])),
        ("ships in", ships),
        ("native context", f"{longest:,} tokens" if longest else "not stated"),
        ("cache per token", f"{format_bytes(cache['bytes_per_token'])} in 16 bit"),
        ("state per sequence", format_bytes(cache["state_bytes"]) if cache["state_bytes"] else ""),
        ("licence", facts["license"] or "not known here"),
        ("released", facts["released"] or ""),
        ("known from", f"{facts['basis']}: {facts['source']}"),
        *(("note", note) for note in facts["notes"]),
    ]
    return [(name, clean(text)) for name, text in rows if text]


def _counts(total: int, active: int) -> str:
    every = f"{format_parameters(total)} ({total:,})"
    return every if active == total else f"{every}, {format_parameters(active)} active per token"


def _layers(facts: dict[str, Any]) -> list[Row]:
    return [
        (f"{each['count']} ×", each["mixer"], each["feed_forward"], f"{each['parameters']:,}")
        for each in facts["layers"]
    ]


def _parts(facts: dict[str, Any]) -> list[Row]:
    total, active = max(facts["parameters"], 1), max(facts["active_parameters"], 1)
    rows: list[Row] = [
        (
            each["part"],
            f"{each['parameters']:,}",
            _share(each["parameters"] / total),
            f"{each['active_parameters']:,}",
            _share(each["active_parameters"] / active),
        )
        for each in facts["parts"]
    ]
    if facts["tied"]:
        rows.insert(1, ("head", "tied", "", "the embedding", ""))
    return [*rows, (), ("total", f"{total:,}", "100.0 %", f"{active:,}", "100.0 %")]


def _share(part: float) -> str:
    return "<0.1 %" if 0 < part < 0.0005 else f"{100 * part:.1f} %"


def _weights(facts: dict[str, Any]) -> list[Row]:
    count = max(facts["parameters"], 1)
    return [
        (
            each["format"],
            format_bytes(each["bytes"]),
            format_bytes_decimal(each["bytes"]),
            f"{8 * each['bytes'] / count:.2f}",
        )
        for each in facts["weights"]
    ]


def _cache(facts: dict[str, Any]) -> list[Row]:
    state = facts["cache"]["state_bytes"]
    return [
        (f"{each['tokens']:,}", format_bytes(each["bytes"] + state))
        for each in facts["cache"]["contexts"]
    ]


def model_to_text(model: Model) -> str:
    """The card for a terminal."""
    return "\n\n".join(table(each.header, each.rows, each.align) for each in sections(model))


def model_to_markdown(model: Model) -> str:
    """The card as Markdown tables."""
    return "\n\n".join(
        markdown_table(each.header, each.rows, each.align) for each in sections(model)
    )


def model_card(model: Model) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {"schema": SCHEMA, "version": __version__, "model": model_to_dict(model)}
