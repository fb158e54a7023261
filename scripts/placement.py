"""Placements beside what engines do by themselves: `python -m scripts.placement` writes
docs/placement.json and, from it, docs/placement.md.

The same machines and models for `weigh place`, for accelerate's device_map="auto" and for
llama.cpp's --fit; then placements beside the optimum that HiGHS proves. --check finds every fifth
row again, and renders the document.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from math import isclose
from typing import Any, NamedTuple

from scripts.report import ROOT, table, write
from weighbridge.engine import Question
from weighbridge.request import make_request
from weighbridge.search.place import llama_cpp, transformers
from weighbridge.search.place.chain import Problem, solve
from weighbridge.search.place.find import Placement, place_request
from weighbridge.search.place.host import Host, make_host
from weighbridge.search.place.spots import DISK, HOST, Tried
from weighbridge.units import format_bytes

REPORT = ROOT / "docs" / "placement.md"
DATA = ROOT / "docs" / "placement.json"
CHECKED = 5
SAME = 1e-6


class Case(NamedTuple):
    """A machine and a model; ``narrow`` is the format for llama.cpp."""

    on: str
    host: str
    model: str
    weights: str = "bf16"
    narrow: str = "q4_k_m"
    context: int = 8192
    disk: bool = False


CASES = (
    Case("rtx-4090", "64GB", "llama-3.1-8b"),
    Case("rtx-3060", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("rtx-4060", "32GB", "llama-3.1-8b", narrow="q8_0", context=16384),
    Case("rtx-4090,rtx-3060", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("rtx-3060,rtx-4090", "64GB", "llama-3.1-8b", narrow="bf16"),
    Case("2xrtx-3060", "32GB", "qwen2.5-14b-instruct", narrow="bf16"),
    Case("t4", "32GB", "qwen2.5-14b-instruct"),
    Case("rtx-3090", "64GB", "gemma-3-27b-it"),
    Case("rtx-4090,rtx-3060", "96GB", "gemma-3-27b-it", narrow="q8_0"),
    Case("rtx-3060,rtx-4060", "64GB", "phi-4", narrow="q8_0"),
    Case("rtx-3060", "64GB", "qwen3-30b-a3b"),
    Case("rtx-3060,rtx-4090", "64GB", "qwen3-30b-a3b", narrow="bf16"),
    Case("rtx-4090,rtx-3060", "64GB", "qwen3-30b-a3b", narrow="q8_0"),
    Case("rtx-4090", "128GB", "mixtral-8x7b-v0.1"),
    Case("2xrtx-3090", "128GB", "mixtral-8x7b-v0.1", narrow="q8_0"),
    Case("rtx-4090", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-4090,rtx-3060", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-4090,rtx-3060", "64GB", "llama-3.3-70b-instruct", disk=True),
    Case("2xrtx-4090", "192GB", "llama-3.3-70b-instruct"),
    Case("4xrtx-3090", "192GB", "llama-3.3-70b-instruct"),
    Case("rtx-5090,rtx-3090,rtx-3060", "192GB", "llama-3.3-70b-instruct"),
    Case("h100-sxm,a100-sxm-40gb", "256GB", "llama-3.3-70b-instruct", narrow="bf16"),
    Case("rtx-4090", "256GB", "qwen3-235b-a22b", disk=True),
    Case("rtx-4090", "64GB", "gpt-oss-120b", "auto", "mxfp4", 2048),
    Case("2xl40s", "512GB", "qwen3-235b-a22b"),
)
ENGINES = {"transformers": 'device_map="auto"', "llama.cpp": "--fit on"}


# Beside HiGHS: an engine, a machine whose host is small enough to matter, a model.
PROVED = (
    ("transformers", Case("rtx-3060", "64GB", "llama-3.1-8b")),
    ("transformers", Case("rtx-3060", "4GB", "llama-3.1-8b", disk=True)),
    ("transformers", Case("rtx-3060,rtx-4060", "64GB", "llama-3.1-8b")),
    ("transformers", Case("rtx-3060,rtx-4060", "8GB", "phi-4", disk=True)),
    ("transformers", Case("2xrtx-3060", "32GB", "qwen2.5-14b-instruct")),
    ("transformers", Case("2xrtx-3090", "128GB", "mixtral-8x7b-v0.1")),
    ("llama.cpp", Case("rtx-3060", "64GB", "llama-3.1-8b", narrow="bf16")),
    ("llama.cpp", Case("rtx-3060", "5GB", "llama-3.1-8b", narrow="bf16", disk=True)),
    ("llama.cpp", Case("rtx-3060,rtx-4060", "64GB", "phi-4", narrow="q8_0")),
    ("llama.cpp", Case("2xrtx-3090", "64GB", "mixtral-8x7b-v0.1", narrow="q8_0")),
    ("llama.cpp", Case("rtx-3060", "64GB", "qwen3-30b-a3b")),
)
COLUMNS = ("machine and model", "host", "`weigh place`", "by itself", "times", "proof")
DISKS = {True: " and disk", False: ""}


def placement_of(case: Case, engine: str) -> Placement:
    """The case's placement under an engine."""
    weights = case.narrow if engine == "llama.cpp" else case.weights
    options = {"on": case.on, "engine": engine, "weights": weights, "context": case.context}
    return place_request(make_request(case.model, options), host_of(case))


