"""The store: nothing lost, nothing doubled, nothing half-written, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from measure import postgres
from measure.stored import measurement
from weighbridge.cli import main
from weighbridge.errors import StoreError
from weighbridge.measure.observation import Observation
from weighbridge.measure.store import append, keep, open_store, schema
from weighbridge.measure.store.files import read_files
from weighbridge.measure.store.rows import row_of

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
LLAMA_BENCH = [
    {"build_commit": "0c1e570", "gpu_info": "NVIDIA A10", "model_filename": "m.gguf",
     "model_type": "llama 8B Q4_K", "n_prompt": 512, "n_gen": 0, "n_depth": 0, "avg_ts": 3210.5},
    {"n_prompt": 0, "n_gen": 128, "n_depth": 0, "avg_ts": 88.25},
]  # fmt: skip
VLLM_BENCH = {
    "model_id": "meta-llama/Llama-3.1-8B", "num_prompts": 10, "completed": 10, "max_concurrency": 4,
    "total_input_tokens": 1000, "total_output_tokens": 500, "mean_ttft_ms": 51.25,
    "mean_tpot_ms": 9.125,
}  # fmt: skip


def log(number: int) -> dict[str, Any]:
    seen = Observation("vllm", "0.11.0", f"org/model-{number}", cards=("NVIDIA A10",), tokens=5)
    return {"schema": 1, "kind": "log", **seen.to_dict(), "note": "ü\u2028\x00\U0001f600"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    why = postgres.missing()
    if why:
        pytest.skip(why)
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "sqlalchemy"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store: a file, a schema of a server, and SQLAlchemy with the words of any."""
    if request.param == "sqlite":
        return str(tmp_path / "new" / "store.db")
    if request.param == "sqlalchemy":
        return f"sqlite+pysqlite:///{tmp_path / 'other.db'}"
    import psycopg

    url: str = request.getfixturevalue("server")
    name = f"s{time.monotonic_ns()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}?options=-csearch_path%3D{name}"


@pytest.fixture
def durable(place: str) -> str:
    """The same without SQLAlchemy's SQLite, whose file is that of the first."""
    if place.startswith("sqlite+"):
        pytest.skip("the same file format as SQLite's, and its tables are in no transaction")
    return place


def texts(place: str) -> list[str]:
    with open_store(place) as store:
        return [kept.row.text for kept in store.rows()]


def write_lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "utf-8")
    return str(path)


def test_what_goes_in_comes_out_and_goes_in_once(place: str) -> None:
    records = [measurement(1), measurement(2), log(1)]
    assert keep(records, place) == (3, 0)
    assert keep([*records, measurement(3), measurement(3)], place) == (1, 4)
    with open_store(place) as store:
        rows = store.rows()
        assert store.version == len(schema.STEPS)
    assert [kept.row.record for kept in rows] == [log(1), *map(measurement, (1, 2, 3))]
    shown = rows[-1].row
    assert (shown.kind, shown.model, shown.card) == ("measurement", "llama-3.2-1b", "NVIDIA A10")
    assert shown.engine == "transformers==5.23.0"


