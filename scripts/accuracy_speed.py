"""Predicted against measured speed, written into docs/accuracy-speed.md and .json.

`python -m scripts.accuracy_speed` (`--check` compares; the extra `fit` is needed).

Serving rows are predicted by constants fitted without the row's model family
(``tests/truth/speed_held_out.csv.gz``, written by ``scripts.fit_speed``), single streams without
the row's model. Rows faster than the roofline are listed and left out by that rule alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

import numpy as np

from scripts import fit_single, fit_speed
from scripts.report import ROOT, table, write
from weighbridge.measure.accuracy.truth import csv_rows
from weighbridge.speed.constants import fitted_engines, fitted_from

REPORT = ROOT / "docs" / "accuracy-speed.md"
DATA = ROOT / "docs" / "accuracy-speed.json"
WORST = 20
HEADER = ("rows", "median error", "mean", "90 % within", "bias")
REASONS = {
    "disaggregated": "prefill and decode on cards of their own, recorded as one server",
    "launch-bound": "no time depends on batch or length: run without CUDA graphs",
}


def figures(error: Any) -> tuple[str, ...]:
    """Rows, median and mean absolute error, 90th percentile, median signed error."""
    size = np.abs(error)
    return (
        f"{len(error):,}",
        f"{np.median(size):.1%}",
        f"{size.mean():.1%}",
        f"{np.quantile(size, 0.9):.1%}",
        f"{np.median(error):+.1%}",
    )


def grouped(
    rows: list[dict[str, str]], error: Any, key: Callable[[dict[str, str]], str]
) -> list[tuple[str, ...]]:
    names = np.array([key(row) for row in rows])
    return [(name, *figures(error[names == name])) for name in sorted(set(names))]


def serving() -> tuple[fit_speed.Rows, Any, Any]:
    rows = fit_speed.load_rows()
    held = csv_rows("speed_held_out.csv.gz")
    assert [row["id"] for row in held] == [row["id"] for row in rows.table]
    token = np.array([float(row["tpot_ms"]) / 1e3 for row in held])
    first = np.array([float(row["ttft_ms"]) / 1e3 for row in held])
    return rows, token, first


def rule_of_thumb(rows: fit_speed.Rows) -> Any:
    """Weights / (0.55 × bandwidth), the active ones of a mixture (llmfit)."""
    work = rows.step
    active = work.dense_bytes + work.expert_bytes * work.top_k / work.experts
    return active / (0.55 * rows.cost.rates.bandwidth)


def peers(rows: fit_speed.Rows, token: Any, good: Any) -> list[tuple[str, ...]]:
    """Ours and others on the same rows."""
    measured = rows.tpot
    lines = [
        ("ours, family left out", *figures((token / measured - 1)[good])),
        ("roofline", *figures((fit_speed.floor_seconds(rows) / measured - 1)[good])),
        ("bandwidth × 0.55 / weights", *figures((rule_of_thumb(rows) / measured - 1)[good])),
    ]
    theirs = {row["id"]: float(row["tpot_ms"]) / 1e3 for row in csv_rows("speed_peer.csv.gz")}
    there = np.array([row["id"] in theirs for row in rows.table]) & good
    said = np.array([theirs.get(row["id"], np.nan) for row in rows.table])
    lines += [
        ("ours, rows that aiconfigurator answers", *figures((token / measured - 1)[there])),
        ("aiconfigurator 0.12.0", *figures((said / measured - 1)[there])),
    ]
    return lines


def coverage(rows: fit_speed.Rows, token: Any, first: Any, good: Any) -> list[tuple[str, ...]]:
    """Rows within the bounds that answers state."""
    entries = json.loads(fit_speed.FILE.read_text(encoding="utf-8"))["engines"]
    lines: list[tuple[str, ...]] = []
    for number, name in enumerate(fit_speed.ENGINES):
        mine, fitted = good & (rows.engine == number), fitted_from(entries[name])
        ratio, late = (rows.tpot / token)[mine], (rows.ttft / first)[mine]
        held = np.mean((ratio >= fitted.low) & (ratio <= fitted.high))
        begun = np.mean((late >= fitted.first_low) & (late <= fitted.first_high))
        late_bounds = f"{fitted.first_low:.2f} to {fitted.first_high:.2f}"
        bounds = f"{fitted.low:.2f} to {fitted.high:.2f}"
        lines.append((name, bounds, f"{held:.1%}", late_bounds, f"{begun:.1%}"))
    return lines


def describe(row: dict[str, str]) -> str:
    layout = f"TP{row['tensor']}" + (f" DP{row['data']}" if row["data"] != "1" else "")
    return (
        f"{row['family']} {row['format']}, {row['engine']} {row['version']}, {row['card']} "
        f"{layout}{' EP' if row['expert'] == '1' else ''}, {row['input']}/{row['output']}, "
        f"{row['concurrency']} at once"
    )


def reason(rows: fit_speed.Rows, token: Any, index: int) -> str:
    """The likely reason, by what is known of the row and of its neighbours."""
    row = rows.table[index]
    if row["remark"]:
        return REASONS[row["remark"]]
    if row["card"] == "b300-sxm" and row["engine"] == "sglang":
        return "prefill of this build on this card many times slower than on its predecessor"
    if _alone(rows, token, index):
        return "neighbouring loads of the same run are predicted well: an outlier"
    return "not known" if row["version"] else "an early build of the engine, or not known"


def _alone(rows: fit_speed.Rows, token: Any, index: int) -> bool:
    """Whether loads of half to twice as many users in the same run are within 30 %."""
    same = (
        "family", "format", "engine", "version", "card", "tensor", "data", "expert", "input",
        "output", "drafts",
    )  # fmt: skip
    row, near = rows.table[index], []
    for i, other in enumerate(rows.table):
        share = int(other["concurrency"]) / int(row["concurrency"])
        if i != index and 0.5 <= share <= 2 and all(row[k] == other[k] for k in same):
            near.append(abs(float(token[i] / rows.tpot[i]) - 1))
    return bool(near) and max(near) < 0.3


def worst(rows: fit_speed.Rows, token: Any, good: Any) -> list[tuple[str, ...]]:
    order = [i for i in np.argsort(-np.abs(np.log(token / rows.tpot))) if good[i]][:WORST]
    return [
        (describe(rows.table[i]), f"{rows.tpot[i] * 1e3:.1f} ms", f"{token[i] * 1e3:.1f} ms",
         reason(rows, token, int(i)))
        for i in order
    ]  # fmt: skip


def singles() -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], int]:
    """By engine (and platform) and by card: each row's model left out."""
    lines: list[tuple[str, ...]] = []
    every: list[Any] = []
    rows: list[dict[str, str]] = []
    faster = 0
    out = {r["id"]: float(r["seconds"]) for r in csv_rows("speed_single_held_out.csv.gz")}
    for name, single in sorted(fit_single.load_single().items()):
        good = fit_single.floor_seconds(single) <= single.seconds
        faster += int((~good).sum())
        if name not in fitted_engines() or name == "vllm":
            continue
        said = np.array([out.get(row["id"], np.nan) for row in single.table])
        error = (said / single.seconds - 1)[good]
        lines.append((name, *figures(error)))
        every.append(error)
        rows += [row for row, keep in zip(single.table, good, strict=True) if keep]
    joined = np.concatenate(every)
    cards = grouped(rows, joined, lambda row: row["card"])
    return [*lines, ("**all**", *figures(joined))], cards, faster


