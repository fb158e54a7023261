"""The catalogue as rows: `weigh models`."""

from __future__ import annotations

from typing import Any

from weighbridge.memory.cache import cache_elements, elements_per_token, visible_tokens
from weighbridge.model import catalog
from weighbridge.model.load import load_model
from weighbridge.units import format_bytes, format_parameters

HEADER = ("model", "type", "parameters", "active", "layers", "KV per token", "context")


def models_rows(
    text: str,
) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[dict[str, Any]]]:
    """Header, rows and JSON records of the models whose id or short name contains ``text``."""
    wanted = text.strip().lower()
    rows: list[tuple[str, ...]] = []
    records: list[dict[str, Any]] = []
    for row in catalog.rows():
        if not any(wanted in name for name in (row.id.lower(), *row.names)):
            continue
        record = _record(row)
        records.append(record)
        rows.append(
            (
                row.id,
                record["type"],
                format_parameters(record["parameters"]),
                format_parameters(record["active_parameters"]),
                str(record["layers"]),
                format_bytes(record["kv_bytes_per_token"]) if record["kv_bytes_first"] else "–",
                f"{record['max_positions']:,}" if record["max_positions"] else "–",
            )
        )
    return HEADER, rows, records


def _record(row: catalog.Row) -> dict[str, Any]:
    model = load_model(row.id)
    layers = model.layer_groups()
    return {
        "id": row.id,
        "names": [row.short, *row.names],
        "type": model.family,
        "parameters": model.parameters,
        "active_parameters": model.active_parameters,
        "layers": len(model.layers),
        "kv_bytes_per_token": 2 * elements_per_token(layers, kept=visible_tokens),
        "kv_bytes_first": 2 * cache_elements(layers, 1),
        "max_positions": model.max_positions,
        "published": row.published,
        "known_by": row.known_by,
        "source": row.source,
    }
