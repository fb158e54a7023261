"""Seconds and MiB to trace large models, beside building them on meta and beside MemTracker.

    python benchmarks/trace.py                 # after scripts/setup test
    python benchmarks/trace.py --only llama-3.1-8b --ways meta,trace

Each figure comes from a process of its own: CPU seconds (user and system) after the imports, and
the process's highest resident memory. ``meta`` only builds the model; ``extend`` traces three
depths and extends them, as ``weigh trace --extend 1`` does; ``memtracker`` is PyTorch's own
torch.distributed._tools.MemTracker over the same two steps. It sums all live storages again at
each operator (mem_tracker.py, _update_peak_stats), so that its time grows with the square of the
depth: where it passes the limit the table says so, and models are cut to eight layers for both.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODELS = ("llama-3.1-8b", "llama-3.1-405b", "deepseek-v3")
CUT = 8
# What is run at each depth: all layers, or CUT of them.
RUNS = {
    "llama-3.1-8b": {
        0: ("meta", "trace", "memtracker"),
        CUT: ("trace", "memtracker"),
        2 * CUT: ("trace", "memtracker"),
    },
    "llama-3.1-405b": {0: ("meta", "trace", "extend", "memtracker"), CUT: ("trace", "memtracker")},
    "deepseek-v3": {0: ("meta", "trace", "memtracker"), CUT: ("trace", "memtracker")},
}
WAYS = ("meta", "trace", "extend", "memtracker")
WALL = 4  # times the limit of CPU seconds, on a machine with other work
PROGRAM = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
sys.path[:0] = [{root!r} + "/src", {root!r}]
import torch, transformers
from weighbridge.model.raw import raw_config
from weighbridge.trace.question import Question
from weighbridge.trace import build, measure
from weighbridge.trace.log import peaks
from transformers import AutoModelForCausalLM
import benchmarks.trace as bench
question = Question(config=raw_config({model!r}), run="train", checkpointing=True, steps=2,
                    layers={layers}, extend={extend})
measure.trace(Question(config=bench.WARM, run="train", checkpointing=True, steps=2))
torch.set_num_threads(1)
start, wall = time.process_time(), time.perf_counter()
resource.setrlimit(resource.RLIMIT_CPU, (int(start) + {limit},) * 2)
found = getattr(bench, "by_" + {way!r})(question)
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(dict(cpu=time.process_time() - start, wall=time.perf_counter() - wall,
                      mib=used, peak=found)))
"""
WARM = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 256,
}  # fmt: skip


def by_meta(question: object) -> int:
    """Build it, and nothing else; bytes of its parameters."""
    from weighbridge.trace.build import build

    model = build(question)  # type: ignore[arg-type]
    return sum(each.numel() * each.element_size() for each in model.parameters())


def by_trace(question: object) -> int:
    """Our trace; the peak in bytes."""
    from weighbridge.trace.log import peaks
    from weighbridge.trace.measure import trace

    return max(each.bytes for each in peaks(trace(question)[0]))  # type: ignore[arg-type]


def by_extend(question: object) -> int:
    """Three depths of our trace, extended; the peak in bytes."""
    from weighbridge.trace.depth import extended

    _, _, deep = extended(question)  # type: ignore[arg-type]
    return max(int(each["peak_bytes"]) for each in deep["phases"])


def by_memtracker(question: object) -> int:
    """PyTorch's tracker over the same steps; the peak in bytes."""
    import torch
    from torch.distributed._tools.mem_tracker import MemTracker

    from weighbridge.trace.build import build, give_storage
    from weighbridge.trace.optimizers import make_optimizer
    from weighbridge.trace.passes import fake_world, tokens
    from weighbridge.trace.patches import real_roads

    model = build(question)  # type: ignore[arg-type]
    peak = 0
    with fake_world(fake=True), real_roads("cuda", "auto"):
        give_storage(model)
        optimizer = make_optimizer("adamw_torch_fused", [*model.parameters()])
        tracker = MemTracker()
        tracker.track_external(model, optimizer)
        for step in range(2):
            with tracker:
                batch = tokens(question)  # type: ignore[arg-type]
                model(**batch, labels=batch["input_ids"]).loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            snapshot = tracker.get_tracker_snapshot("peak")
            peak = max(peak, *(sum(v for k, v in each.items() if str(k) == "Total")
                               for each in snapshot.values()))  # fmt: skip
            if step == 0:
                tracker.reset_mod_stats()
    return peak


def measured(model: str, layers: int, way: str, limit: int) -> dict[str, float] | str:
    """One process; its figures, or why there are none."""
    program = PROGRAM.format(root=str(ROOT), model=model, layers=layers, way=way, limit=limit,
                             extend=int(way == "extend"))  # fmt: skip
    try:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                              timeout=WALL * limit, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"> {WALL * limit} s"
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"> {limit} CPU s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:100]
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--ways", default=",".join(WAYS), help="with commas, of: %(default)s")
    parser.add_argument("--limit", type=int, default=240, help="CPU seconds for each process")
    parser.add_argument("--keep", type=Path, help="append each row to this file of JSON lines")
    options = parser.parse_args()
    print(f"{'model':<16}{'layers':>7} {'way':<12}{'CPU s':>8}{'wall s':>8}{'MiB':>8}{'bytes':>22}")
    for model in [options.only] if options.only else MODELS:
        for layers, ways in RUNS[model].items():
            for way in [each for each in ways if each in options.ways.split(",")]:
                found = measured(model, layers, way, options.limit)
                print(line(model, layers, way, found), flush=True)
                if options.keep:
                    keep(options.keep, model, layers, way, found)


def keep(file: Path, model: str, layers: int, way: str, found: dict[str, float] | str) -> None:
    """One line of docs/accuracy-trace-cost.jsonl."""
    row = {"over": found} if isinstance(found, str) else found
    head = {"model": model, "layers": str(layers or "all"), "way": way}
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps({**head, **row}) + "\n")


def line(model: str, layers: int, way: str, found: dict[str, float] | str) -> str:
    """One row of the table."""
    head = f"{model:<16}{layers or 'all':>7} {way:<12}"
    if isinstance(found, str):
        return head + found
    return (f"{head}{found['cpu']:>8.1f}{found['wall']:>8.1f}{found['mib']:>8.0f}"
            f"{int(found['peak']):>22,}")  # fmt: skip


if __name__ == "__main__":
    main()
