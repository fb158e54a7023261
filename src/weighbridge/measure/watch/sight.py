"""One look at a process or a server, beside its plan."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.hardware.detect_gpu import Gpu
from weighbridge.hardware.detect_nvidia import probe_nvidia
from weighbridge.hardware.detect_tools import Surroundings
from weighbridge.measure.watch.process import Held, held
from weighbridge.measure.watch.prometheus import Served, parse, served
from weighbridge.measure.watch.scrape import scrape
from weighbridge.planner import Plan


class Line(NamedTuple):
    """One figure as seen, and as predicted with its bounds where the plan speaks of it."""

    name: str
    unit: str
    seen: float
    predicted: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def over(self) -> bool:
        """Whether more is seen than the plan's bounds allow."""
        return self.high is not None and self.seen > self.high

    def to_dict(self) -> dict[str, Any]:
        """The line as ``--json`` prints it."""
        return {**self._asdict(), "over": self.over}


class Look(NamedTuple):
    """What was seen at one moment."""

    at: float
    host: Held | None = None
    gpus: tuple[Gpu, ...] = ()
    server: Served | None = None


def look(pid: int | None, url: str | None) -> Look:
    """Look once. Raises WatchError where the process or the server is gone."""
    host = None if pid is None else held(pid)
    gpus: tuple[Gpu, ...] = ()
    if host is not None:
        gpus = probe_nvidia(Surroundings(), [], []).gpus
    server = None if url is None else served(parse(scrape(url)))
    return Look(time.monotonic(), host, gpus, server)


def lines(now: Look, before: Look | None, plan: Plan | None) -> list[Line]:
    """The figures of a look; rates need an earlier one."""
    found = [*_devices(now, plan), *_host(now, plan)]
    if now.server is not None:
        found += _server(now, now.server, before, plan)
    return found


def _devices(now: Look, plan: Plan | None) -> list[Line]:
    """Memory that the process and its children hold of each card, in order of the cards used."""
    if now.host is None:
        return []
    pids, found = set(now.host.pids), list[Line]()
    for gpu in now.gpus:
        mine = [each.bytes for each in gpu.processes if each.pid in pids]
        if mine:
            place = len(found)
            size = sum(each or 0 for each in mine)
            devices: Sequence[Any] = () if plan is None else plan.devices
            device = devices[place] if place < len(devices) else None
            found.append(
                Line(f"{gpu.name} {gpu.index}", "bytes", size)
                if device is None
                else Line(f"{gpu.name} {gpu.index}", "bytes", size, device.total, device.low,
                          device.high)
            )  # fmt: skip
    return found


def _host(now: Look, plan: Plan | None) -> list[Line]:
    if now.host is None:
        return []
    on_host = None if plan is None else plan.host
    own = Line("host memory", "bytes", now.host.own)
    if on_host is not None:
        own = own._replace(predicted=on_host.total, low=on_host.low, high=on_host.high)
    return [
        own,
        Line("mapped files", "bytes", now.host.files),
        Line("largest so far, each process", "bytes", now.host.peak),
        Line("processes", "count", len(now.host.pids)),
    ]


def _server(now: Look, server: Served, before: Look | None, plan: Plan | None) -> list[Line]:
    found = []
    if server.cache_tokens is not None:
        tokens = None if plan is None else plan.capacity.tokens
        found.append(Line("tokens of cache", "tokens", server.cache_tokens,
                          None if tokens is None else float(tokens)))  # fmt: skip
    if server.cache_share is not None:
        found.append(Line("cache in use", "share", server.cache_share))
    for name, value in (("running", server.running), ("waiting", server.waiting)):
        if value is not None:
            found.append(Line(f"sequences {name}", "count", value))
    rate = _rate(now, before)
    if rate is not None:
        found.append(Line("tokens generated", "tokens/s", rate, *_pace(plan)))
    return found


def _rate(now: Look, before: Look | None) -> float | None:
    """Tokens generated between two looks, per second; none where a counter began anew."""
    if before is None or before.server is None or now.server is None:
        return None
    first, last = before.server.generated, now.server.generated
    if first is None or last is None or last < first or now.at <= before.at:
        return None
    return (last - first) / (now.at - before.at)


def _pace(plan: Plan | None) -> tuple[float, float, float] | tuple[()]:
    """Tokens per second of the plan's own workload, where it has a time for it."""
    from weighbridge.speed.ask import Answer

    speed = None if plan is None else plan.speed
    if not isinstance(speed, Answer):
        return ()
    rate = float(speed.setting.load.sequences) / float(speed.pace.decode.seconds)
    return rate, rate / speed.fitted.high, rate / speed.fitted.low
