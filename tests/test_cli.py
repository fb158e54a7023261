"""The command line as a user meets it: answers, exit codes, and bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.cli import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    _, out, _ = run(capsys, *arguments, "--json")
    made: dict[str, object] = json.loads(out)
    return made


def test_it_fits_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "llama-3.1-8b", "--on", "rtx-4090")
    assert code == 0
    assert out.startswith("✓ fits")
    assert err == ""


def test_it_does_not_fit_and_says_what_would(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "llama-3.1-8b", "--on", "rtx-3060", "--context", "4096")
    assert code == 1
    assert out.startswith("✗ does not fit")
    assert "--weights" in out


@pytest.mark.parametrize("on", ["rtx-3060", "rtx-4060", "t4", "8GiB"])
def test_every_remedy_fits_when_it_is_followed(capsys: pytest.CaptureFixture[str], on: str) -> None:
    made = answer(capsys, "llama-3.1-8b", "--on", on, "--context", "16K", "--batch", "4")
    assert made["verdict"]["fits"] is False  # type: ignore[index]
    remedies = made["verdict"]["try"]  # type: ignore[index]
    assert remedies
    for remedy in remedies:
        options = {"--on": on, "--context": "16384", "--concurrency": "4"}
        changes = f"{remedy['option']} {remedy['value']}".split()
        options |= dict(zip(changes[::2], changes[1::2], strict=True))
        flat = [part for pair in options.items() for part in pair]
        code, _, _ = run(capsys, "llama-3.1-8b", *flat)
        assert code == 0, remedy


def test_without_a_card_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "llama-3.1-8b")
    assert code == 0
    assert "no card named" in out


def test_json_follows_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    made = answer(capsys, "llama-3.1-8b", "--weights", "bf16", "--on", "2xrtx-4090")
    assert set(made) >= {
        "schema", "version", "model", "request", "devices", "kv", "verdict", "speed",
    }  # fmt: skip
    assert made["schema"] == 1
    model, kv = made["model"], made["kv"]
    assert model["parameters"] == 8_030_261_248  # type: ignore[index]
    assert kv["bytes_per_token"] == 131_072  # type: ignore[index]
    assert set(kv) >= {  # type: ignore[call-overload]
        "bytes_per_token", "bytes_per_sequence", "capacity_tokens", "max_concurrency",
    }  # fmt: skip
    weights = 0
    for device in made["devices"]:  # type: ignore[attr-defined]
        assert set(device) >= {
            "name", "index", "capacity_bytes", "usable_bytes", "terms", "total_bytes", "low",
            "high", "fits",
        }  # fmt: skip
        assert device["total_bytes"] == sum(term["bytes"] for term in device["terms"])
        assert device["low"] <= device["total_bytes"] <= device["high"]
        for term in device["terms"]:
            assert set(term) >= {
                "name", "phase", "bytes", "low", "high", "basis", "formula", "inputs", "source",
            }  # fmt: skip
            assert all(type(term[key]) is int for key in ("bytes", "low", "high"))
            assert term["low"] <= term["bytes"] <= term["high"], term
            assert term["formula"]
            assert term["source"]
        weights += sum(t["bytes"] for t in device["terms"] if t["name"] == "weights")
    assert weights == 16_060_522_496
    assert set(made["verdict"]) >= {"fits", "because", "try"}  # type: ignore[call-overload]
    assert made["speed"]["decode"]["bound_by"] == "memory bandwidth"  # type: ignore[index]


def test_aliases_mean_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    ours = answer(capsys, "llama-3.1-8b", "--context", "4k", "--batch", "3")
    theirs = answer(capsys, "Llama_3.1 8B", "--max-model-len", "4000", "--max-num-seqs", "3")
    assert ours["devices"] == theirs["devices"]


def test_plan_is_the_default_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "gpt2") == run(capsys, "plan", "gpt2")


def test_why_opens_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "gemma-3-27b", "--on", "h100", "--context", "131072", "--why")
    for said in ("formula", "with", "source", "basis", "sliding_window = 1024"):
        assert said in out


def test_markdown_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "gpt2", "--on", "t4", "--format", "markdown")
    assert "| ---" in out or "|---" in out or "| :--" in out or "|:--" in out


# A trace needs its extra; its JSON is looked at in tests/traced/test_command.py. A server answers
# over HTTP: tests/serve.
@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name not in {"plan", "trace", "serve"}]
)
def test_every_command_prints_json(
    capsys: pytest.CaptureFixture[str], name: str, tmp_path: Path
) -> None:
    log = tmp_path / "vllm.log"
    log.write_text("Model loading took 14.9889 GiB and 3.65 seconds")
    target = {
        "sweep": ["gpt2"],
        "rules": ["gpt2"],
        "card": ["h100"],
        "fit": ["gpt2", "--on", "t4"],
        "recommend": ["gpt2", "--on", "t4"],
        "train": ["gpt2"],
        "fleet": ["gpt2", "--on", "t4", "--rate", "1", "--input-tokens", "64", "--requests", "50"],
        "speed": ["gpt2", "--on", "t4", "--engine", "vllm", "--what-if"],
        "log": [str(log)],
        "store": ["list", "--store", str(tmp_path / "store.db")],
        "watch": [str(os.getpid()), "--once"],
        "accuracy": ["--set", "tensorrt-llm"],
    }.get(name, [])
    if name == "calibrate":
        runs = tmp_path / "runs.json"
        runs.write_text('{"sequences": 1, "input_tokens": 99, "seconds_per_token": 0.03}')
        target = ["gpt2", "--on", "t4", "--engine", "vllm", "--from", str(runs)]
    made = answer(capsys, name, *target)
    assert made["schema"] == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert "usage: weigh" in capsys.readouterr().out


def test_sweep_and_plan_agree(capsys: pytest.CaptureFixture[str]) -> None:
    grid = answer(
        capsys, "sweep", "qwen3-8b", "--on", "l40s", "--context", "1k,9k", "--batch", "1,5"
    )
    for i, context in enumerate(grid["contexts"]):  # type: ignore[arg-type]
        for j, batch in enumerate(grid["concurrencies"]):  # type: ignore[arg-type]
            plan = answer(
                capsys, "qwen3-8b", "--on", "l40s", "--context", str(context), "--batch", str(batch)
            )
            assert grid["total_bytes"][i][j] == plan["total_bytes"]  # type: ignore[index]
            assert grid["fits"][i][j] == plan["verdict"]["fits"]  # type: ignore[index]


BAD = [
    (["lama-3.1-8b"], "did you mean llama-3.1-8b"),
    (["./nowhere"], "does not exist"),
    (["/dev/null"], "neither a folder"),
    (["llama-3.1-8b", "--context", "-5"], "--context is -5"),
    (["llama-3.1-8b", "--context", "0"], "at least one token"),
    (["llama-3.1-8b", "--context", "many"], "not a count"),
    (["llama-3.1-8b", "--context", "9" * 40], "is larger than"),
    (["llama-3.1-8b", "--context", "9" * 12], "is more than"),
    (["llama-3.1-8b", "--batch", "0"], "at least one sequence"),
    (["llama-3.1-8b", "--on", "24G"], "powers of 1024"),
    (["llama-3.1-8b", "--on", "rtx-4091"], "did you mean rtx-4090"),
    (["llama-3.1-8b", "--on", "0xh100"], "count"),
    (["llama-3.1-8b", "--on", ""], "card"),
    (["llama-3.1-8b", "--weights", "bf17"], "did you mean"),
    (["llama-3.1-8b", "--kv-cache-dtype", "int3"], "not one of"),
    (["llama-3.1-8b", "--kv-cache-dtype", "fp8"], "keeps its cache"),
    (["llama-3.1-8b", "--engine", "llama.cpp==new"], "cannot be read"),
    (["llama-3.1-8b", "--engine", "transformers==banana"], "cannot be read"),
    (["llama-3.1-8b", "--engine", "transformers==3.0.0"], "older than"),
    (["llama-3.1-8b", "--input-tokens", "9000", "--context", "8000"], "more than"),
    (["llama-3.1-8b", "--isl", "10", "--osl", "10", "--context", "12"], "more than"),
    (["llama-3.1-8b", "--cntext", "5"], "--cntext"),
    (["llama-3.1-8b", "--weights", "fp32", "--attn-implementation", "flash_attention_2"], "16-bit"),
    (["gpt-oss-20b", "--attn-implementation", "sdpa"], "no sdpa"),
    (["llama-3.1-8b", "extra"], "extra"),
    (["0B"], "between 1M and 100T"),
    (["plan"], "MODEL"),
    (["card", "abacus"], "no card is called"),
    (["cards", "--min-memory", "80"], "not a size"),
    (["sweep", "gpt2", "--context", "1,,2"], "not a count"),
    ([" "], "no model was named"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD, ids=[" ".join(b[0])[:50] for b in BAD])
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2, err
    assert out == ""
    assert err.startswith("weigh: error: ")
    assert err.count("\n") == 1
    assert said in err
    assert "Traceback" not in err


def test_a_hostile_name_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "\x1b[31mred\u202e", "--on", "rtx-4090")
    assert code == 2
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_colour_only_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "gpt2", "--on", "rtx-4090")
    assert "\x1b" not in out


def test_the_module_runs_and_its_output_survives_an_ascii_terminal() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    result = subprocess.run(
        [sys.executable, "-m", "weighbridge", "gpt2", "--on", "t4"],
        capture_output=True,
        env=environment,
        check=True,
    )
    assert b"fits" in result.stdout


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m weighbridge cards | head -1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in result.stderr
    assert "card" in result.stdout
