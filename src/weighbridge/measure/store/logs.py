"""A kept log as the observation that it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weighbridge.measure.observation import Failure, Observation
from weighbridge.term import Term


def observation_of(record: Mapping[str, Any]) -> Observation:
    """The observation of a record of kind ``log``, which the store has checked."""
    return Observation(
        record["engine"],
        record["version"],
        record["model"],
        record["settings"],
        tuple(map(str, record["cards"])),
        tuple(Term(**term) for term in record["terms"]),
        record.get("tokens"),
        record.get("concurrency"),
        record.get("length"),
        tuple(_failure(each) for each in record.get("failures", ())),
        tuple(record.get("notes", ())),
    )


def _failure(data: Mapping[str, Any]) -> Failure:
    fields: dict[str, Any] = {name: data.get(name) for name in Failure._fields}
    return Failure(**{**fields, "advice": tuple(data.get("advice", ()))})
