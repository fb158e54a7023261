"""The Hub against a real server on this machine: what is read, what it costs, what is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hostile.headers import packed
from model.hub_server import COMMIT, REPO, TOKEN, FakeHub, Handler, Part, prepare, serving
from weighbridge.errors import HubError, HubUnreachable, InputError, ModelReferenceError
from weighbridge.model.hub_rules import Limits, is_inner, redirect_problem
from weighbridge.model.load import load_model
from weighbridge.model.local import from_checkpoint
from weighbridge.model.reference import Repo, parse_repo, resolve

constants = pytest.importorskip(
    "huggingface_hub.constants", reason="huggingface_hub is not installed (weighbridge[hub])"
)
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 10,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}


def tensors_of(config: dict) -> dict[str, tuple[int, ...]]:
    from weighbridge.model.config import Config
    from weighbridge.model.families import read_model

    return dict(read_model(Config(config, "config.json")).named_parameters())


def shard_file(shapes: dict[str, tuple[int, ...]], pad: int = 0) -> Part:
    """A safetensors file of BF16 tensors whose data is never made; ``pad`` lengthens the header."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    if pad:
        header["__metadata__"] = {"pad": "x" * pad}
    raw = packed(header)
    return Part(raw, len(raw) + at)


def repository(shards: int, pad: int = 0, config: dict = CONFIG) -> dict[str, bytes | Part]:
    """A model spread over so many shards, with its index and config."""
    shapes = list(tensors_of(config).items())
    names = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    files: dict[str, bytes | Part] = {"config.json": json.dumps(config).encode()}
    weight_map = {}
    for number, name in enumerate(names):
        mine = dict(shapes[number::shards])
        weight_map |= dict.fromkeys(mine, name)
        files[name] = shard_file(mine, pad)
    if shards == 1:
        files["model.safetensors"] = files.pop(names[0])
    else:
        files["model.safetensors.index.json"] = json.dumps({"weight_map": weight_map}).encode()
    return files


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepare(monkeypatch, tmp_path / "cache")


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch):
    """Make a server the endpoint."""

    def to(hub: FakeHub) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)

    return to


