"""A million requests through the simulator, and events a second beside SimPy on the same queue.

`python benchmarks/fleet.py [--requests N] [--check]`: the conversation trace of Azure (2023, CC-BY
4.0), repeated, on replicas of Llama-3.1-70B; `--check` fails where a million would take over a
minute of one core. SimPy (requirements/bench.txt) does the same queue in the same run: requests of
the same arrivals at servers of as many places, each holding a place for as long as a request took.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from weighbridge.fleet.engines import Engine, engine_of
from weighbridge.fleet.options import settle
from weighbridge.fleet.replica import Replica
from weighbridge.fleet.requests import Requests
from weighbridge.fleet.router import Router
from weighbridge.fleet.simulate import Fleet, Front, Stage
from weighbridge.fleet.traces import read_trace
from weighbridge.fleet.workload import means_of

TRACE = Path(__file__).parent.parent / "tests" / "truth" / "azure_llm_2023_conv.csv.gz"
MINUTE, MILLION, REPLICAS = 60.0, 1_000_000, 2


def requests_of(count: int) -> Requests:
    trace = read_trace(str(TRACE)).repeated(count)
    return Requests(trace.when, trace.input, trace.output)


def engine() -> Engine:
    asking = settle("llama-3.1-70b", {"on": "H100", "trace": str(TRACE), "tp": 4})
    made = engine_of(asking.request, 4, means_of(asking.traffic), 16384)
    assert isinstance(made, Engine)
    return made


def ours(requests: Requests) -> tuple[float, int]:
    """Seconds of CPU, and events."""
    made = engine()
    replicas = [Replica(n, made.clock, made.policy, made.limits, requests) for n in range(REPLICAS)]
    fleet = Fleet(requests, Stage(replicas, Router()), Front(made.known.request))
    begin = time.process_time()
    fleet.run()
    return time.process_time() - begin, fleet.serial


def theirs(requests: Requests) -> tuple[float, int]:
    """SimPy: a request waits for a place, holds it for the time that it took, and leaves."""
    import simpy

    environment = simpy.Environment()
    places = [simpy.Resource(environment, 1024) for _ in range(REPLICAS)]

    def one(number: int) -> Generator[Any, Any, None]:
        place = places[number % REPLICAS]
        with place.request() as turn:
            yield turn
            yield environment.timeout(requests.began[number] - requests.when[number])
            yield environment.timeout(requests.ended[number] - requests.began[number])

    def source() -> Generator[Any, Any, None]:
        for number in range(len(requests)):
            yield environment.timeout(max(requests.when[number] - environment.now, 0.0))
            environment.process(one(number))

    environment.process(source())
    begin, events = time.process_time(), 0
    while environment.peek() != float("inf"):
        environment.step()
        events += 1
    return time.process_time() - begin, events


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    requests = requests_of(options.requests)
    seconds, events = ours(requests)
    tokens = sum(requests.output)
    print(
        f"{options.requests:,} requests ({tokens:,} tokens) in {seconds:.1f} s of one core: "
        f"{options.requests / seconds:,.0f} requests, {events / seconds:,.0f} events and "
        f"{tokens / seconds:,.0f} tokens a second"
    )
    try:
        other, their_events = theirs(requests)
    except ImportError:
        print("SimPy is not installed (requirements/bench.txt)")
    else:
        print(
            f"SimPy, the same queue without batching: {other:.1f} s, {their_events / other:,.0f} "
            f"events a second; {other / seconds:.2f} of our time, for "
            f"{their_events / options.requests:.1f} events a request against our "
            f"{events / options.requests:.1f}"
        )
    million = seconds * MILLION / options.requests
    print(f"a million requests: {million:.1f} s")
    return 1 if options.check and million > MINUTE else 0


if __name__ == "__main__":
    raise SystemExit(main())
