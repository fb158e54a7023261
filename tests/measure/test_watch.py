"""Watching: a real process, a real server on loopback, and answers that lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from weighbridge.cli import main
from weighbridge.errors import WatchError
from weighbridge.hardware.detect_gpu import Gpu, GpuProcess
from weighbridge.measure.watch import process, scrape, sight
from weighbridge.measure.watch.prometheus import parse, served
from weighbridge.units import GIB, MIB

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")

# Names, types and labels as vLLM documents them (usage/metrics, v1/metrics/loggers.py).
VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 3.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 1.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 0.125
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} %d
# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_gpu_blocks="27127"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 12.0
"""
SGLANG = """\
sglang:token_usage{model_name="meta-llama/Llama-3.1-8B-Instruct"} 0.28
sglang:num_running_reqs{model_name="meta-llama/Llama-3.1-8B-Instruct"} 161.0
sglang:num_queue_reqs{model_name="meta-llama/Llama-3.1-8B-Instruct"} 2826.0
sglang:generation_tokens_total{model_name="meta-llama/Llama-3.1-8B-Instruct"} 7.557572e+06
"""
LLAMA = """\
llamacpp:tokens_predicted_total 4242
llamacpp:kv_cache_usage_ratio 0.5
llamacpp:requests_processing 1
llamacpp:requests_deferred 2
"""


class Handler(BaseHTTPRequestHandler):
    body: ClassVar[bytes] = b""
    status: ClassVar[int] = 200
    drip: ClassVar[float] = 0.0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/metrics")
        self.end_headers()
        if self.drip:
            for _ in range(200):
                self.wfile.write(b"x 1\n")
                self.wfile.flush()
                time.sleep(self.drip)
        self.wfile.write(self.body.replace(b"%d", str(1000 * len(self.asked)).encode()))

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, type[Handler]]]:
    class Own(Handler):
        asked: ClassVar[list[str]] = []

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", Own
    listening.shutdown()
    listening.server_close()


def test_metrics_of_engines_are_read() -> None:
    vllm = served(parse(VLLM % 5000))
    assert vllm is not None
    assert (vllm.engine, vllm.model) == ("vllm", "meta-llama/Llama-3.1-8B-Instruct")
    assert vllm.cache_tokens == 16 * 27127
    assert (vllm.cache_share, vllm.running, vllm.waiting, vllm.generated) == (0.125, 3, 1, 5000)
    sglang, llama = served(parse(SGLANG)), served(parse(LLAMA))
    assert sglang is not None
    assert (sglang.engine, sglang.cache_share, sglang.running) == ("sglang", 0.28, 161)
    assert llama is not None
    assert (llama.engine, llama.running, llama.generated) == ("llama.cpp", 1, 4242)
    assert served(parse("go_goroutines 5\nvllm_not 3\n")) is None


def test_engines_behind_one_port_are_added_up() -> None:
    two = (VLLM % 10) + (VLLM % 30).replace('engine="0"', 'engine="1"').replace("0.125", "0.375")
    found = served(parse(two))
    assert found is not None
    assert (found.running, found.generated, found.cache_share) == (6, 40, 0.25)
    assert found.cache_tokens == 2 * 16 * 27127


@pytest.mark.parametrize(
    "text",
    ["", "\x00\xff", "a{b=\"", "a{b=\"c\"} x", "a 1 2 3 4", "{} 1", "vllm:num_requests_running NaN",
     'vllm:cache_config_info{num_gpu_blocks="None",block_size="16"} 1', "#" * 10**5, "a" * 10**5,
     'a{' + 'b="c",' * 50_000 + '} 1', 'a{b="' + "\\" * 50_001 + '"} 1'],
)  # fmt: skip
def test_odd_answers_are_no_trouble(text: str) -> None:
    started = time.monotonic()
    found = served(parse(text))
    assert found is None or (found.running is None and found.cache_tokens is None)
    assert time.monotonic() - started < 2