def write_out(folder: Path, files: dict[str, bytes | Part]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        part = file if isinstance(file, Part) else Part(file, len(file))
        (folder / name).write_bytes(part.read(0, part.size))
    return folder


@pytest.mark.parametrize("shards", [1, 3])
def test_the_hub_and_a_folder_give_the_same_facts(point, tmp_path: Path, shards: int) -> None:
    files = repository(shards)
    there = from_checkpoint("org/model", str(write_out(tmp_path / "m", files)))
    with serving(files) as hub:
        point(hub)
        here = load_model("org/model")
    assert here.stored == there.stored
    assert here.parameters == there.parameters
    assert here.basis == there.basis == "header"
    assert here.notes == there.notes == ()
    assert f"on 127.0.0.1 at commit {COMMIT[:12]}" in here.source


def test_weights_are_not_downloaded_and_the_answer_is_not_compressed(point) -> None:
    big = dict(CONFIG, hidden_size=4096, vocab_size=128_000, intermediate_size=14336)
    files = repository(4, config=big)
    with serving(files) as hub:
        point(hub)
        model = load_model(REPO)
        assert model.stored is not None
        assert model.stored.total_bytes > 4 * 10**9
        assert hub.sent < 450_000
        for path, headers in hub.asked:
            assert headers["accept-encoding"] == "identity"
            assert ("range" in headers) == path.endswith(".safetensors")


def test_a_long_header_takes_a_second_read(point) -> None:
    with serving(repository(1, pad=250_000)) as hub:
        point(hub)
        assert load_model(REPO).basis == "header"
        ranges = [h["range"] for _, h in hub.asked if "range" in h]
    assert ranges[0] == "bytes=0-99999"
    assert ranges[1].startswith("bytes=100000-")


def test_a_hundred_shards_in_a_handful_of_seconds(point) -> None:
    config = dict(CONFIG, num_hidden_layers=100)
    with serving(repository(100, config=config)) as hub:
        hub.delay = 0.05
        point(hub)
        start = time.monotonic()
        model = load_model(REPO)
        assert time.monotonic() - start < 5
    assert len(model.stored_files) == 100


def test_only_a_config(point) -> None:
    with serving({"config.json": json.dumps(CONFIG).encode()}) as hub:
        point(hub)
        model = load_model(REPO)
    assert model.basis == "config"
    assert model.parameters > 0


def test_the_catalogue_wins_without_a_network_and_a_prefix_asks_the_hub(point) -> None:
    assert resolve("Qwen/Qwen3-8B").kind == "catalogue"
    assert resolve("hf:Qwen/Qwen3-8B").repo == Repo("Qwen/Qwen3-8B", "main")
    assert resolve("Qwen/Qwen3-8B@abc123").repo == Repo("Qwen/Qwen3-8B", "abc123")
    assert resolve("hf:gpt2").repo == Repo("gpt2", "main")


@pytest.mark.parametrize(
    "text",
    ["../a/b", "a/../b", "a//b", "a/b/c", "/a/b", "a/b@", "a/b@..", "a/b@x/../y", "a/b c", "a/b?x",
     "a/b#x", "a\\b", "http://a/b", "a/b%2f", "a/b.git", "a--b/c", "-a/b", ".a/b", "a/.b", "a/b\n",
     "a/" + "b" * 100, "a/b@" + "c" * 300, "ａ/b"],
)  # fmt: skip
def test_what_is_no_repository(text: str) -> None:
    assert parse_repo(text) is None


def test_a_revision_is_pinned_to_its_commit(point) -> None:
    def at_tag(handler: Handler) -> bool:
        if handler.path == f"/api/models/{REPO}/revision/refs%2Fpr%2F1?blobs=true":
            handler.answer(200, handler.listing())
            return True
        return False

    with serving(repository(1), at_tag) as hub:
        point(hub)
        load_model(f"{REPO}@refs/pr/1")
        assert all(COMMIT in path for path, _ in hub.asked[1:])


def test_an_adapter_on_the_hub_and_one_that_is_its_own_base(point) -> None:
    from model.test_adapter import lora

    def files(base: str) -> dict[str, bytes | Part]:
        content = json.dumps({"base_model_name_or_path": base, "r": 16}).encode()
        return {"adapter_config.json": content, "adapter_model.safetensors": lora(2)}

    with serving(files("meta-llama/Llama-3.1-8B")) as hub:
        point(hub)
        model = load_model(REPO)
        assert model.parameters == 8_030_261_248
        assert model.adapters.total_bytes > 0
        assert load_model(f"llama-3.1-8b+hf:{REPO}").adapters == model.adapters
    with serving(files(REPO)) as hub:
        point(hub)
        with pytest.raises(InputError, match="is an adapter itself"):
            load_model(REPO)
        assert len(hub.asked) < 10


def test_pickles_on_the_hub_are_not_downloaded(point) -> None:
    files = {"config.json": json.dumps(CONFIG).encode(), "pytorch_model.bin": Part(b"", 10**12)}
    with serving(files) as hub:
        point(hub)
        model = load_model(REPO)
        assert "1,000,000,000,000 bytes) are never opened" in " ".join(model.notes)
        assert not any("pytorch_model" in path for path, _ in hub.asked)


# --- the cache of huggingface_hub


def cached(tmp_path: Path, files: dict[str, bytes | Part]) -> None:
    home = tmp_path / "cache" / "models--org--model"
    write_out(home / "snapshots" / COMMIT, files)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)


