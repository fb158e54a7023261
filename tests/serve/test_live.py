"""The server as a process: progress, cancelling, clients that go away, what is logged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from serving import Live

from weighbridge.cli import main

SLOW = {"model": "deepseek-v3", "engine": "llama.cpp", "on": "8xh100"}
JSON = {"content-type": "application/json"}


def until(what: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_work_streams_as_lines_and_as_events(live: Live) -> None:
    body = {"model": "llama-3.1-8b", "on": "h100"}
    whole = json.loads(live.ask("POST", "/api/v1/plan", body)[2])
    _, headers, raw = live.ask("POST", "/api/v1/plan", body, accept="application/x-ndjson")
    lines = [json.loads(line) for line in raw.splitlines()]
    assert headers["content-type"].startswith("application/x-ndjson")
    assert [line["event"] for line in lines] == ["job", "result"]
    assert lines[1]["result"] == whole
    raw = live.ask("POST", "/api/v1/plan", body, accept="text/event-stream")[2]
    events = [event.split("\n") for event in raw.decode().strip().split("\n\n")]
    assert [event[0] for event in events] == ["event: job", "event: result"]
    assert json.loads(events[1][1].removeprefix("data: "))["result"] == whole
    raw = live.ask("POST", "/api/v1/plan", {}, accept="application/x-ndjson")[2]
    assert json.loads(raw.splitlines()[-1])["problem"]["status"] == 422


def test_work_that_streams_can_be_cancelled(live: Live) -> None:
    until(lambda: live.metric("workers_busy") == 0)
    connection = live.connect()
    connection.request(
        "POST", "/api/v1/fit", json.dumps(SLOW), {**JSON, "accept": "application/x-ndjson"}
    )
    answer = connection.getresponse()
    job = json.loads(answer.readline())["id"]
    until(lambda: live.metric("workers_busy") >= 1)
    ended = live.metric("workers_ended")
    assert live.ask("DELETE", f"/api/v1/jobs/{job}")[0] == 204
    last = json.loads(answer.read().splitlines()[-1])
    assert last["problem"]["detail"] == "the work was ended, as it was asked"
    until(lambda: live.metric("workers_ended") == ended + 1)
    assert live.ask("DELETE", f"/api/v1/jobs/{job}")[0] == 404


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_work_ends_where_the_client_goes_away(live: Live, accept: str) -> None:
    until(lambda: live.metric("workers_busy") == 0)
    ended = live.metric("workers_ended")
    connection = live.connect()
    connection.request("POST", "/api/v1/fit", json.dumps(SLOW), {**JSON, "accept": accept})
    until(lambda: live.metric("workers_busy") >= 1)
    connection.sock.close()
    until(lambda: live.metric("workers_ended") == ended + 1)
    assert live.ask("GET", "/api/v1/plan?model=7B")[0] == 200


def test_the_log_is_lines_of_json_without_what_was_asked(live: Live) -> None:
    name = "a-name-that-nobody-else-asks-for"
    live.ask("POST", "/api/v1/plan", {"model": name})
    live.ask("GET", f"/api/v1/plan?model={name}")
    live.ask("GET", f"/api/v1/models/{name}")
    live.ask("GET", f"/{name}")
    until(lambda: any('"/api/v1/models/{name:path}"' in line for line in live.log))
    until(lambda: any('"route": "-"' in line for line in live.log))
    lines = [json.loads(line) for line in live.log]
    assert {"time", "event", "id", "route", "method", "status", "milliseconds"} <= set(lines[-1])
    assert not any(name in line for line in live.log)


def test_a_header_reaches_every_worker(live: Live) -> None:
    """A handle is made by one worker and asked of all of them, at once."""
    from concurrent.futures import ThreadPoolExecutor

    from weighbridge.model import catalog

    row = catalog.find("qwen3-8b")
    assert row is not None
    sent = {"format": "config", "config": dict(row.config), "name": "dropped"}
    handle = json.loads(live.ask("POST", "/api/v1/headers", sent)[2])["model"]

    def ask(_: int) -> Any:
        return json.loads(live.ask("POST", "/api/v1/plan", {"model": handle, "on": "h100"})[2])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(16)))
    assert {plan["total_bytes"] for plan in found} == {found[0]["total_bytes"]}
    assert found[0]["model"]["id"] == "dropped"


def test_what_cannot_be_served_is_one_sentence(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["--port", str(live.port)], "cannot be listened on"),
        (["--port", "70000"], "--port is 0 to 65535"),
        (["--root", "/nonexistent"], "is no folder"),
        (["--workers", "0"], "--workers is 1 to 256"),
        (["--seconds", "0"], "at least 1"),
    ):
        assert main(["serve", *arguments]) == 2
        written = capsys.readouterr().err
        assert said in written
        assert written.count("\n") == 1


def test_without_the_extra_the_command_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['fastapi'] = None\n"
        "from weighbridge.cli import main; sys.exit(main(['serve']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "pip install 'weighbridge[serve]'" in found.stderr
