"""Measured runs of servers and single streams, as the project carries them, and their settings.

``tests/truth/speed_serving.csv.gz`` holds the cleaned rows of aiconfigurator's
``silicon_sample.csv`` (Apache-2.0), ``speed_single.csv.gz`` those of single streams. What the
launch scripts of the benchmark (InferenceX) say of the runs and the rows do not is in the columns:
cache type, drafted tokens, the layout that really ran, mean lengths (requests are 0.8 to 1 times
the nominal ones).
"""

from __future__ import annotations

import csv
import gzip
import io
from typing import Any

from scripts.report import ROOT

TRUTH = ROOT / "tests" / "truth"
SERVING = TRUTH / "speed_serving.csv.gz"
HELD_OUT = TRUTH / "speed_held_out.csv.gz"
SINGLE = TRUTH / "speed_single.csv.gz"
SINGLE_HELD_OUT = TRUTH / "speed_single_held_out.csv.gz"


def write_rows(path: Any, rows: list[dict[str, Any]]) -> None:
    """The same bytes for the same rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