def test_offline_the_cache_answers(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids"):
        load_model(REPO)
    cached(tmp_path, repository(2))
    model = load_model(REPO)
    assert model.basis == "header"
    assert f"read from the cache at commit {COMMIT[:12]}" in model.notes[0]
    assert load_model(f"{REPO}@{COMMIT}").stored == model.stored


def test_out_of_reach_the_cache_answers(point, tmp_path: Path) -> None:
    cached(tmp_path, repository(2))
    with serving({}) as hub:
        point(hub)
    model = from_limited()
    assert "cannot be reached" in model.notes[0]
    assert model.basis == "header"


def from_limited(limits: Limits | None = None):
    from weighbridge.model.remote import from_hub

    return from_hub(REPO, Repo(REPO), limits or Limits(waits=(0.01,)))


# --- what the Hub refuses


def refusing(status: int, headers: dict[str, str], part: str = "/api/"):
    def answer(handler: Handler) -> bool:
        if part not in handler.path:
            return False
        handler.answer(status, b"hf_not_shown", headers)
        return True

    return answer


REFUSALS = [
    (404, {"X-Error-Code": "RepoNotFound"}, "/api/", ModelReferenceError, "org/model is not on"),
    (401, {}, "/api/", HubError, "refuses the token for org/model"),
    (404, {"X-Error-Code": "RevisionNotFound"}, "/api/", ModelReferenceError, "no such revision"),
    (403, {"X-Error-Code": "GatedRepo"}, "config.json", HubError, "is gated; accept its cond"),
    (403, {"X-Error-Code": "GatedRepo"}, "resolve", HubError, "is gated"),
    (404, {"X-Error-Code": "EntryNotFound"}, "config.json", ModelReferenceError, "at that rev"),
    (451, {}, "/api/", HubError, "answers with status 451"),
    (429, {"Retry-After": "0"}, "/api/", HubUnreachable, "limits how often"),
    (500, {}, "/api/", HubUnreachable, "status 500"),
    (503, {}, "00001-of", HubUnreachable, "status 503"),
]


@pytest.mark.parametrize(("status", "headers", "part", "kind", "said"), REFUSALS)
def test_refusals_are_one_sentence(point, status, headers, part, kind, said) -> None:
    with serving(repository(3), refusing(status, headers, part)) as hub:
        point(hub)
        start = time.monotonic()
        with pytest.raises(kind) as caught:
            from_limited()
        assert time.monotonic() - start < 3
    message = str(caught.value)
    assert said in message
    assert TOKEN not in message
    assert "hf_not_shown" not in message
    assert len(message) < 300
    assert message.isprintable()


def test_a_busy_server_is_asked_again(point) -> None:
    count = 0

    def busy(handler: Handler) -> bool:
        nonlocal count
        count += 1
        if count % 2:
            handler.answer(503, b"")
        return bool(count % 2)

    with serving(repository(1), busy) as hub:
        point(hub)
        assert from_limited().basis == "header"


def test_without_a_token_a_private_repository_says_what_to_do(point, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
    with serving({}, refusing(401, {})) as hub:
        point(hub)
        with pytest.raises(ModelReferenceError, match="if it is private, set HF_TOKEN"):
            from_limited()
        assert all("authorization" not in headers for _, headers in hub.asked)


# --- redirects and the token


def redirecting(to: str, status: int = 302, part: str = "resolve"):
    def answer(handler: Handler) -> bool:
        if part not in handler.path:
            return False
        where = to if "://" not in to or to.count("/") > 2 else to + handler.path
        handler.answer(status, b"Found", {"Location": where})
        return True

    return answer


def test_another_host_serves_the_files_and_never_sees_the_token(point) -> None:
    files = repository(3)
    with serving(files) as store, serving(files, redirecting(store.url)) as hub:
        point(hub)
        assert from_limited().basis == "header"
        assert all(h["authorization"] == f"Bearer {TOKEN}" for _, h in hub.asked)
        assert store.asked
        assert all("authorization" not in h for _, h in store.asked)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("file:///etc/passwd", "redirects away from http"),
        ("ftp://127.0.0.1/x", "redirects away from http"),
        ("http://user:pw@127.0.0.1/a/b", "redirects with a password"),
        ("http://169.254.169.254/latest/meta-data/a", "inside this network"),
        ("http://[fe80::1]/a/b", "inside this network"),
        ("http://[::ffff:169.254.169.254]/a/b", "inside this network"),
        ("http://127.0.0.1:99999/a/b", "no URL"),
        ("http://[/a/b", "no URL"),
        ("/org/model/resolve/loop", "redirects more than 5 times"),
    ],
)
def test_redirects_that_are_not_followed(point, to: str, said: str) -> None:
    with serving(repository(1), redirecting(to)) as hub:
        point(hub)
        with pytest.raises(InputError) as caught:
            from_limited()
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_public_hub_may_not_send_us_inside() -> None:
    public = "https://huggingface.co"
    for host in ("10.0.0.1", "127.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "localhost"):
        assert redirect_problem(public, f"{public}/a", f"https://{host}/b"), host
    assert redirect_problem(public, f"{public}/a", "http://huggingface.co/b") is not None
    assert redirect_problem(public, f"{public}/a", "https://cas-bridge.xethub.hf.co/b") is None
    assert redirect_problem(public, f"{public}/a", "/b") is None
    assert is_inner("fd00:ec2::254", strict=True)
    assert not is_inner("8.8.8.8", strict=True)
    assert not is_inner("10.1.2.3", strict=False)


# --- the command


def test_the_command_honours_the_environment(tmp_path: Path) -> None:
    with serving(repository(3)) as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": TOKEN,
            "NO_PROXY": "*",
        }
        environment.pop("HF_HUB_OFFLINE", None)

        def weigh(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "weighbridge", *arguments],
                check=False,
                capture_output=True,
                text=True,
                env=environment | extra,
            )

        good = weigh(REPO, "--json")
        assert good.returncode == 0, good.stderr
        assert good.stderr == ""
        assert json.loads(good.stdout)["model"]["basis"] == "header"
        for arguments, extra in (
            (("no/body",), {}),
            ((REPO,), {"HF_HUB_OFFLINE": "1"}),
            ((REPO,), {"HF_ENDPOINT": "ftp://x"}),
        ):
            bad = weigh(*arguments, **extra)
            assert bad.returncode == 2
            assert bad.stdout == ""
            assert bad.stderr.count("\n") == 1
            assert "Traceback" not in bad.stderr
            assert TOKEN not in bad.stderr