def host_of(case: Case) -> Host:
    """The case's host."""
    return make_host(case.host, None, case.disk)


def row_of(case: Case, engine: str) -> dict[str, Any]:
    """What the report says of a case."""
    found = placement_of(case, engine)
    return {
        "case": case._asdict(),
        "engine": engine,
        "ours": _told(found.best),
        "automatic": _told(found.automatic),
        "under_our_limits": _told(_limited(found)),
        "because": found.because,
    }


def _told(tried: Tried | None) -> dict[str, Any] | None:
    if tried is None:
        return None
    over = [max(used - limit, 0) for used, limit in zip(tried.used, tried.limits, strict=True)]
    return {
        "seconds": tried.seconds.decode,
        "over": max(over),
        "optimal": tried.exact,
        "gap": tried.gap,
        "host": sum(HOST in {spot.home, spot.moved} for spot in tried.spots),
        "disk": sum(DISK in {spot.home, spot.moved} for spot in tried.spots),
    }


def _limited(found: Placement) -> Tried | None:
    """accelerate's own map where it is told the limits that we found."""
    if found.engine.name != "transformers" or found.best is None:
        return None
    placer = placer_of(found)
    assert isinstance(placer, transformers.Placer)
    limits = ",".join(f"{device}={size}B" for device, size in found.max_memory().items())
    return placer.automatic("sequential", limits)


def placer_of(found: Placement) -> transformers.Placer | llama_cpp.Placer:
    """The blocks and the clock behind a placement."""
    question = Question(
        found.model, found.engine, found.request.deployment, found.tokens,
        found.request.workload.concurrency, found.machine.devices,
    )  # fmt: skip
    arguments = (question, found.request, found.host, found.weighting)
    if found.engine.name == "transformers":
        return transformers.Placer(*arguments)
    return llama_cpp.Placer(*arguments, keeps=True)


def problem_of(found: Placement) -> Problem:
    """The chain that was solved last: under what the devices hold beside the blocks."""
    assert found.best is not None
    placer = placer_of(found)
    if isinstance(placer, llama_cpp.Placer):
        return placer.problem(found.best.fixed)
    return placer.problem(0, found.best.fixed, streams=True)


def proofs() -> Iterator[dict[str, Any]]:
    """The same problems solved by the chain and by HiGHS."""
    from scripts.place_milp import optimum

    for engine, case in PROVED:
        problem = problem_of(placement_of(case, engine))
        found, best = solve(problem), optimum(problem)
        yield {
            "case": case._asdict(),
            "engine": engine,
            "blocks": problem.blocks,
            "ours": None if found is None else found.seconds,
            "optimum": best,
        }


def rendered(data: dict[str, Any]) -> str:
    """The document."""
    parts = [INTRODUCTION]
    for engine, name in ENGINES.items():
        rows = [row for row in data["rows"] if row["engine"] == engine]
        parts += [f"## {TITLES[engine]}", _summary(rows, name), table(COLUMNS, map(_line, rows))]
        parts += [_limits_of(rows)] if engine == "transformers" else []
    parts += ["## Beside an exact solver", PROOF]
    lines = [
        (_case(row), row["engine"], str(row["blocks"]), _ms(row["ours"]), _ms(row["optimum"]),
         f"{row['ours'] / row['optimum'] - 1:+.4%}")
        for row in data["proofs"]
    ]  # fmt: skip
    parts.append(table(("problem", "engine", "blocks", "ours", "HiGHS", "difference"), lines))
    return "\n\n".join(parts) + "\n"


