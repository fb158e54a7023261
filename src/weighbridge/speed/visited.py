"""How many experts a batch visits: 1 − (1 − k/E)^tokens of them, if tokens choose freely."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

# 1 less a power below this is 1 in a float.
NOTHING = 1e-18


def visited(top_k: Any, experts: Any, tokens: Any) -> Any:
    """The part of the experts that at least one of ``tokens`` visits.

    Of an array it is looked up in a table of the same powers: numpy's own may differ from those of
    a float in the last digit, and a sweep is the plan itself. A fit, whose models are arrays too,
    takes numpy's.
    """
    left = 1 - top_k / experts
    if isinstance(tokens, (int, float)) or not isinstance(left, float):
        return 1 - left**tokens
    import numpy

    table = _table(left)
    counts = numpy.minimum(tokens, len(table) - 1).astype(numpy.int64)
    if tokens.dtype.kind == "f" and (counts != numpy.minimum(tokens, len(table) - 1)).any():
        return 1 - numpy.array([left**each for each in tokens.tolist()])
    return table[counts]


@lru_cache(maxsize=64)
def _table(left: float) -> Any:
    import numpy

    most = 1 if left <= 0 else math.ceil(math.log(NOTHING) / math.log(left))
    return numpy.array([1 - left**count for count in range(most + 1)])
