"""Every route answers what the command line prints, and says what is wrong in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.model import catalog
from weighbridge.model.load import load_model
from weighbridge.options import ENGINES, engine_options, read_value
from weighbridge.serve.routes import available, plan_options
from weighbridge.serve.schema import option_schema

API = "/api/v1"

# One question, asked of Python, of the command line and of the API.
QUESTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("plan", "llama-3.1-8b", {"on": "rtx-4090", "context": "8k"}),
    ("plan", "llama-3.1-70b", {"on": "2xH100", "engine": "vllm", "tp": 2, "concurrency": 16}),
    ("plan", "deepseek-v3", {"on": "8xH200", "engine": "sglang", "tensor_parallel_size": 8}),
    ("plan", "qwen3-30b-a3b", {"on": "rtx-3060-12gb", "weights": "nf4"}),
    ("plan", "gemma-2-9b", {"on": "24GiB", "engine": "llama.cpp", "weights": "q4_k_m"}),
    ("plan", "7B", {}),
    ("fit", "llama-3.1-8b", {"on": "rtx-4090"}),
    ("train", "llama-3.1-8b", {"method": "qlora", "seq_len": 4096, "on": "rtx-4090"}),
    ("train", "qwen3-8b", {"on": "8xH100", "sharding": "zero3", "solve": "micro-batch"}),
    ("speed", "llama-3.1-8b", {"on": "h100", "engine": "vllm", "concurrency": 32}),
    ("rules", "llama-3.1-8b", {"on": "rtx-4090"}),
)


def flags(options: dict[str, Any]) -> list[str]:
    return [part for k, v in options.items() for part in ("--" + k.replace("_", "-"), str(v))]


@pytest.mark.parametrize(("route", "model", "options"), QUESTIONS)
def test_python_command_line_and_api_give_the_same_numbers(
    client: TestClient,
    capsys: pytest.CaptureFixture[str],
    route: str,
    model: str,
    options: dict[str, Any],
) -> None:
    posted = client.post(f"{API}/{route}", json={"model": model, **options})
    assert posted.status_code == 200, posted.text
    main([route, model, *flags(options), "--json"])
    assert posted.json() == json.loads(capsys.readouterr().out)
    if route != "rules":
        python = getattr(wb, route)(model, **options).to_dict()
        assert posted.json() == json.loads(json.dumps(python))
    asked = client.get(f"{API}/{route}", params={"model": model, **options})
    assert asked.json() == posted.json()


def test_a_sweep_is_the_command_lines(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"model": "qwen3-8b", "on": "l40s", "context": [1000, "9k"], "concurrency": [1, 5]}
    found = client.post(f"{API}/sweep", json=asked)
    main(["sweep", "qwen3-8b", "--on", "l40s", "--context", "1k,9k", "--batch", "1,5", "--json"])
    assert found.json() == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sweep_of_any_engine_is_its_plans(engine: str) -> None:
    options = {"engine": engine, "on": "rtx-4090"}
    grid = wb.sweep("llama-3.1-8b", context=[2048, 131072], concurrency=[1, 8], **options)
    for i, context in enumerate(grid.contexts):
        for j, users in enumerate(grid.concurrencies):
            plan = wb.plan("llama-3.1-8b", context=context, concurrency=users, **options)
            assert grid.totals[i][j] == max(device.total for device in plan.devices)
            assert grid.fits is not None
            assert grid.fits[i][j] == plan.fits


def test_a_sweep_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(wb.InputError, match="counted exactly"):
        wb.sweep("llama-3.1-8b", context=[2**40], concurrency=[2**30])


@pytest.mark.parametrize("route", available(), ids=lambda row: row.path)
def test_the_example_of_a_route_is_answered(client: TestClient, route: Any) -> None:
    if route.example is None:
        pytest.skip("the route has no example")
    found = client.post(f"{API}/{route.path}", json=route.example)
    assert found.status_code == 200, found.text
    assert found.json()["schema"] == 1


def test_tables_are_those_of_the_command_line(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, line in (
        ("models?text=qwen", ["models", "qwen"]),
        (
            "cards?vendor=AMD&min_memory=64GiB",
            ["cards", "--vendor", "AMD", "--min-memory", "64GiB"],
        ),
        ("cards/H100", ["card", "H100"]),
        ("models/meta-llama/Llama-3.1-8B", ["card", "meta-llama/Llama-3.1-8B"]),
    ):
        found = client.get(f"{API}/{path}")
        main([*line, "--json"])
        assert found.json() == json.loads(capsys.readouterr().out), path
    assert len(client.get(f"{API}/models").json()["models"]) == len(catalog.rows())


def test_the_tables_of_options_are_whole(client: TestClient) -> None:
    found = client.get(f"{API}/options").json()
    for engine in ENGINES:
        known = engine_options(engine)
        names = {row["name"] for row in found["plan"][engine]}
        assert names == {*known.takes, *known.own}


@pytest.mark.parametrize("option", plan_options(), ids=lambda row: row.name)
def test_the_schema_of_an_option_says_what_is_read(option: Any) -> None:
    schema = option_schema(option)
    least = next((each for each in schema.get("anyOf", ()) if "minimum" in each), None)
    if least is None:
        return
    read_value(option, max(least["minimum"], 0))
    read_value(option, least["maximum"])
    with pytest.raises(wb.InputError):
        read_value(option, least["minimum"] - 1)
    with pytest.raises(wb.InputError):
        read_value(option, least["maximum"] * 2 + 1)


def test_a_config_stands_for_a_model(client: TestClient) -> None:
    row = catalog.find("llama-3.1-8b")
    assert row is not None
    named = client.post(f"{API}/plan", json={"model": "llama-3.1-8b", "on": "h100"}).json()
    sent = {"config": dict(row.config), "model": "mine", "on": "h100"}
    found = client.post(f"{API}/plan", json=sent).json()
    assert found["total_bytes"] == named["total_bytes"]
    assert found["model"]["id"] == found["request"]["model"] == "mine"
    assert client.post(f"{API}/fit", json=sent).json()["longest_context"]["value"] > 0
    assert "vllm serve mine" in client.post(
        f"{API}/launch/write", json={**sent, "target": "vllm"}
    ).json()["text"]  # fmt: skip


def test_headers_that_a_browser_read_stand_for_a_model(client: TestClient) -> None:
    row, model = catalog.find("qwen3-8b"), load_model("qwen3-8b")
    assert row is not None
    tensors = [
        {"name": name, "dtype": "BF16", "shape": list(shape)}
        for name, shape in model.named_parameters()
    ]
    sent = {"format": "safetensors", "config": dict(row.config), "tensors": tensors}
    found = client.post(f"{API}/headers", json=sent).json()
    assert found["card"]["basis"] == "header"
    assert found["card"]["stored_bytes"] == 2 * model.parameters
    handle = found["model"]
    assert client.post(f"{API}/headers", json=sent).json()["model"] == handle
    plan = client.post(f"{API}/plan", json={"model": handle, "on": "h100"}).json()
    named = client.post(f"{API}/plan", json={"model": "qwen3-8b", "on": "h100"}).json()
    assert plan["total_bytes"] == named["total_bytes"]


def test_the_header_of_a_gguf_file_stands_for_a_model(client: TestClient) -> None:
    width, vocabulary = 256, 512
    metadata = {
        "general.architecture": "llama", "llama.block_count": 1, "llama.context_length": 2048,
        "llama.embedding_length": width, "llama.feed_forward_length": 512,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": {"count": vocabulary},
    }  # fmt: skip
    shapes = {
        "token_embd": (vocabulary, width), "blk.0.attn_norm": (width,),
        "blk.0.attn_q": (width, width), "blk.0.attn_k": (128, width),
        "blk.0.attn_v": (128, width), "blk.0.attn_output": (width, width),
        "blk.0.ffn_norm": (width,), "blk.0.ffn_gate": (512, width),
        "blk.0.ffn_up": (512, width), "blk.0.ffn_down": (width, 512), "output_norm": (width,),
    }  # fmt: skip
    tensors = [
        {"name": f"{name}.weight", "dtype": "Q4_K" if len(shape) == 2 else "F32", "shape": shape}
        for name, shape in shapes.items()
    ]
    sent = {"format": "gguf", "name": "tiny.gguf", "metadata": metadata, "tensors": tensors}
    found = client.post(f"{API}/headers", json=sent)
    assert found.status_code == 200, found.text
    assert found.json()["card"]["parameters"] == sum(
        shape[0] * (shape[1] if len(shape) == 2 else 1) for shape in shapes.values()
    )
    plan = {"model": found.json()["model"], "engine": "llama.cpp", "on": "24GiB"}
    assert client.post(f"{API}/plan", json=plan).status_code == 200


def test_a_command_is_read_and_written(client: TestClient) -> None:
    command = "docker run --gpus 2 \\\n  vllm/vllm-openai:v0.33.0 \\\n --model Qwen/Qwen3-8B -tp 2"
    found = client.post(f"{API}/launch/read", json={"command": command, "on": "2xh100"}).json()
    assert found["model"] == "Qwen/Qwen3-8B"
    assert found["options"]["tensor_parallel_size"] == 2
    assert found["options"]["engine"] == "vllm==0.33.0"
    again = client.post(f"{API}/plan", json={"model": found["model"], **found["options"]})
    assert again.json()["verdict"]["fits"] is True


def test_terms_are_explained_with_and_without_a_plan(client: TestClient) -> None:
    words = client.get(f"{API}/explain").json()
    assert all(term["what"] for term in words["terms"])
    asked = {"model": "llama-3.1-8b", "on": "h100", "term": "kv_cache"}
    (term,) = client.get(f"{API}/explain", params=asked).json()["terms"]
    assert term["terms"][0]["formula"]
    assert "tokens" in term["terms"][0]["with"]


PROBLEMS: tuple[tuple[str, dict[str, Any], int, str], ...] = (
    ("plan", {}, 422, "no model was named"),
    ("plan", {"model": "lama-3.1-8b"}, 422, "did you mean"),
    ("plan", {"model": "7B", "contxt": 3}, 422, "did you mean context"),
    ("plan", {"model": "7B", "context": "8GB"}, 422, "is not a count"),
    ("plan", {"model": "7B", "on": "rtx-9999"}, 422, "rtx-9999"),
    ("plan", {"model": 7}, 422, "the model is a name"),
    ("plan", {"model": "7B", "engine": "nope"}, 422, "nope"),
    ("plan", {"model": "header:0000"}, 404, "send the header again"),
    ("speed", {"model": "7B", "calibration": "/etc/passwd"}, 422, "calibration"),
    ("sweep", {"model": "7B", "context": [0]}, 422, "between 1 and"),
    ("sweep", {"model": "7B", "input_tokens": 5}, 422, "left out"),
    ("train", {"model": "llama-3.1-8b", "solve": "x"}, 422, "is not one of"),
    ("launch/write", {"model": "7B", "target": "x"}, 422, "is not one of"),
    ("launch/read", {"command": "rm -rf /"}, 422, "starts no engine"),
    ("launch/read", {"command": "vllm serve 'a"}, 422, "cannot be split"),
    ("headers", {"format": "zip"}, 422, "is not one of"),
    ("explain", {"term": "x"}, 422, "there is no term"),
)


@pytest.mark.parametrize(("path", "body", "status", "said"), PROBLEMS)
def test_what_is_wrong_is_said_in_one_sentence(
    client: TestClient, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    found = client.post(f"{API}/{path}", json=body)
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    problem = found.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:weighbridge:problem:")
    assert said in problem["detail"]
    assert "\n" not in problem["detail"]


def test_a_page_that_was_not_built_is_a_sentence(client: TestClient) -> None:
    from weighbridge.serve.page import PAGE

    found = client.get("/")
    if (PAGE / "index.html").is_file():
        assert found.headers["content-type"].startswith("text/html")
    else:
        assert found.status_code == 404
        assert "without its page" in found.text


def test_a_built_page_is_served_with_its_files(tmp_path: Any) -> None:
    from starlette.applications import Starlette

    from weighbridge.serve.page import add_page

    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "a.js").write_text("1")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / "assets" / "out").symlink_to("/etc/passwd")
    app = Starlette()
    add_page(app, tmp_path)
    client = TestClient(app)
    assert client.get("/").text == "<!doctype html>"
    assert "immutable" in client.get("/assets/a.js").headers["cache-control"]
    assert client.get("/favicon.svg").status_code == 200
    for path in ("/assets/../index.html", "/assets/%2e%2e/index.html", "/assets/out"):
        assert client.get(path).status_code == 404


def test_health_metrics_and_language(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.get(f"{API}/plan", params={"model": "7B"})
    text = client.get("/metrics").text
    assert 'weighbridge_requests_total{method="GET",route="/api/v1/plan",status="200"}' in text


@pytest.mark.parametrize(
    ("body", "query", "header", "language"),
    [(None, None, "de, en;q=0.5", "en"), (None, None, "de, tr;q=0.5", "tr"),
     (None, "fa", "tr", "fa"), ("zh", "fa", "tr", "zh"), ("xx", None, "", "en"),
     ("fa-u-nu-arabext", None, "", "fa")],
)  # fmt: skip
def test_words_are_in_the_language_asked_for(
    client: TestClient, body: str | None, query: str | None, header: str, language: str
) -> None:
    asked = {"model": "llama-3.1-8b", "on": "rtx-4090", "term": "kv_cache", "lang": body}
    path = f"{API}/explain" + (f"?lang={query}" if query else "")
    found = client.post(path, json=asked, headers={"accept-language": header})
    assert found.headers["content-language"] == language
    labels = {"en": "KV cache", "tr": "KV önbelleği"}
    (term,) = found.json()["terms"]
    assert term["label"] == labels.get(language, term["label"])
    assert (term["label"] == "KV cache") == (language == "en")
    assert (term["what"].startswith("Keys and values")) == (language == "en")
    english = client.post(f"{API}/explain", json={**asked, "lang": "en"}).json()["terms"][0]
    assert term["terms"][0]["bytes"] == english["terms"][0]["bytes"]
    # The next answer of the same worker is not in that language.
    assert client.post(f"{API}/plan", json={}).json()["detail"].startswith("no model was named")
