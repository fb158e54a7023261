"""``weigh run`` end to end: real architectures, random weights, a real checkpoint, a script."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the [run] extra")
pytest.importorskip("transformers", reason="needs the [run] extra")

from traced.tiny import LLAMA, MIXTRAL  # noqa: E402
from weighbridge.cli import main  # noqa: E402
from weighbridge.hardware.machine import parse_machine  # noqa: E402
from weighbridge.measure.record import read  # noqa: E402
from weighbridge.run import session  # noqa: E402
from weighbridge.run.here import Room  # noqa: E402
from weighbridge.run.session import Prepared, Wanted, execute, prepare  # noqa: E402
from weighbridge.run.source import Source  # noqa: E402
from weighbridge.units import GIB  # noqa: E402

WIDE: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 512, "vocab_size": 2000,
                        "num_hidden_layers": 4}  # fmt: skip
ROOM = Room(parse_machine("cpu-8GiB"), 8 * GIB, True)


@pytest.fixture
def _here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The child's side in the tests' own process, which is quick."""
    from transformers.utils import logging

    from weighbridge.run.child import run

    def ask(message: dict[str, Any], *, seconds: float, heard: Any = None) -> dict[str, Any]:
        assert seconds > 0

        def say(event: str, **more: Any) -> None:
            if heard is not None:
                heard({"event": event, **more})

        return run(json.loads(json.dumps(message)), say)

    monkeypatch.setattr(session, "ask", ask)
    yield
    logging.set_tqdm_hook(None)


def config_file(folder: Path, config: dict[str, Any]) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return str(path)


def ready(folder: Path, config: dict[str, Any], room: Room = ROOM, **options: Any) -> Prepared:
    wanted = Wanted(config_file(folder, config), "Hello, world", random_weights=True,
                    max_new_tokens=5, stops=False, **options)  # fmt: skip
    made = prepare(wanted, room)
    assert isinstance(made, Prepared)
    return made


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("weights", ["auto", "fp32", "int8", "nf4", "nf4-dq"])
def test_a_format_is_loaded_and_its_tensors_are_the_plans(tmp_path: Path, weights: str) -> None:
    if weights not in {"auto", "fp32"}:
        pytest.importorskip("bitsandbytes")
    events: list[Any] = []
    result = execute(ready(tmp_path, {**LLAMA, **WIDE}, weights=weights), events.append)
    rows = {(row.name, row.phase): row for row in result.rows}
    assert abs(rows["weights", "resident"].error) <= 0.02, rows["weights", "resident"]
    assert abs(rows["tensors", "prefill"].error) <= 0.02, rows["tensors", "prefill"]
    assert rows["kv_cache", "decode"].error == 0
    said = "".join(event["text"] for event in events if event["event"] == "text")
    assert said == result.text
    assert len(result.text.split()) == 5
    loading = [each for each in events if each.get("what") == "loading"]
    assert loading[-1]["done"] == loading[-1]["total"] > 10
    assert {phase for phase, *_ in result.speeds} == {"prefill", "decode"}


@pytest.mark.usefixtures("_here")
def test_a_mixture_of_experts_runs(tmp_path: Path) -> None:
    result = execute(ready(tmp_path, {**MIXTRAL, **WIDE}))
    rows = {(row.name, row.phase): row for row in result.rows}
    assert rows["weights", "resident"].error == pytest.approx(0, abs=1e-4)


@pytest.mark.usefixtures("_here")
def test_layers_that_do_not_fit_are_read_from_the_disk(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    config = {**LLAMA, **WIDE, "num_hidden_layers": 48}
    whole = ready(tmp_path, config)
    size = whole.choice.plan.total - whole.choice.plan.term("weights") // 2
    room = Room(parse_machine(f"cpu-{size}B"), size, False)
    part = ready(tmp_path, config, room)
    assert "on disk" in part.choice.placement
    assert len(execute(part).text.split()) == 5


def test_the_real_minilm_goes_through_the_command(
    minilm_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real checkpoint, in a process of its own; an encoder answers with a vector."""
    path = tmp_path / "r.jsonl"
    words = ["run", str(minilm_folder), "--prompt", "A weighbridge weighs lorries", "--json"]
    assert main([*words, "--on", "cpu-2GiB", "--into", str(path)]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["text"].endswith("384 numbers")
    rows = {(row["name"], row["phase"]): row for row in out["beside"]}
    assert rows["weights", "resident"]["error"] == pytest.approx(0, abs=0.02)
    assert abs(rows["tensors", "prefill"]["error"]) <= 0.02
    assert out["needs"]["download_bytes"] == 0
    (record,) = read(path)
    assert record.point["input_tokens"] >= 6
    assert str(minilm_folder) not in record.line()


def test_the_written_program_runs_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = config_file(tmp_path, LLAMA)
    asked = ["run", name, "--prompt", 'Say "hi"', "--random-weights", "--max-new-tokens", "3"]
    assert main([*asked, "--on", "cpu-2GiB", "--emit"]) == 0
    program = capsys.readouterr().out
    assert "weighbridge" not in program.partition("import")[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          timeout=300, check=False, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tokens in" in done.stdout


def test_nothing_fits_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "llama-3.1-70b", "--prompt", "x", "--random-weights", "--on", "1GiB"]
    assert main(asked) == 1
    said = capsys.readouterr().err
    assert "needs" in said
    assert "try:" in said
    assert main([*asked, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["fits"] is False


def test_nothing_is_downloaded_unasked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Source("hub", "smollm2-135m", download=10**9, disk=10**9, commit="c" * 40)
    monkeypatch.setattr(session, "source_of", lambda *_, **__: source)
    monkeypatch.setattr(session, "fetch", lambda _: pytest.fail("it was downloaded"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main(["run", "smollm2-135m", "--prompt", "x", "--on", "cpu-2GiB"]) == 2
    said = capsys.readouterr().err
    assert "--yes" in said
    assert "download" in said.partition("weigh: error")[0]


def test_weights_that_could_run_code_are_not_loaded(tmp_path: Path) -> None:
    config_file(tmp_path, LLAMA)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    from weighbridge.errors import InputError

    with pytest.raises(InputError):
        prepare(Wanted(str(tmp_path), "x"), ROOM)
