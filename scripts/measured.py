"""``python -m scripts.measured``: committed measurements beside the plans of today, as Markdown."""

from __future__ import annotations

import sys
from pathlib import Path

from weighbridge.measure.beside import beside
from weighbridge.measure.record import read
from weighbridge.show.tables import markdown_table
from weighbridge.units import format_bytes

FOLDER = Path(__file__).parent.parent / "measurements"


def main() -> int:
    rows = []
    for path in [Path(each) for each in sys.argv[1:]] or sorted(FOLDER.glob("*.jsonl")):
        for record in read(path):
            for row in beside(record).rows:
                rows.append(
                    (str(record.point.get("model")), row.phase, row.name,
                     format_bytes(row.measured), format_bytes(row.predicted),
                     f"{row.error:+.2%}", "yes" if row.within else "no")
                )  # fmt: skip
    header = ("model", "phase", "what", "measured", "predicted", "error", "within bounds")
    print(markdown_table(header, rows, "lllrrrl"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
