"""How long a checkpoint of 191 shards takes to weigh from a local disk, from command to answer.

    PYTHONPATH=src python benchmarks/shards_191.py            # measure
    PYTHONPATH=src python benchmarks/shards_191.py --check    # and exit 1 where over budget

The folder has the config, the index and the tensors of Llama-3.1-405B in 191 files; their data is
a hole, so that 812 GB take 2 MB on disk. ``weigh FOLDER --json`` runs in a fresh process, and the
best of five is reported, start-up included.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BUDGET = 2.0
RUNS = 5
SHARDS = 191
LAYERS, HIDDEN, INTERMEDIATE, VOCAB, KV = 126, 16384, 53248, 128256, 1024
PARAMETERS = 405_853_388_800
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": INTERMEDIATE,
    "vocab_size": VOCAB,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of Llama-3.1-405B."""
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        yield f"{prefix}.input_layernorm.weight", (HIDDEN,)
        yield f"{prefix}.mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
        yield f"{prefix}.mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{prefix}.mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{prefix}.post_attention_layernorm.weight", (HIDDEN,)
        yield f"{prefix}.self_attn.k_proj.weight", (KV, HIDDEN)
        yield f"{prefix}.self_attn.o_proj.weight", (HIDDEN, HIDDEN)
        yield f"{prefix}.self_attn.q_proj.weight", (HIDDEN, HIDDEN)
        yield f"{prefix}.self_attn.v_proj.weight", (KV, HIDDEN)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def write_shard(path: Path, held: list[tuple[str, tuple[int, ...]]]) -> None:
    """One file of these tensors in bf16, its data a hole."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in held:
        end = at + 2 * math.prod(shape)
        entries[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(entries, separators=(",", ":")).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + at)


def write(folder: Path) -> None:
    """The config, the index and the shards, each with as many tensors as the next."""
    every = list(tensors())
    weight_map: dict[str, str] = {}
    for number in range(SHARDS):
        held = every[number * len(every) // SHARDS : (number + 1) * len(every) // SHARDS]
        name = f"model-{number + 1:05}-of-{SHARDS:05}.safetensors"
        write_shard(folder / name, held)
        weight_map |= {tensor: name for tensor, _ in held}
    index = {"metadata": {"total_size": 2 * PARAMETERS}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2))


def weigh(folder: Path) -> tuple[float, float, dict[str, Any]]:
    """Wall and CPU seconds of one run of the command, and its answer."""
    command = [sys.executable, "-m", "weighbridge", str(folder), "--json"]
    before, start = os.times(), time.perf_counter()
    answer = subprocess.check_output(command)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system, json.loads(answer)


def measure() -> dict[str, Any]:
    """The best of several runs; stops where the answer is not the checkpoint's bytes."""
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        runs = [weigh(Path(name)) for _ in range(RUNS)]
    for _, _, answer in runs:
        (weights,) = (t for t in answer["devices"][0]["terms"] if t["name"] == "weights")
        if weights["bytes"] != 2 * PARAMETERS or weights["basis"] != "header":
            raise SystemExit(f"{2 * PARAMETERS:,} bytes were written, {weights['bytes']:,} read")
    return {
        "benchmark": "shards_191",
        "shards": SHARDS,
        "parameters": PARAMETERS,
        "wall_s": round(min(wall for wall, _, _ in runs), 4),
        "cpu_s": round(min(cpu for _, cpu, _ in runs), 4),
        "budget_s": BUDGET,
    }


def main() -> int:
    """Measure, print one JSON line and one for people; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit 1 where over budget")
    arguments = parser.parse_args()
    found = measure()
    within = max(found["wall_s"], found["cpu_s"]) <= BUDGET
    print(json.dumps(found))
    print(
        f"{SHARDS} shards, {PARAMETERS / 1e9:.0f}B parameters: {found['wall_s']:.2f} s from "
        f"command to answer, {found['cpu_s']:.2f} s of it CPU (budget {BUDGET:.0f}): "
        f"{'within budget' if within else 'over budget'}"
    )
    return 1 if arguments.check and not within else 0


if __name__ == "__main__":
    raise SystemExit(main())
