"""CPU seconds of a recommendation over the whole table: `python -m benchmarks.recommend`."""

from __future__ import annotations

import time

import weighbridge as wb
from weighbridge.search.recommend import Recommendation

ASKED: tuple[tuple[str, dict[str, int]], ...] = (
    ("llama-3.1-8b", {}),
    ("llama-3.1-8b", {"context": 32768, "concurrency": 4}),
    ("llama-3.1-70b", {"concurrency": 8}),
    ("qwen3-30b-a3b", {"concurrency": 64}),
    ("gpt-oss-120b", {}),
    ("deepseek-v3", {"concurrency": 16}),
)


def main() -> None:
    print(f"{'model':<16}{'candidates':>12}{'planned':>9}{'CPU s':>8}")
    for model, asked in ASKED:
        start = time.process_time()
        found = wb.recommend(model, **asked)
        spent = time.process_time() - start
        assert isinstance(found, Recommendation)
        print(f"{model:<16}{found.considered:>12,}{found.planned:>9,}{spent:>8.2f}")


if __name__ == "__main__":
    main()
