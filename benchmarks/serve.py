"""The server under load on loopback: requests per second, the slow end, and flat memory.

    python benchmarks/serve.py [--requests 10000] [--clients 8] [--workers 2] [--check]

One process serves, this one asks, over connections that stay open. Memory is that of the server
and of its workers together, from /proc, after a tenth of the requests and at the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

BODY = json.dumps({"model": "llama-3.1-8b", "on": "rtx-4090", "context": 8192}).encode()
HEADERS = {"content-type": "application/json"}
MOST_GROWTH = 0.10
MIB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="fail where memory grows by a tenth")
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "serve", "--port", "0", "--quiet",
         "--workers", str(options.workers)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        port = int(re.findall(r":(\d+)/", server.stderr.readline())[0])
        first = options.requests // 10
        load(port, 100, options.clients)
        load(port, first, options.clients)
        before = held(server.pid)
        began = time.perf_counter()
        took = sorted(load(port, options.requests - first, options.clients))
        seconds = time.perf_counter() - began
        after = held(server.pid)
    finally:
        server.terminate()
        server.wait(10)
    print(f"{len(took):,} plans by {options.clients} clients, {options.workers} workers: "
          f"{len(took) / seconds:,.0f} requests/s")  # fmt: skip
    for name, share in (("median", 0.5), ("p99", 0.99), ("slowest", 1.0)):
        print(f"  {name:<8} {took[min(int(len(took) * share), len(took) - 1)] * 1000:8.1f} ms")
    grown = (after - before) / before
    print(f"  memory   {before / MIB:,.1f} MiB after {first:,} requests, {after / MIB:,.1f} MiB "
          f"after {options.requests:,} ({grown:+.1%})")  # fmt: skip
    return 1 if options.check and grown > MOST_GROWTH else 0


def load(port: int, requests: int, clients: int) -> list[float]:
    """Seconds of each request."""
    took: list[float] = []
    wrong: list[int] = []

    def ask(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/api/v1/plan", BODY, HEADERS)
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - began)
            if answer.status != 200:
                wrong.append(answer.status)
        connection.close()

    shares = [requests // clients + (i < requests % clients) for i in range(clients)]
    threads = [threading.Thread(target=ask, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise SystemExit(f"{len(wrong)} requests were not answered with 200, but {set(wrong)}")
    return took


def held(pid: int) -> int:
    """Resident bytes of a process and its children that are its own (Pss)."""
    pids = [pid, *children(pid)]
    found = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in pids)
    return sum(int(re.findall(r"^Pss:\s+(\d+) kB", text, re.M)[0]) for text in found) * 1024


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in found]


if __name__ == "__main__":
    sys.exit(main())
