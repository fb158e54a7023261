"""Each attack on a local service, refused: bodies, names, paths, pages of other sites, exhaustion.

The numbers are those of the list of threats in the project's design: T1 headers, T2 the Hub, T3
JSON, T4 shapes, T5 GGUF, T7 names in files, T8 requests forged through the server, T9 tokens, T10
code, T11 archives, T12 paths, T13 pages, T14 exhaustion, T16 injection, T18 terminals.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Live
from starlette.testclient import TestClient

from apart import run_apart
from weighbridge.serve.app import make_app
from weighbridge.serve.guard import SECURITY
from weighbridge.serve.settings import Settings

API = "/api/v1"
SMALL = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512,
}  # fmt: skip
SECRET = "hf_" + "s3cret" * 5


def post(client: TestClient, path: str, body: Any, **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return client.post(f"{API}/{path}", content=raw, headers=named)


def refused(found: Any, *statuses: int) -> dict[str, Any]:
    assert found.status_code in statuses, (found.status_code, found.text[:300])
    assert found.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = found.json()
    return problem


# T3: JSON that is a bomb, or means two things.
BODIES = {
    "depth": b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "digits": b'{"model": "7B", "context": ' + b"9" * 5_000 + b"}",
    "more digits": b'{"model": "7B", "kv_cache_memory": ' + b"9" * 4_000 + b"}",
    "duplicate": b'{"model": "7B", "model": "8B"}',
    "nan": b'{"model": "7B", "engine": "vllm", "gpu_memory_utilization": NaN}',
    "infinity": b'{"model": "7B", "engine": "vllm", "gpu_memory_utilization": 1e999}',
    "float": b'{"model": "7B", "context": 1e3}',
    "negative": b'{"model": "7B", "context": -5}',
    "truth": b'{"model": "7B", "context": true}',
    "array": b"[1, 2]",
    "text": b'"7B"',
    "empty": b"",
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "half a pair": b'{"model": "\\ud800"}',
    "NUL": b'{"model": "7B\\u0000"}',
    "long name": b'{"model": "' + b"a" * 100_000 + b'"}',
    "list for text": b'{"model": ["7B"]}',
    "object for text": b'{"model": "7B", "engine": {"a": 1}}',
    "deep option": b'{"model": "7B", "on": ' + b"[" * 900 + b"]" * 900 + b"}",
    "deep config": b'{"config": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    "XML": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_question_is_refused(client: TestClient, name: str) -> None:
    refused(post(client, "plan", BODIES[name]), 400, 422)


def test_bodies_are_bounded_while_they_arrive(client: TestClient, live: Live) -> None:
    refused(post(client, "plan", b'{"model":"' + b"a" * 2**20 + b'"}'), 413)
    with socket.create_connection(("127.0.0.1", live.port)) as wire:
        wire.sendall(
            b"POST /api/v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        try:
            for _ in range(64):  # four times the limit, if it were taken
                wire.sendall(piece)
        except OSError:
            pass
        assert b" 413 " in wire.recv(200)
    refused(post(client, "plan", b"{}", content_length="999999999999999999999"), 413)
    refused(post(client, "plan", b"\x1f\x8b", content_encoding="gzip"), 415)


def test_only_json_is_read_so_that_no_form_of_a_page_can_ask(client: TestClient) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        refused(post(client, "plan", {"model": "7B"}, content_type=media), 415)


# T4: tables of tensors that no safetensors file holds.
def row(**changes: Any) -> dict[str, Any]:
    return {"name": "a", "dtype": "BF16", "shape": [2, 2], **changes}


TABLES: dict[str, Any] = {
    "no tensors": [],
    "no list": {"a": 1},
    "no shape": [{"name": "a", "dtype": "BF16"}],
    "negative": [row(shape=[-1, 4])],
    "truth": [row(shape=[True, 4])],
    "float": [row(shape=[2.5])],
    "text": [row(shape="2,2")],
    "too long": [row(shape=[2**49])],
    "overflow": [row(shape=[2**40, 2**40])],
    "twice": [row(), row()],
    "unknown type": [row(dtype="F128")],
    "type of another kind": [row(dtype=7)],
    "half a byte": [row(dtype="F4", shape=[3])],
    "no name": [row(name="")],
    "name of another kind": [row(name=1)],
    "unprintable": [row(name="a\x1b[31m")],
    "long name": [row(name="a" * 600)],
    "deep": [row(shape=[[2]])],
    "many": [{"name": str(i), "dtype": "U8", "shape": [1]} for i in range(131_073)],
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_no_file_holds_is_refused(client: TestClient, name: str) -> None:
    sent = {"format": "safetensors", "config": SMALL, "tensors": TABLES[name]}
    refused(post(client, "headers", sent), 400, 422)


# T5: the same of GGUF.
GGUFS: dict[str, dict[str, Any]] = {
    "dimensions": {"tensors": [row(dtype="F32", shape=[1, 1, 1, 1, 1])]},
    "blocks": {"tensors": [row(dtype="Q4_K", shape=[2, 100])]},
    "overflow": {"tensors": [row(dtype="F32", shape=[2**40, 2**40])]},
    "removed type": {"tensors": [row(dtype="Q4_0_4_4", shape=[32])]},
    "nested": {"metadata": {"general.architecture": "llama", "a": [[1]]}},
    "object": {"metadata": {"general.architecture": "llama", "a": {"b": 1}}},
    "count": {"metadata": {"general.architecture": "llama", "a": {"count": 2**64}}},
    "null": {"metadata": {"general.architecture": None}},
    "no metadata": {"metadata": []},
    "large number": {"metadata": {"general.architecture": "llama", "a": 2**70}},
    "parts": {"metadata": {"general.architecture": "llama", "split.tensors.count": 9}},
    "unknown": {"metadata": {"general.architecture": "nonesuch"}},
    "blocks of a model": {
        "metadata": {"general.architecture": "llama", "llama.block_count": 2**40}
    },
}


@pytest.mark.parametrize("name", GGUFS)
def test_a_gguf_header_that_cannot_be_is_refused(client: TestClient, name: str) -> None:
    usual = {"metadata": {"general.architecture": "llama"},
             "tensors": [row(dtype="F32")]}  # fmt: skip
    refused(post(client, "headers", {"format": "gguf", **usual, **GGUFS[name]}), 400, 422)


CONFIGS: dict[str, dict[str, Any]] = {
    "layers": {"num_hidden_layers": 2**40},
    "width": {"hidden_size": 10**30},
    "negative": {"num_attention_heads": -4},
    "nothing": {"num_attention_heads": 0},
    "text": {"vocab_size": "many"},
    "infinite": {"hidden_size": float("inf")},
    "unknown": {"model_type": "nonesuch" * 50},
    "type": {"model_type": ["llama"]},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_no_model_has_is_refused(client: TestClient, name: str) -> None:
    refused(post(client, "plan", {"config": SMALL | CONFIGS[name], "on": "h100"}), 400, 422)


def test_code_that_a_config_names_is_never_run(client: TestClient, tmp_path: Path) -> None:
    """T10: the answer is that of the plain config."""
    mark = tmp_path / "mark"
    named = {"auto_map": {"AutoConfig": f"x--y.{mark}"}, "trust_remote_code": True,
             "_attn_implementation_internal": f"evil/{mark}"}  # fmt: skip
    plain = post(client, "plan", {"config": SMALL, "on": "h100"}).json()
    found = post(client, "plan", {"config": SMALL | named, "on": "h100"}).json()
    assert found["total_bytes"] == plain["total_bytes"]
    assert not mark.exists()


# T12: paths, which no server reads unless it was told to.
PATHS = ("/etc/passwd", "/etc/hostname", "../../etc/passwd", "~/.ssh/id_rsa", "~root", ".", "/",
         "/dev/zero", "/proc/self/environ", "file:///etc/passwd", "C:\\Windows\\win.ini",
         "\\\\host\\share\\config.json", "./config.json", "/nonexistent/config.json")  # fmt: skip
# T8: addresses, which no server follows.
ADDRESSES = ("http://169.254.169.254/latest/meta-data", "https://127.0.0.1:1/x", "//host/x",
             "hf:org/name", "hf:../../x", "org/name", "org/name@main", "org/name:Q4_K_M",
             "huggingface.co/org/name", "llama-3.1-8b+org/adapter", "ftp://h/x")  # fmt: skip


@pytest.mark.parametrize("name", [*PATHS, *ADDRESSES])
def test_a_model_is_no_path_and_no_address(client: TestClient, name: str) -> None:
    problem = refused(post(client, "plan", {"model": name}), 422)
    assert "root:" not in problem["detail"]
    if name.strip("/."):  # else the address is that of the table
        refused(client.get(f"{API}/models/{name.lstrip('/')}"), 404, 405, 422)
    asked = {"model": "llama-3.1-8b", "engine": "vllm", "on": "h100", "speculative_model": name}
    found = post(client, "plan", {**asked, "num_speculative_tokens": 2})
    assert found.status_code in {200, 422}
    assert "root:" not in found.text


def test_a_path_that_exists_is_no_other_than_one_that_does_not(client: TestClient) -> None:
    for there, absent in (("/etc/passwd", "/etc/nonesuch"), ("/usr", "/nsr"), ("/etc/", "/xyz/")):
        said = [post(client, "plan", {"model": path}).json()["detail"] for path in (there, absent)]
        assert said[0].replace(there, "") == said[1].replace(absent, "")
        read = [
            post(client, "launch/read", {"command": f"vllm serve {path}"}).json()["detail"]
            for path in (there, absent)
        ]
        assert read[0].replace(there, "") == read[1].replace(absent, "")


COMMANDS = (
    "vllm serve 7B --config /etc/passwd",
    "vllm serve /etc/passwd",
    "ollama create x -f /etc/passwd",
    "docker run --env-file /etc/passwd vllm/vllm-openai --model /etc/shadow",
    "llama-server -m /etc/passwd -ngl 99",
    "trtllm-serve 7B --extra_llm_api_options /etc/passwd",
    "llama-server -m /dev/zero",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_reads_no_file(client: TestClient, command: str) -> None:
    found = post(client, "launch/read", {"command": command})
    assert "root:" not in found.text
    refused(found, 422)


# T1, T2, T7, T10, T11: a root whose files are hostile.
@pytest.fixture(scope="module")
def rooted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    top = tmp_path_factory.mktemp("top")
    root = top / "root"
    good = root / "good"
    good.mkdir(parents=True)
    (good / "config.json").write_text(json.dumps(SMALL))
    (top / "outside.json").write_text(json.dumps(SMALL))
    (root / "link.json").symlink_to(top / "outside.json")
    (root / "up").symlink_to(top)
    linked = root / "linked"
    linked.mkdir()
    (linked / "config.json").symlink_to(top / "outside.json")
    os.mkfifo(root / "fifo.json")
    (root / "device.json").symlink_to("/dev/zero")
    (root / "length.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    (root / "zip.safetensors").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    (root / "array.gguf").write_bytes(b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 105)
    pickled = root / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text(json.dumps(SMALL))
    (pickled / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    mapped = root / "mapped"
    mapped.mkdir()
    (mapped / "config.json").write_text(json.dumps(SMALL))
    (mapped / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "../../../victim/private/resolve/main/model.safetensors"}})
    )
    adapter = root / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "/etc/passwd", "peft_type": "LORA", "r": 8})
    )
    (adapter / "adapter_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    made = make_app(Settings(workers=1, root=str(root)), log=False)
    with TestClient(made, base_url="http://127.0.0.1") as client:
        client.headers["x-root"] = str(root)
        yield client


def test_a_root_lets_paths_inside_it_be_named(rooted: TestClient) -> None:
    root = rooted.headers["x-root"]
    for name in ("good", "good/config.json", "./good", f"{root}/good", "pickled"):
        found = post(rooted, "plan", {"model": name})
        assert found.status_code == 200, found.text


@pytest.mark.parametrize(
    "name",
    ["link.json", "up/outside.json", "up", "linked", "fifo.json", "device.json", "mapped",
     "length.safetensors", "zip.safetensors", "array.gguf", "adapter", "../outside.json",
     "good/../../outside.json", "/etc/passwd", "~", ".."],
)  # fmt: skip
def test_what_leads_out_of_the_root_or_is_hostile_is_refused(rooted: TestClient, name: str) -> None:
    began = time.monotonic()
    problem = refused(post(rooted, "plan", {"model": name}), 422)
    assert time.monotonic() - began < 5
    assert "outside.json does" not in problem["detail"]


# T2, T8: a Hub that lies, or leads elsewhere.
def test_the_hub_is_asked_at_its_endpoint_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    asked: list[bytes] = []
    hub = socket.create_server(("127.0.0.1", 0))

    def lie() -> None:
        while True:
            try:
                wire, _ = hub.accept()
            except OSError:
                return
            with wire:
                asked.append(wire.recv(65_536))
                to = "http://169.254.169.254/latest/meta-data/iam"
                wire.sendall(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n"
                             "Connection: close\r\n\r\n".encode())  # fmt: skip

    threading.Thread(target=lie, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    app = make_app(Settings(workers=1, hub=True), log=False)
    with TestClient(app, base_url="http://127.0.0.1") as client, hub:
        found = post(client, "plan", {"model": "org/name"})
        assert "inside this network" in refused(found, 422)["detail"]
        assert SECRET not in found.text
        assert asked
        so_far = len(asked)
        for name in ("http://127.0.0.1/x", "hf:../../x", "org/../x", "org/name@../x"):
            refused(post(client, "plan", {"model": name}), 422)
        assert len(asked) == so_far


def test_a_token_reaches_no_worker_and_no_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with TestClient(make_app(Settings(workers=1)), base_url="http://127.0.0.1") as client:
        said = [
            post(client, "plan", {"model": "org/name"}).text,
            client.get("/metrics").text,
            client.get("/openapi.json").text,
            post(client, "launch/read", {"command": f"HF_TOKEN={SECRET} vllm serve 7B"}).text,
        ]
        post(client, "plan", {"model": SECRET})
    logged = capfd.readouterr().err
    assert not [text for text in [*said[:3], logged] if SECRET in text]


# T13: pages of other sites, and names that were made to lead here.
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "",
             "localhost@evil.example", "localhost/evil", "[::1", "10.0.0.1", "0.0.0.0", "a b"]
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/metrics", f"{API}/plan?model=7B"):
        refused(client.get(path, headers={"host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:9", "LOCALHOST:8080"])
def test_names_of_this_machine_are_ours(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
     {"origin": "http://localhost"}, {"sec-fetch-site": "cross-site"},
     {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "x"},
     {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}],
)  # fmt: skip
def test_a_page_of_another_site_may_not_ask(client: TestClient, headers: dict[str, str]) -> None:
    refused(client.get(f"{API}/plan?model=7B", headers=headers), 403)
    refused(post(client, "plan", {"model": "7B"}, **headers), 403)


def test_our_page_may_ask_and_a_link_may_lead_to_it(client: TestClient) -> None:
    ours = {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}
    assert post(client, "plan", {"model": "7B"}, **ours).status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code in {200, 404}


def test_every_answer_has_the_headers_of_security(client: TestClient) -> None:
    answers = [
        client.get("/"), client.get("/nope"), client.get(f"{API}/plan?model=7B"),
        client.get("/", headers={"host": "evil"}), client.options(f"{API}/plan"),
        post(client, "plan", b"["), client.get("/healthz"),
    ]  # fmt: skip
    for answer in answers:
        for name, value in SECURITY.items():
            assert answer.headers[name] == value, (answer.url, name)
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] in {"no-store", "no-cache"}
    assert "unsafe" not in SECURITY["content-security-policy"]
    assert "http" not in SECURITY["content-security-policy"]


def test_markup_in_a_name_stays_text(client: TestClient) -> None:
    name = "<img src=x onerror=alert(1)>"
    found = post(client, "plan", {"config": SMALL, "model": name})
    assert found.headers["content-type"] == "application/json"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.json()["model"]["id"] == name


# T16, T18: names that would be commands, or would draw on a terminal.
def test_a_name_cannot_become_a_command(client: TestClient, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for evil in (
        f"$(touch {mark})",
        f"`touch {mark}`",
        f"x; touch {mark}",
        f"x' && touch {mark} '",
    ):
        for target in ("vllm", "sglang", "docker", "transformers"):
            asked = {"config": SMALL, "model": evil, "on": "h100", "target": target}
            text = post(client, "launch/write", asked).json()["text"]
            if target != "transformers":
                programs = ("vllm", "python", "python3", "docker", "sglang")
                shell = "\n".join([*(f"{name}() {{ :; }}" for name in programs), text])
                subprocess.run(["sh", "-c", shell], check=False, capture_output=True, cwd=tmp_path)
            else:
                compile(text, "emitted", "exec")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["a\x1b]0;x\x07", "a\nb", "a\u202eb", "\u2066", "a" * 201, " "])
def test_a_name_that_cannot_be_printed_is_refused(client: TestClient, name: str) -> None:
    refused(post(client, "plan", {"config": SMALL, "model": name}), 422)


# T14: exhaustion.
HEAVY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sweep", {"model": "7B", "context": list(range(1, 1001)), "concurrency": list(range(1, 100))}),
    ("sweep", {"model": "7B", "context": [2**40]}),
    ("sweep", {"model": "7B", "context": [1] * 50_000}),
    ("plan", {"model": "7B", "on": "1000000xH100"}),
    ("plan", {"model": "7B", "on": "H100," * 5_000}),
    ("plan", {"model": "7B", "concurrency": 10**12}),
    ("train", {"model": "7B", "micro_batch": 10**18}),
    ("plan", {"model": "llama-3.1-8b", "engine": "vllm", "on": "h100", "tp": 10**9}),
    ("train", {"model": "llama-3.1-8b", "dp": 10**9, "tp": 10**9}),
)


@pytest.mark.parametrize(("route", "body"), HEAVY)
def test_too_much_is_refused_at_once(client: TestClient, route: str, body: dict[str, Any]) -> None:
    began = time.monotonic()
    refused(post(client, route, body), 422)
    assert time.monotonic() - began < 5


def test_an_answer_that_takes_too_long_is_cut_off_and_the_next_is_answered() -> None:
    settings = Settings(workers=1, seconds=0.3)
    slow = {"model": "deepseek-v3", "engine": "llama.cpp", "on": "8xh100"}
    with TestClient(make_app(settings, log=False), base_url="http://127.0.0.1") as client:
        problem = refused(post(client, "fit", slow), 504)
        assert "0.3 s" in problem["detail"]
        assert post(client, "plan", {"model": "7B"}).status_code == 200


def test_more_than_may_wait_are_sent_away() -> None:
    settings = Settings(workers=1, waiting=1, seconds=1.5, wait_seconds=0.2)
    slow = {"model": "deepseek-v3", "engine": "llama.cpp", "on": "8xh100"}
    found: list[int] = []
    with TestClient(make_app(settings, log=False), base_url="http://127.0.0.1") as client:

        def ask() -> None:
            answer = post(client, "fit", slow)
            found.append(answer.status_code)
            if answer.status_code == 503:
                assert answer.headers["retry-after"]

        askers = [threading.Thread(target=ask) for _ in range(5)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert 503 in found
    assert set(found) <= {503, 504}


def test_an_answer_that_is_too_large_is_refused() -> None:
    settings = Settings(workers=1, answer_bytes=5_000)
    with TestClient(make_app(settings, log=False), base_url="http://127.0.0.1") as client:
        refused(post(client, "plan", {"model": "7B", "on": "64xh100"}), 422)


def test_a_body_that_drips_is_cut_off() -> None:
    settings = Settings(workers=1, body_seconds=0.3)
    app = make_app(settings, log=False)
    sent: list[Any] = []

    async def drip() -> Any:

        await asyncio.sleep(0.2)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": f"{API}/plan", "raw_path": b"", "headers": [
            (b"host", b"localhost"), (b"content-type", b"application/json")],
        "query_string": b"", "scheme": "http", "server": ("127.0.0.1", 80), "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip
    run_apart(app(scope, drip, send))
    assert sent[0]["status"] == 408


LOCKED = """
import socket, subprocess, sys
from weighbridge.serve.worker import lock_down
lock_down(memory=2**30, hub=False)
def tried(what):
    try:
        what()
    except PermissionError:
        return "PermissionError"
    except MemoryError:
        return "MemoryError"
    return "done"
print(tried(lambda: bytearray(2**31)),
      tried(lambda: socket.create_connection(("127.0.0.1", 9))),
      tried(lambda: socket.getaddrinfo("example.com", 80)),
      tried(lambda: subprocess.Popen(["true"])),
      tried(lambda: open(sys.argv[1], "w")),
      tried(lambda: open("/etc/hostname").close()),
      tried(lambda: open(socket.__file__).close()))
"""


def test_a_worker_can_do_no_more_than_answer(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", LOCKED, str(tmp_path / "file")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    refusals = ["MemoryError", *["PermissionError"] * 5, "done"]
    assert found.stdout.split() == refusals
    assert not (tmp_path / "file").exists()


def test_what_was_sent_is_kept_within_bounds() -> None:
    from weighbridge.serve.store import Store

    store = Store(most_bytes=100, seconds=60)
    handles = [store.handle(bytes([i]) * 40) for i in range(3)]
    for i, handle in enumerate(handles):
        store.keep(handle, bytes([i]) * 40)
    assert [store.find(handle) is not None for handle in handles] == [False, True, True]
    assert store.bytes == 80
    store.seconds = -1
    assert store.find(handles[2]) is None
    assert store.bytes == 0
