"""Who of the replicas gets a request."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.errors import RequestError
from weighbridge.fleet.replica import Replica


class Router:
    """Round robin: each in turn."""

    def __init__(self) -> None:
        self.turn = -1

    def choose(self, replicas: Sequence[Replica], group: int) -> Replica:  # noqa: ARG002
        """The replica that gets a request of this prefix group."""
        self.turn = (self.turn + 1) % len(replicas)
        return replicas[self.turn]


class LeastLoaded(Router):
    """The one with the fewest requests, in turn among equals."""

    def choose(self, replicas: Sequence[Replica], group: int) -> Replica:  # noqa: ARG002
        """The replica that gets a request of this prefix group."""
        self.turn += 1
        count = len(replicas)
        return min(replicas, key=lambda r: (r.load, (r.number - self.turn) % count))


class PrefixAware(LeastLoaded):
    """One that has the prefix, unless it has far more to do than the least loaded.

    ``slack`` requests more are put up with, as in SGLang's router (``balance_abs_threshold``, 32).
    """

    slack = 32

    def choose(self, replicas: Sequence[Replica], group: int) -> Replica:
        """The replica that gets a request of this prefix group."""
        idle = super().choose(replicas, group)
        having = [r for r in replicas if group >= 0 and group in r.prefixes.kept]
        if not having:
            return idle
        best = min(having, key=lambda r: (r.load, r.number))
        return best if best.load <= idle.load + self.slack else idle


ROUTERS = {"round-robin": Router, "least-loaded": LeastLoaded, "prefix-aware": PrefixAware}


def router_named(name: str) -> Router:
    """A new router; raises RequestError where there is none of that name."""
    if name not in ROUTERS:
        raise RequestError(f"--router {name[:40]!r} is not one of {', '.join(ROUTERS)}")
    return ROUTERS[name]()