def test_lines_round_trip_byte_for_byte(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_lines(tmp_path / "a.jsonl", [measurement(i) for i in range(7)])
    with open(source, "a", encoding="utf-8") as file:  # another spelling of the same JSON
        file.write(json.dumps(measurement(8), sort_keys=True, separators=(",", ":")) + "\n")
    assert main(["store", "import", source, "--store", place]) == 0
    out = tmp_path / "b.jsonl"
    assert main(["store", "export", "--store", place, "--out", str(out)]) == 0
    assert out.read_bytes() == Path(source).read_bytes()
    capsys.readouterr()
    assert main(["store", "export", "--store", place]) == 0
    assert capsys.readouterr().out.encode() == out.read_bytes()


def test_a_folder_of_files_round_trips(place: str, tmp_path: Path) -> None:
    from_files = tmp_path / "in"
    from_files.mkdir()
    (from_files / "llama.json").write_text(json.dumps(LLAMA_BENCH))
    (from_files / "vllm.json").write_text(json.dumps(VLLM_BENCH, indent=3) + "\n")
    write_lines(from_files / "mixed.jsonl", [measurement(1), log(1)])
    assert main(["store", "import", str(from_files), "--store", place]) == 0
    out = tmp_path / "measurements"
    out.mkdir()
    assert main(["store", "export", "--store", place, "--out", str(out)]) == 0
    names = {"measurements.jsonl", "logs.jsonl", "benchmarks.jsonl"}
    assert {path.name for path in out.iterdir()} == names
    other = str(tmp_path / "second.db")
    assert keep([], other) == (0, 0)
    assert main(["store", "import", str(out), str(from_files), "--store", other]) == 0
    assert sorted(texts(other)) == sorted(texts(place))
    with open_store(other) as store:
        kept = {each.row.engine: each.row for each in store.rows("benchmark")}
    assert kept["vllm bench serve"].record["content"] == json.dumps(VLLM_BENCH, indent=3) + "\n"
    assert kept["llama-bench"].card == "NVIDIA A10"


BAD = [
    ('{"schema": 1, "kind": "log"', "not JSON"),
    ('{"schema": 1, "kind": "log", "engine": 5}', "engine is no text"),
    ('{"schema": 2, "kind": "log"}', "its schema is 2"),
    ('{"schema": true, "kind": "log"}', "its schema is True"),
    ('{"schema": 1, "kind": "dream"}', "its kind is none of"),
    ('{"schema": 1, "kind": "log", "kind": "log"}', "appears twice"),
    ('{"schema": 1, "kind": "measurement", "seconds": NaN}', "no number of JSON"),
    ('{"schema": 1, "kind": "measurement"}', "lacks or mistypes"),
    ("[" * 100_000, "nested too deeply"),
    ("[]", "a record is an object"),
]


@pytest.mark.parametrize(("line", "said"), BAD, ids=[each[1] for each in BAD])
def test_a_bad_row_is_refused_with_its_line(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "store.db")
    good = write_lines(tmp_path / "good.jsonl", [measurement(1)])
    bad = tmp_path / "bad.jsonl"
    whole = json.dumps(measurement(2))
    bad.write_text(f"{whole}\n\n{line}\n{whole}\n")
    assert main(["store", "import", good, str(bad), "--store", place]) == 2
    told = capsys.readouterr().err
    assert f"line 3 of {bad}" in told
    assert said in told
    assert told.count("\n") == 1
    assert texts(place) == []


def test_bounds_and_names_of_a_logs_terms_are_checked() -> None:
    term = {"name": "weights", "device": 0, "low": 5, "bytes": 4, "high": 6}
    for change, said in (
        ({}, "do not hold"), ({"name": "wates"}, "no ledger"), ({"bytes": 4.0}, "whole number"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match=said):
            row_of({**log(1), "terms": [{**term, **change}]}, "x")


@pytest.mark.parametrize("content", ["", "hello", "{}", "a,b\n1,2\n", "\x00", "[1, 2]"])
def test_what_is_no_benchmark_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(StoreError):
        read_files([str(file)])


def test_a_torn_last_line_is_told_apart_and_the_next_writer_cuts_it(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    seen = Observation("vllm", "0.11.0", "org/model")
    append(str(file), seen)
    with file.open("a") as torn:
        torn.write('{"schema": 1, "kind": "lo')
    with pytest.raises(StoreError, match=r"line 2 .*its writer was stopped"):
        read_files([str(file)])
    append(str(file), seen, note=1)
    assert [row.record.get("note") for row in read_files([str(file)])] == [None, 1]


def writer(place: str, first: int, count: int) -> subprocess.Popen[str]:
    program = [sys.executable, str(Path(__file__).with_name("stored.py"))]
    return subprocess.Popen(
        [*program, place, str(first), str(count)], env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip


def numbers(place: str) -> list[int]:
    return sorted(json.loads(text)["point"]["batch"] for text in texts(place))


def test_writers_side_by_side_lose_nothing(durable: str) -> None:
    running = [writer(durable, 100 * each, 8) for each in range(3)]
    for each in running:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0, said
    assert numbers(durable) == sorted([-1, *(100 * a + b for a in range(3) for b in range(8))])


def test_a_killed_writer_loses_nothing_that_it_said_was_kept(durable: str) -> None:
    said: set[int] = set()
    for trial in range(3):
        running = writer(durable, 1000 * trial, 1000)
        assert running.stdout is not None
        said.add(int(running.stdout.readline()))
        time.sleep(random.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)
        said |= {int(line) for line in running.communicate()[0].split()}
    found = numbers(durable)
    assert len(found) == len(set(found))
    assert said <= set(found)
    # At most one row of each writer was on its way when the kill came.
    assert len(set(found) - said - {-1}) <= 3
    assert keep([measurement(number) for number in said], durable).new == 0


def test_a_killed_writer_of_lines_loses_and_doubles_nothing(tmp_path: Path) -> None:
    file, said = str(tmp_path / "logs.jsonl"), set[int]()
    for trial in range(3):
        pair = [writer(file, 10_000 * (2 * trial + n), 10_000) for n in range(2)]
        for running in pair:
            assert running.stdout is not None
            said.add(int(running.stdout.readline()))
        time.sleep(random.uniform(0, 0.05))
        for running in pair:
            running.send_signal(signal.SIGKILL)
            said |= {int(line) for line in running.communicate()[0].split()}
    append(file, Observation("vllm", "0.11.0", "org/model"), number=-1)
    found = [row.record["number"] for row in read_files([file])]
    assert len(found) == len(set(found))
    assert said <= set(found)


def test_a_killed_import_keeps_all_or_nothing(durable: str, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "many.jsonl", [measurement(i) for i in range(2000)])
    command = [sys.executable, "-m", "weighbridge", "store", "import", source, "--store", durable]
    keep([], durable)
    seen = set()
    for wait in (random.uniform(0.15, 0.35), random.uniform(0.35, 0.6)):
        running = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        time.sleep(wait)
        running.send_signal(signal.SIGKILL)
        running.wait()
        seen.add(len(numbers(durable)))
    assert seen <= {0, 2000}
    subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    assert numbers(durable) == [*range(2000)]


def test_an_older_store_is_brought_up_and_a_newer_one_refused(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep([measurement(1)], place)
    further = ("ALTER TABLE records ADD COLUMN remark VARCHAR(9)",)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, further))
        with open_store(place) as store:
            assert store.version == 2
            assert len(store.rows()) == 1
    with pytest.raises(StoreError, match="newer weighbridge"):
        open_store(place)


def test_a_step_that_fails_leaves_the_version_before(
    durable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep([measurement(1)], durable)
    with monkeypatch.context() as patch:
        bad = ("CREATE TABLE half (a INTEGER)", "ALTER TABLE nowhere ADD COLUMN a INTEGER")
        patch.setattr(schema, "STEPS", (*schema.STEPS, bad))
        with pytest.raises(StoreError):
            open_store(durable)
    with open_store(durable) as store:
        assert store.version == 1
        assert store._base is not None
        with pytest.raises(store._base.errors):
            store._base.query("SELECT a FROM half")


def test_stores_that_cannot_be_used_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "text.db"
    file.write_text("no database at all" * 100)
    secret = "postgresql://me:hunter2@127.0.0.1:9/none"
    for place in (str(file), str(tmp_path), secret, "nosuch://host/x", "://"):
        assert main(["store", "list", "--store", place]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert "hunter2" not in told
        assert "Traceback" not in told


def test_a_store_that_is_not_there_is_empty_and_stays_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "none.db"
    assert main(["store", "list", "--store", str(place)]) == 0
    assert "empty" in capsys.readouterr().err
    assert main(["store", "export", "--store", str(place)]) == 0
    assert not place.exists()


def test_the_default_store_is_where_data_of_users_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEIGHBRIDGE_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert keep([measurement(1)]).new == 1
    place = tmp_path / "weighbridge" / "store.db"
    assert sqlite3.connect(place).execute("SELECT COUNT(*) FROM records").fetchone() == (1,)
    monkeypatch.setenv("WEIGHBRIDGE_STORE", str(tmp_path / "named.db"))
    assert keep([measurement(1)]).new == 1


def test_weigh_log_keeps_its_observation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, place = tmp_path / "vllm.log", str(tmp_path / "s.db")
    file.write_text("Model loading took 14.9889 GiB and 3.65 seconds")
    for _ in range(2):
        assert main(["log", str(file), "--store", place]) == 0
    with open_store(place) as store:
        (kept,) = store.rows("log")
    assert kept.row.record["terms"][0]["name"] == "weights"
    assert kept.row.source == "vllm.log"
