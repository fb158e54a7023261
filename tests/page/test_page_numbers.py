"""The same question through every door: Python, command line, API, MCP and page."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from page_watch import Watch

import weighbridge as wb
from weighbridge.cli import main

pytest.importorskip("mcp", reason="weighbridge[mcp] is not installed")
QUESTIONS: list[tuple[str, dict[str, Any]]] = [
    ("plan", {"model": "llama-3.1-8b", "on": "rtx-4090", "engine": "vllm",
              "max_model_len": 8192, "output_tokens": 512, "concurrency": 4}),
    ("plan", {"model": "qwen3-30b-a3b", "on": "2xh100-sxm", "engine": "transformers",
              "weights": "nf4", "max_model_len": 16384, "concurrency": 2}),
    ("plan", {"model": "gemma-2-9b", "on": "rtx-3060-12gb", "engine": "llama.cpp",
              "weights": "q4_k_m", "max_model_len": 4096, "concurrency": 1}),
    ("plan", {"model": "deepseek-v3", "on": "8xh200-sxm", "engine": "sglang",
              "max_model_len": 32768, "concurrency": 8}),
    ("train", {"model": "qwen3-8b", "on": "4xa100-sxm-80gb", "method": "lora",
               "sharding": "fsdp2", "seq_len": 4096, "checkpointing": "full"}),
]  # fmt: skip


def by_python(kind: str, asked: dict[str, Any]) -> Any:
    options = dict(asked)
    return json.loads(json.dumps(getattr(wb, kind)(options.pop("model"), **options).to_dict()))


def by_command_line(kind: str, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Any:
    options = dict(asked)
    words = [kind, options.pop("model")]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)


def by_api(kind: str, asked: dict[str, Any], watch: Watch) -> Any:
    reply = watch.page.request.post(f"{watch.address}/api/v1/{kind}", data=asked)
    assert reply.status == 200, reply.text()
    return reply.json()


def by_mcp() -> list[Any]:
    """Every question, asked of one server over stdio; a browser's loop must not be running."""
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    environ = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    words = ["-m", "weighbridge", "mcp", "--workers", "1"]

    async def asking() -> list[Any]:
        started = StdioServerParameters(command=sys.executable, args=words, env=environ)
        async with Client(stdio_client(started)) as client:
            found = []
            for kind, asked in QUESTIONS:
                result = await client.call_tool(kind, dict(asked))
                assert not result.is_error, result.content
                found.append(result.structured_content)
            return found

    return asyncio.run(asyncio.wait_for(asking(), 120))


@pytest.fixture(scope="module")
def told_agents() -> list[Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as apart:
        return apart.submit(by_mcp).result()


def by_page(kind: str, asked: dict[str, Any], watch: Watch) -> Any:
    plain = {"model", "on"}
    pairs = [f"{'train.' if kind == 'train' and name not in plain else ''}{name}={value}"
             for name, value in asked.items()]  # fmt: skip
    mode = ["mode=train"] if kind == "train" else []
    page = watch.open("#" + "&".join([*mode, *pairs]))
    watch.settle()
    page.click("button[name=export]")
    with page.expect_download() as download:
        page.click("button[name=export_json]")
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))


def figures(answer: Any) -> Any:
    """Every number of the ledger, the verdict, the cache and the speed."""
    return {name: answer.get(name) for name in
            ("model", "devices", "host", "total_bytes", "low", "high", "kv", "verdict", "speed",
             "tokens_per_step", "trained_parameters")}  # fmt: skip


@pytest.mark.parametrize("number", range(len(QUESTIONS)), ids=lambda n: QUESTIONS[n][1]["model"])
def test_every_door_gives_the_same_numbers(
    number: int, watch: Watch, capsys: pytest.CaptureFixture[str], told_agents: list[Any]
) -> None:
    kind, asked = QUESTIONS[number]
    python = by_python(kind, asked)
    assert by_command_line(kind, asked, capsys) == python
    assert by_api(kind, asked, watch) == python
    assert told_agents[number] == python
    assert figures(by_page(kind, asked, watch)) == figures(python)
