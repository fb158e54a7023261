"""The tables of options as plain data: what a page or a client builds its controls from."""

from __future__ import annotations

from typing import Any

from weighbridge._version import __version__
from weighbridge.formats.cache import CACHE_FORMATS
from weighbridge.formats.table import FORMATS
from weighbridge.options import ENGINES, Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.options.training import GROUPS, SOLVES, TARGETS
from weighbridge.request import ALIASES, TRAINING_ALIASES, Deployment, Training, Workload
from weighbridge.serve.routes import PLAN_TARGETS, available, own_options


def options_to_dict() -> dict[str, Any]:
    """Every option that a request may hold, by engine, with its kind and default."""
    return {
        "schema": 1,
        "version": __version__,
        "engines": list(ENGINES),
        "plan": {engine: _of_engine(engine) for engine in ENGINES},
        "workload": [option_to_dict(each, getattr(Workload(), each.name)) for each in WORKLOAD],
        "training": [
            {
                "title": title,
                "options": [option_to_dict(row, getattr(Training(), row.name)) for row in rows],
            }
            for title, rows in GROUPS
        ],
        "targets": {"plan": list(PLAN_TARGETS), "train": list(TARGETS)},
        "solves": list(SOLVES),
        "aliases": {"plan": dict(ALIASES), "train": dict(TRAINING_ALIASES)},
        "formats": {
            "weights": [
                {"name": each.name, "title": each.title, "bits_per_weight": each.bits_per_weight}
                for each in FORMATS
            ],
            "kv_cache": [
                {"name": each.name, "title": each.title, "bits": each.bits}
                for each in CACHE_FORMATS
            ],
        },
        "routes": {
            row.path: [option_to_dict(each, None) for each in own_options(row)]
            for row in available()
        },
    }


def _of_engine(engine: str) -> list[dict[str, Any]]:
    known = engine_options(engine)
    common = [each for each in DEPLOYMENT if each.name in known.takes]
    return [
        *(option_to_dict(each, getattr(Deployment(), each.name)) for each in common),
        *(option_to_dict(each, None, own=True) for each in known.own.values()),
    ]


def option_to_dict(option: Option, default: object, *, own: bool = False) -> dict[str, Any]:
    """One row; ``own`` says that only this engine has it."""
    return {
        "name": option.name,
        "help": option.help,
        "kind": option.kind,
        "choices": list(option.choices),
        "metavar": option.metavar,
        "flag": option.flag,
        "aliases": list(option.aliases),
        "auto": option.auto,
        "most": option.most if option.kind == "count" else None,
        "default": default,
        "own": own,
    }
