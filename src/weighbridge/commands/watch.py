"""``weigh watch PID`` or ``--engine-url URL``: what runs, beside its plan."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weighbridge._version import __version__
from weighbridge.commands.shared import (
    Run,
    add_request,
    format_of,
    named_engine,
    request_options,
)
from weighbridge.errors import InputError, WatchError

if TYPE_CHECKING:
    from weighbridge.measure.watch.sight import Look
    from weighbridge.planner import Plan

REDRAW = "\x1b[H\x1b[J"


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    add_request(parser, arguments)
    for action in parser._actions:
        if action.dest == "model":
            action.nargs, action.default, action.metavar = "*", None, "[PID] [MODEL]"
            action.help = "a process, and its model where its command does not say it"
    parser.add_argument(
        "--engine-url", metavar="URL", help="a server of vLLM, SGLang or llama.cpp with /metrics"
    )
    parser.add_argument("--once", action="store_true", help="look once")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=2.0,
        metavar="SECONDS",
        help="between looks (default 2)",
    )

    def run(options: argparse.Namespace) -> int:
        pid, model = _names(options.model or [], options.engine_url)
        asked = request_options(options, arguments)
        named = any(word.partition("=")[0] == "--engine" for word in arguments)
        engine = named_engine(arguments) if named else None
        return _watch(options, Subject(pid, options.engine_url, model, asked, engine))

    return run


class Subject:
    """What is watched, and how its plan is asked for; the plan is made once."""

    def __init__(
        self, pid: int | None, url: str | None, model: str | None, asked: dict[str, Any],
        engine: str | None,
    ) -> None:  # fmt: skip
        self.pid, self.url, self.model = pid, url, model
        self.asked, self.engine = asked, engine
        self.why = ""

    @property
    def title(self) -> str:
        """What is watched, in words."""
        parts = [f"process {self.pid}" if self.pid else "", self.url or ""]
        return ", ".join(part for part in parts if part)

    def plan(self, first: Look) -> Plan | None:
        """The plan of what runs; None, and ``why``, where none can be told."""
        from weighbridge.api import plan

        try:
            model, asked = self._request(first)
            return plan(model, **asked)
        except InputError as error:
            self.why = str(error)
            return None

    def _request(self, first: Look) -> tuple[str, dict[str, Any]]:
        """From the options, else from the process's own command, else from what a server says."""
        asked = dict(self.asked)
        cards = [gpu.card_id for gpu in first.gpus if gpu.card_id and _used(first, gpu)]
        if self.model is None and self.pid is not None:
            return _of_command(self.pid, asked, cards)
        if cards:
            asked.setdefault("on", ",".join(cards))
        server = first.server
        if server is not None and self.engine is None:
            asked["engine"] = server.engine
        model = self.model or (server.model if server is not None else "")
        if not model:
            raise WatchError("the server does not name its model; name it behind the command")
        return model, asked


def _used(first: Look, gpu: Any) -> bool:
    pids = set(first.host.pids) if first.host is not None else set()
    return any(each.pid in pids for each in gpu.processes)


def _of_command(pid: int, asked: dict[str, Any], cards: list[str]) -> tuple[str, dict[str, Any]]:
    from weighbridge.launch import read_command
    from weighbridge.launch.settle import settle
    from weighbridge.measure.watch.process import SEEN, command_of

    words, variables = command_of(pid)
    if "on" not in asked and cards:
        # The cards that it holds are those that it sees.
        variables = {name: value for name, value in variables.items() if name not in SEEN}
        asked["on"] = ",".join(cards)
    model, options, _ = settle(read_command(words, variables), None, asked)
    return model, options


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.05 <= value <= 3600:
        raise WatchError(f"--interval {text[:20]} is no number of seconds from 0.05 to 3600")
    return value


def _names(names: Sequence[str], url: str | None) -> tuple[int | None, str | None]:
    found = list(names)
    pid = None
    if found and found[0].isascii() and found[0].isdecimal() and len(found[0]) < 10:
        pid = int(found.pop(0))
    if len(found) > 1:
        raise WatchError(f"{found[1][:60]!r} is one name too many; give a process and a model")
    if pid is None and url is None:
        raise WatchError("name a process by its number, or a server by --engine-url")
    return pid, found[0] if found else None


def _watch(options: argparse.Namespace, subject: Subject) -> int:
    from weighbridge.measure.watch.sight import look

    before, now = None, look(subject.pid, subject.url)
    plan = subject.plan(now)
    while True:
        _print(options, subject, plan, now, before)
        if options.once:
            return 0
        time.sleep(options.interval)
        before = now
        try:
            now = look(subject.pid, subject.url)
        except WatchError as error:
            print(f"weigh: {error}: the watch ends", file=sys.stderr)
            return 0


def _print(
    options: argparse.Namespace, subject: Subject, plan: Plan | None, now: Look,
    before: Look | None,
) -> None:  # fmt: skip
    from weighbridge.measure.watch.sight import lines
    from weighbridge.show.style import printed
    from weighbridge.show.watch import watch_to_text

    found = lines(now, before, plan)
    if format_of(options) == "json":
        import json

        data = {
            "schema": 1,
            "version": __version__,
            "watched": {"pid": subject.pid, "url": subject.url},
            "plan": None if plan is None else {
                "model": plan.model.id, "engine": str(plan.engine), "total_bytes": plan.total,
                "low": plan.low, "high": plan.high, "assumed": list(plan.assumptions),
            },
            "why": subject.why,
            "seen": [line.to_dict() for line in found],
        }  # fmt: skip
        print(json.dumps(data, ensure_ascii=False), flush=True)
        return
    text = watch_to_text(found, plan, subject.title, subject.why)
    again = REDRAW if sys.stdout.isatty() and not options.once else ""
    print(again + printed(text), flush=True)