@pytest.mark.parametrize(
    ("asked", "peer", "refused"),
    [
        ("cdn.example", "10.0.0.1", True),
        ("cdn.example", "169.254.169.254", True),
        ("cdn.example", "::ffff:127.0.0.1", True),
        ("cdn.example", "8.8.8.8", False),
        ("proxy.corp", "10.0.0.1", False),
    ],
    ids=["private", "metadata", "mapped", "public", "proxy"],
)
def test_the_address_behind_a_redirect_is_looked_at_before_a_word(
    monkeypatch: pytest.MonkeyPatch, asked: str, peer: str, refused: bool
) -> None:
    """A public name may lead to an inner address; through the user's proxy it is the proxy's."""
    from weighbridge.model.hub import Hub

    class Stream:
        closed = False

        def get_extra_info(self, name: str) -> tuple[str, int]:
            return peer, 443

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(constants, "ENDPOINT", "https://huggingface.co")
    trace, stream = Hub()._watch("https://cdn.example/file"), Stream()
    trace("connection.connect_tcp.started", {"host": asked})
    if refused:
        with pytest.raises(InputError, match="inside this network"):
            trace("connection.connect_tcp.complete", {"return_value": stream})
    else:
        trace("connection.connect_tcp.complete", {"return_value": stream})
    assert stream.closed == refused