def _summary(rows: list[dict[str, Any]], name: str) -> str:
    fitting = [row for row in rows if row["ours"]]
    over = [row for row in rows if row["automatic"]["over"]]
    both = [row for row in fitting if not row["automatic"]["over"]]
    times = sorted(row["automatic"]["seconds"] / row["ours"]["seconds"] for row in both)
    slower = sum(ratio < 1 - SAME for ratio in times)
    middle = times[len(times) // 2] if times else 1.0
    return (
        f"Of {len(rows)} cases {len(fitting)} have a placement, none of which is over a limit; "
        f"`{name}` is over one in {len(over)}. Where both fit ({len(both)}), ours is slower in "
        f"{slower}; `{name}` takes {middle:.2f} times as long in the median, "
        f"{times[-1]:.2f} at most."
    )


def _limits_of(rows: list[dict[str, Any]]) -> str:
    """What accelerate's own rule makes of our ``max_memory``."""
    told = [row for row in rows if row["under_our_limits"]]
    over = sum(bool(row["under_our_limits"]["over"]) for row in told)
    times = sorted(row["under_our_limits"]["seconds"] / row["ours"]["seconds"] for row in told)
    slower = sum(ratio < 1 - SAME for ratio in times)
    return (
        f"Told the `max_memory` that we found, accelerate's `sequential` is over a limit in "
        f"{over} of {len(told)} cases, faster than ours in {slower}, and takes "
        f"{times[len(times) // 2]:.2f} "
        f"times as long in the median, {times[-1]:.2f} at most."
    )


def _line(row: dict[str, Any]) -> list[str]:
    ours, other = row["ours"], row["automatic"]
    host = f"{row['case']['host']}{DISKS[row['case']['disk']]}"
    own = f"{format_bytes(other['over'])} over" if other["over"] else _ms(other["seconds"])
    if ours is None:
        return [_case(row), host, "nothing fits", own, "", ""]
    times = "" if other["over"] else f"{other['seconds'] / ours['seconds']:.2f}"
    proof = "optimum" if ours["optimal"] else f"within {ours['gap']:.1%}"
    return [_case(row), host, _ms(ours["seconds"]), own, times, proof]


def _case(row: dict[str, Any]) -> str:
    case = row["case"]
    weights = case["narrow"] if row["engine"] == "llama.cpp" else case["weights"]
    return f"{case['on']}: {case['model']} in {weights}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


TITLES = {"transformers": "Transformers, by accelerate", "llama.cpp": "llama.cpp"}
INTRODUCTION = """# Placements beside what engines do by themselves

Written by `python -m scripts.placement`. Nothing here was run on such a machine: all are priced
by one clock, that of `weigh speed`, on the same machine descriptions, and planned by the same
rules of the engine. The clock reads weights in host memory at 89.6 GB/s (two channels of
DDR5-5600, as stated), a link at 85 % of its stated rate, a disk at 7 GB/s; for Transformers it is
a floor, for llama.cpp its constants were fitted on single cards. Contexts are 8,192 tokens where
the case does not say otherwise, for one user.

- **over** is what the fullest device would need beyond what it has: such a start ends in an
  out-of-memory error, and its time per token is no comparison.
- **times** is how much longer a token takes than by ours, where both fit.
- **optimum** says that no placement of these blocks is faster under these limits and by this
  clock, to a millionth; otherwise the share by which one could be is bounded.
- `device_map="auto"` is accelerate's rule with what is free on each GPU (nine tenths of a single
  one) and the whole host; it does not count caches and activations. `--fit` leaves 1 GiB on each
  GPU, and so do we there; the parts of one layer that it moves at the end of each GPU are not
  modelled."""
PROOF = """The last problem of each search, under what the devices hold beside the blocks, and the
same as a mixed-integer program for HiGHS (`scipy.optimize.milp`), every block by itself."""


def main() -> int:
    """Write the report, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is written")
    if parser.parse_args().check:
        data = json.loads(DATA.read_text(encoding="utf-8"))
        same = all(map(_again, data["rows"][::CHECKED]))
        same = same and write(REPORT, rendered(data), check=True)
        print("docs/placement.md is " + ("up to date" if same else "out of date"))
        return 0 if same else 1
    data = {
        "rows": [row_of(case, engine) for engine in ENGINES for case in CASES],
        "proofs": list(proofs()),
    }
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    write(REPORT, rendered(data), check=False)
    print(REPORT.read_text(encoding="utf-8"))
    return 0


def _again(row: dict[str, Any]) -> bool:
    """Whether a row is found again; says which is not."""
    new = row_of(Case(**row["case"]), row["engine"])
    same = all(
        (new[name] is None) == (row[name] is None)
        and (new[name] is None or (isclose(new[name]["seconds"], row[name]["seconds"], rel_tol=SAME)
             and new[name]["over"] == row[name]["over"]))
        for name in ("ours", "automatic", "under_our_limits")
    )  # fmt: skip
    if not same:
        print(f"{_case(row)} under {row['engine']} is not what it was")
    return same


if __name__ == "__main__":
    sys.exit(main())