def test_a_server_is_watched_beside_the_plan_that_it_names(
    server: tuple[str, type[Handler]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, handler = server
    handler.body = VLLM.encode()
    arguments = ["watch", "--engine-url", f"{url}/v1", "--once", "--on", "h100", "--json"]
    assert main([*arguments, "llama-3.1-8b", "--engine", "vllm==0.32.0"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert handler.asked == ["/metrics"]
    assert made["plan"]["engine"] == "vllm==0.32.0"
    seen = {line["name"]: line for line in made["seen"]}
    assert seen["tokens of cache"]["seen"] == 434_032
    assert seen["tokens of cache"]["predicted"] > 100_000
    assert seen["cache in use"]["seen"] == 0.125
    assert seen["sequences running"]["seen"] == 3


def test_rates_need_two_looks(server: tuple[str, type[Handler]]) -> None:
    url, handler = server
    handler.body = VLLM.encode()
    first = sight.look(None, url)
    second = sight.look(None, url)._replace(at=first.at + 2)
    (rate,) = [x for x in sight.lines(second, first, None) if x.name == "tokens generated"]
    assert rate.seen == 500
    assert not [x for x in sight.lines(first, second, None) if x.name == "tokens generated"]


def test_servers_that_cannot_be_read_are_one_sentence(
    server: tuple[str, type[Handler]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, handler = server
    for status in (404, 302):
        handler.status = status
        assert main(["watch", "--engine-url", url, "--once"]) == 2
        assert f"status {status}" in capsys.readouterr().err
    handler.status, handler.drip = 200, 0.02
    with pytest.raises(WatchError, match="did not end"):
        scrape.scrape(url, seconds=0.2)
    handler.drip, handler.body = 0.0, b"x" * 5000
    monkeypatch.setattr(scrape, "LARGEST", 4000)
    with pytest.raises(WatchError, match="sends more"):
        scrape.scrape(url)
    for bad in ("http://127.0.0.1:9", "ftp://x", "http://", "http://h:port", "file:///etc/passwd"):
        assert main(["watch", "--engine-url", bad, "--once"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


HOLDER = """
import subprocess, sys, time
held = bytearray(64 << 20)
child = subprocess.Popen([sys.executable, "-c",
                          "import time; held = bytearray(32 << 20); print(1, flush=True);"
                          "time.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder() -> Iterator[tuple[int, int]]:
    """A process that holds 64 MiB, and its child that holds 32."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        child = int(running.stdout.readline())
        yield running.pid, child
        os.kill(child, 9)
        running.kill()


@linux
def test_a_process_and_its_children_are_added_up(holder: tuple[int, int]) -> None:
    pid, child = holder
    found = process.held(pid)
    assert set(found.pids) == {pid, child}
    assert 96 * MIB <= found.own <= 140 * MIB
    assert found.peak >= found.own


@linux
def test_the_watch_of_a_process_ends_with_it(
    holder: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    pid, _ = holder
    threading.Timer(1.0, os.kill, (pid, 9)).start()
    assert main(["watch", str(pid), "--json", "--interval", "0.1"]) == 0
    out, err = capsys.readouterr()
    looks = [json.loads(line) for line in out.splitlines()]
    assert len(looks) >= 2
    assert looks[0]["seen"][0]["name"] == "host memory"
    assert "starts no engine" in looks[0]["why"]
    assert f"process {pid} has ended" in err


@linux
def test_the_plan_is_read_from_the_launch_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "vllm"
    program.write_text("import time\nprint(1, flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, str(program), "serve", "meta-llama/Llama-3.1-8B",
               "--max-model-len", "4096", "--gpu-memory-utilization", "0.8"]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "SECRET_TOKEN": "hush"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        running.stdout.readline()
        words, variables = process.command_of(running.pid)
        assert words[:2] == ["vllm", "serve"]
        assert not set(variables) & {"SECRET_TOKEN"}
        assert main(["watch", str(running.pid), "--on", "h100", "--once", "--json"]) == 0
        running.kill()
    made = json.loads(capsys.readouterr().out)
    assert made["plan"]["model"].lower().endswith("llama-3.1-8b")
    assert made["plan"]["engine"].startswith("vllm==")
    assert made["plan"]["total_bytes"] < 68 * GIB


def test_memory_of_the_cards_that_the_process_holds_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import weighbridge as wb

    plan = wb.plan("llama-3.1-8b", on="h100", engine="vllm==0.32.0")
    mine = (GpuProcess(7, plan.devices[0].high + 1), GpuProcess(99, GIB))
    gpus = (Gpu(0, "NVIDIA", "A", "NVML", processes=(GpuProcess(99, GIB),)),
            Gpu(1, "NVIDIA", "B", "NVML", processes=mine))  # fmt: skip
    now = sight.Look(0.0, process.Held((7,), 1, 2, 3), gpus)
    found = sight.lines(now, None, plan)
    assert found[0].name == "B 1"
    assert found[0].predicted == plan.devices[0].total
    assert found[0].over
    assert not any(line.name == "A 0" for line in found)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a process"),
        (["4194305", "--once"], "no process 4194305"),
        (["1", "gpt2", "more"], "one name too many"),
        (["1", "--interval", "0"], "--interval"),
    ],
)
@linux
def test_bad_requests_are_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
