"""A Hub that lies: each lie ends in one of our errors, soon and without much memory."""

from __future__ import annotations

import gzip
import json
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from hostile.headers import GOOD, HEADERS, packed
from hostile.indexes import INDEXES, SHARD
from model.hub_server import COMMIT, REPO, TOKEN, Answer, Handler, Part, prepare, serving
from model.test_hub import CONFIG, repository
from weighbridge.errors import InputError
from weighbridge.model.hub_rules import Limits
from weighbridge.model.reference import Repo

constants = pytest.importorskip(
    "huggingface_hub.constants", reason="huggingface_hub is not installed (weighbridge[hub])"
)
MIB = 2**20
PATIENT = Limits(total_bytes=24 * MIB, total_seconds=20, waits=(0.01,))
QUICK = PATIENT._replace(silent_seconds=1, request_seconds=1.5, total_seconds=2.5)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare(monkeypatch, tmp_path / "cache")


def on(part: str, answer: Answer) -> Answer:
    """Only where the path holds ``part``."""

    def choose(handler: Handler) -> bool:
        if part not in handler.path:
            return False
        answer(handler)
        return True

    return choose


def endless(status: int, **headers: str) -> Answer:
    def answer(handler: Handler) -> bool:
        handler.answer(status, b"", dict(headers), length=False)
        handler.close_connection = True
        for _ in range(300):
            handler.write(b"\0" * MIB)
        return True

    return answer


def ranged(stated: str, body: bytes = b"x" * 1000, status: int = 206, length: int | None = None):
    def answer(handler: Handler) -> bool:
        size = len(body) if length is None else length
        headers = {"Content-Length": str(size)} | ({"Content-Range": stated} if stated else {})
        handler.answer(status, body, headers, length=False)
        if size != len(body):
            handler.close_connection = True
        return True

    return answer


def drip(head: bytes) -> Answer:
    def answer(handler: Handler) -> bool:
        handler.close_connection = True
        handler.wfile.write(head)
        for _ in range(200):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.1)
        return True

    return answer


def silent(handler: Handler) -> bool:
    time.sleep(8)
    handler.close_connection = True
    return True


def raw(data: bytes) -> Answer:
    def answer(handler: Handler) -> bool:
        handler.close_connection = True
        handler.wfile.write(data)
        return True

    return answer


def body(data: bytes, **headers: str) -> Answer:
    def answer(handler: Handler) -> bool:
        handler.answer(200, data, {k.replace("_", "-"): v for k, v in headers.items()})
        return True

    return answer


def listing(**changes: object) -> Answer:
    def answer(handler: Handler) -> bool:
        handler.answer(200, handler.listing(**changes))
        return True

    return answer


def sizes(change: int) -> Answer:
    """A listing in which every shard has so many bytes more."""

    def answer(handler: Handler) -> bool:
        entries = [
            {"rfilename": n, "size": f.size + (change if n.endswith(".safetensors") else 0)}
            for n, f in handler.hub.files.items()
        ]
        handler.answer(200, handler.listing(siblings=entries))
        return True

    return answer


FIRST, API, JSON = "00001-of", "/api/", "config.json"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIES: dict[str, tuple[str, Answer, str]] = {
    "ignores-range": (FIRST, endless(200), "ignores byte ranges"),
    "ignores-range-small": (FIRST, body(b"x" * 50), "ignores byte ranges"),
    "no-content-range": (FIRST, ranged(""), "sends '' where bytes 0-"),
    "other-begin": (FIRST, ranged("bytes 5-1004/99999"), "where bytes 0-"),
    "other-total": (FIRST, ranged("bytes 0-999/99"), "where bytes 0-"),
    "star-total": (FIRST, ranged("bytes 0-999/*"), "where bytes 0-"),
    "odd-content-range": (FIRST, ranged("items " + "9" * 5000), "where bytes 0-"),
    "endless-part": (FIRST, endless(206), "where bytes 0-"),
    "range-not-satisfiable": (FIRST, ranged("bytes */0", b"", 416), "status 416"),
    "slow-body": (JSON, drip(OK), "took too long"),
    "slow-headers": (JSON, drip(b"HTTP/1.1 200 OK\r\nX: "), "took too long"),
    "slow-listing": (API, drip(OK), "took too long"),
    "silent": (FIRST, silent, "took too long"),
    "silent-listing": (API, silent, "took too long"),
    "hangs-up": (FIRST, raw(b""), "cannot be reached"),
    "garbage": (FIRST, raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "cannot be reached"),
    "endless-headers": (FIRST, raw(b"HTTP/1.1 206 OK\r\n" + b"A: b\r\n" * 200_000), "be reached"),
    "bad-chunks": (JSON, raw(CHUNKED + b"zz\r\n"), "be re"),
    "two-lengths": (JSON, raw(OK[:-2] + b"Content-Length: 7\r\n\r\n"), "cannot be reached"),
    "gzip": (JSON, body(gzip.compress(b"{}" * 100), Content_Encoding="gzip"), "compresses"),
    "gzip-bomb": (JSON, body(gzip.compress(b" " * 10**8), Content_Encoding="gzip"), "compresses"),
    "gzip-listing": (API, body(gzip.compress(b"{}"), Content_Encoding="gzip"), "compresses"),
    "endless-config": (JSON, endless(200), "sends more than the"),
    "short-config": (JSON, body(b"{}"), "sends 2 of its"),
    "partial-config": (JSON, ranged("bytes 0-1/2", b"{}"), "answers with status 206"),
    "endless-listing": (API, endless(200), "more than 25,165,824 bytes would be read"),
    "html-listing": (API, body(b"<!DOCTYPE html><html>"), "is not JSON"),
    "list-listing": (API, body(b"[]"), "an object is needed"),
    "deep-listing": (API, body(b'{"a":' * 50_000), "nested too deeply"),
    "many-brackets": (API, body(b'{"a":[' + b"[]," * 200_000 + b"1]}"), "brackets"),
    "no-commit": (API, listing(sha=None), "names no commit"),
    "odd-commit": (API, listing(sha="../../../victim/private/resolve/main"), "names no commit"),
    "no-files": (API, listing(siblings=None), "lists no files"),
    "odd-entry": (API, listing(siblings=[{"rfilename": 1}]), "without a file name"),
    "no-size": (API, listing(siblings=[{"rfilename": "config.json"}]), "has None bytes"),
    "negative": (API, listing(siblings=[{"rfilename": "a", "size": -1}]), "has -1 bytes"),
    "huge": (API, listing(siblings=[{"rfilename": "a", "size": 2**60}]), "which no file has"),
    "twice": (
        API,
        listing(siblings=[{"rfilename": "a", "size": 1}, {"rfilename": "a", "size": 2}]),
        "lists a twice",
    ),
    "only-paths": (
        API,
        listing(siblings=[{"rfilename": "../model.safetensors", "size": 9}]),
        "no weights that can be read",
    ),
    "no-shards": (
        API,
        listing(siblings=[{"rfilename": "model.safetensors.index.json", "size": 9**9}]),
        "at most 48,000,000",
    ),
    "sizes-larger": (API, sizes(1000), "where bytes 0-"),
    "sizes-smaller": (API, sizes(-2), "where bytes 0-"),
}  # fmt: skip


