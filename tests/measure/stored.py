"""Records to be kept, and a program that keeps them one at a time."""

from __future__ import annotations

import sys
from typing import Any

from weighbridge.measure.record import Quantity, Record
from weighbridge.term import Term


def measurement(number: int) -> dict[str, Any]:
    term = Term("weights", 0, "resident", 10**9 + number, 10**8, 10**10, "measured", "seen")
    return Record(
        {"kind": "inference", "model": "llama-3.2-1b", "batch": number},
        {"device": "cuda", "card": "NVIDIA A10"},
        {"torch": "2.13.0", "transformers": "5.23.0"},
        (term,),
        (Quantity("decode", "decode", "s", (0.1, 0.2 + 0.1, 1 / 3)),),
        3,
        when="2026-01-01T00:00:00Z",
    ).to_dict()


def main() -> None:
    """Keep records one at a time, each with one that all writers share, and say each that is."""
    from weighbridge.measure.observation import Observation
    from weighbridge.measure.store import append, keep

    place, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for number in range(first, first + count):
        if place.endswith(".jsonl"):
            append(place, Observation("vllm", "0.11.0", "org/model"), number=number)
        else:
            keep([measurement(number), measurement(-1)], place)
        print(number, flush=True)


if __name__ == "__main__":
    main()
