"""Many users at once: arrivals, batching step by step, what it costs and needs.

``weighbridge.fleet`` is this room and, called, the function of the Python face (``api.fleet``):
importing the room puts it where the function was.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, model: Any, **options: Any) -> Any:
        from weighbridge.fleet.answer import answer_of

        return answer_of(model, **options)


sys.modules[__name__].__class__ = _Room