def ends_in_our_error(limits: Limits = PATIENT, seconds: float = 12, mib: float = 40) -> str:
    from weighbridge.model.remote import from_hub

    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(InputError) as caught:
            from_hub(REPO, Repo(REPO), limits)
        took, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert took < seconds, message
    assert peak < mib * MIB, message
    assert TOKEN not in message
    assert message.isprintable()
    assert len(message) < 500
    return message


@pytest.mark.parametrize("name", LIES)
def test_every_lie_ends_in_our_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    part, answer, said = LIES[name]
    with serving(repository(3), on(part, answer)) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        quick = name.startswith(("slow", "silent"))
        assert said in ends_in_our_error(QUICK if quick else PATIENT, 6 if quick else 12)
        assert hub.sent < 40 * MIB


@pytest.mark.parametrize(
    ("body", "length"), [(b"x" * 10, None), (b"x" * 10, 5000), (b"x" * 9000, None)]
)
def test_a_part_that_is_not_as_long_as_it_says(monkeypatch, body: bytes, length: int) -> None:
    files = repository(3)
    size = files["model-00001-of-00003.safetensors"].size
    stated = f"bytes 0-{min(size, 100_000) - 1}/{size}"
    with serving(files, on(FIRST, ranged(stated, body, length=length))) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        ends_in_our_error()


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_from_the_hub(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content, problem = HEADERS[name]
    files = {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": content}
    with serving(files) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert problem in ends_in_our_error(Limits(waits=()), mib=100)


@pytest.mark.parametrize("name", INDEXES)
def test_hostile_indexes_from_the_hub(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    content, problem = INDEXES[name]
    files = {"config.json": b"{}", SHARD: GOOD, "model.safetensors.index.json": content}
    with serving(files) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert problem in ends_in_our_error(Limits(waits=()), mib=100)
        for path, _ in hub.asked:
            assert path.startswith((f"/api/models/{REPO}/", f"/{REPO}/resolve/{COMMIT}/"))


def test_all_headers_together_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each header is within what the format allows; all of them are not."""
    names = [f"model-{i + 1:05}-of-00020.safetensors" for i in range(20)]
    raw = packed("{" + " " * 4 * MIB + "}")
    files: dict[str, bytes | Part] = dict.fromkeys(names, raw)
    files["config.json"] = json.dumps(CONFIG).encode()
    with serving(files) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert "bytes would be read in all" in ends_in_our_error(seconds=20, mib=120)
        assert hub.sent < 80 * MIB


def test_a_header_that_claims_more_than_the_budget(monkeypatch) -> None:
    claim = (30_000_000).to_bytes(8, "little") + b"{"
    files = {"config.json": b"{}", "model.safetensors": Part(claim, 2**40)}
    with serving(files) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert "more than 25,165,824 bytes" in ends_in_our_error(mib=150)


def test_the_threads_of_a_slow_server_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(repository(12), on("-of-", drip(b"HTTP/1.1 206 OK\r\nX: "))) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        assert "took too long" in ends_in_our_error(QUICK, 6)
        until = time.monotonic() + 3
        ours = [t for t in threading.enumerate() if "(work)" in t.name]
        while any(t.is_alive() for t in ours) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(t.is_alive() for t in ours)
