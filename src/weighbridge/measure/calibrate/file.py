"""The file of a calibration of memory, as ``weighbridge.memory.own`` reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weighbridge._version import __version__
from weighbridge.errors import CalibrationError
from weighbridge.measure.calibrate.fit import Fit
from weighbridge.memory.own import KIND, SCHEMA


def calibration_to_dict(fits: Sequence[Fit], source: str) -> dict[str, Any]:
    """What is written: the constants that better the published ones, and where they are from."""
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "source": source,
        "constants": [fit.to_dict() for fit in fits if fit.kept],
    }


def write_calibration(data: dict[str, Any], path: str) -> None:
    """Write it; a folder that is not there is made."""
    try:
        where = Path(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise CalibrationError(f"--out {path} cannot be written: {error.strerror}") from None