def sections() -> Iterable[str]:
    rows, token, first = serving()
    good = fit_speed.usable(rows)
    sure = fit_speed.fittable(rows)
    error, late = token / rows.tpot - 1, first / rows.ttft - 1
    kept = [row for row, keep in zip(rows.table, good, strict=True) if keep]
    yield "# Speed, predicted against measured"
    yield (
        "Generated by `python -m scripts.accuracy_speed`. Time per token of servers "
        f"({len(rows.table):,} rows of aiconfigurator's silicon sample after exact repeats), each "
        "predicted by constants fitted **without its model family**. "
        f"{int((~good).sum())} rows are faster than the roofline and left out by that rule alone; "
        "nothing else is. “As recorded” are rows whose layout and launch are what the row says: "
        "the others (below) count in every figure but are not fitted on."
    )
    yield table(("serving, time per token", *HEADER), [
        ("**all rows**", *figures(error[good])), ("as recorded", *figures(error[sure])),
    ])  # fmt: skip
    yield table(("beside others, same rows", *HEADER), peers(rows, token, good))
    for title, key in (
        ("engine", "engine"), ("card", "card"), ("format", "format"), ("family", "family"),
    ):  # fmt: skip
        yield table((f"by {title}", *HEADER), grouped(kept, error[good], itemgetter(key)))
    yield (
        "## Time to the first token\n\nThe benchmark opens all its connections at once and sends "
        "ten prompts over each (InferenceX): the first wave queues, and its mean is what is "
        "compared."
    )
    yield table(("first token", *HEADER), [
        ("**all rows**", *figures(late[good])),
        *grouped(kept, late[good], lambda row: row["engine"]),
    ])  # fmt: skip
    yield "## Bounds\n\nMeasured over predicted, quantiles 5 and 95 % on families left out."
    yield table(("engine", "token", "covered", "first token", "covered"),
                coverage(rows, token, first, good))  # fmt: skip
    lines, cards, faster = singles()
    yield (
        "## Single streams\n\nDecode of one sequence, each row predicted without its model; "
        f"{faster} rows faster than the roofline are left out by that rule (mapping of formats)."
    )
    yield table(("engine", *HEADER), lines)
    yield table(("card", *HEADER), cards)
    yield f"## The worst {WORST}"
    yield table(("row", "measured", "predicted", "likely reason"), worst(rows, token, good))
    yield "## Faster than the roofline"
    fast = [(describe(row), f"{1e3 * rows.tpot[i]:.2f} ms",
             f"{1e3 * float(fit_speed.floor_seconds(rows)[i]):.2f} ms")
            for i, row in enumerate(rows.table) if not good[i]]  # fmt: skip
    yield table(("row", "measured", "roofline"), fast)


def data() -> str:
    rows, token, first = serving()
    good = fit_speed.usable(rows)
    error, late = np.abs(token / rows.tpot - 1)[good], np.abs(first / rows.ttft - 1)[good]
    found = {
        "rows": int(good.sum()),
        "faster_than_roofline": int((~good).sum()),
        "tpot": {
            "median": round(float(np.median(error)), 4),
            "mean": round(float(error.mean()), 4),
        },
        "ttft": {"median": round(float(np.median(late)), 4), "mean": round(float(late.mean()), 4)},
    }
    return json.dumps(found, indent=1) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    text = "\n\n".join(sections()) + "\n"
    same = write(REPORT, text, check=check) & write(DATA, data(), check=check)
    print(text if not check else ("as committed" if same else "docs/accuracy_speed.* differ"))
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
