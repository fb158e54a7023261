"""The tools, asked by the SDK's own client over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import weighbridge as wb
from apart import run_apart

pytest.importorskip("mcp", reason="weighbridge[mcp] is not installed")
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from weighbridge.serve.mcp import TOOLS, tools

ENVIRON = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
COMMAND = ["-m", "weighbridge", "mcp", "--workers", "1"]
LOG = "INFO 10-01 Model loading took 14.9888 GiB memory and 3.2 seconds\n"


def over_stdio(ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """What ``ask`` finds with a server of its own."""

    async def main() -> Any:
        started = StdioServerParameters(command=sys.executable, args=COMMAND, env=ENVIRON)
        async with Client(stdio_client(started)) as client:
            return await ask(client)

    return run_apart(asyncio.wait_for(main(), 60))


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    assert json.loads(result.content[0].text) == found  # type: ignore[union-attr]
    return found


QUESTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("plan", {"model": "llama-3.1-8b", "on": "rtx-4090", "context": 8192}, "verdict"),
    ("fit", {"model": "llama-3.1-8b", "on": "rtx-4090"}, "request"),
    ("speed", {"model": "llama-3.1-8b", "on": "rtx-4090", "engine": "vllm"}, "request"),
    ("train", {"model": "llama-3.1-8b", "method": "lora", "seq_len": 2048}, "devices"),
    ("read_launch_command", {"command": "vllm serve Qwen/Qwen3-30B-A3B -tp 2"}, "options"),
    ("write_launch_command", {"model": "llama-3.1-8b", "on": "h100", "target": "vllm"}, "text"),
    ("write_training_config", {"model": "llama-3.1-8b", "method": "lora", "target": "trl"}, "text"),
    ("explain", {"model": "llama-3.1-8b", "on": "rtx-4090", "term": "kv_cache"}, "schema"),
    ("read_log", {"text": LOG, "model": "llama-3.1-8b", "on": "rtx-4090"}, "observed"),
    ("rules", {"model": "llama-2-7b", "context": 2048}, "schema"),
    ("models", {"text": "qwen3"}, "models"),
    ("cards", {"vendor": "NVIDIA"}, "cards"),
    ("options", {}, "engines"),
]


def test_every_tool_answers_over_stdio_as_the_library_does() -> None:
    async def ask(client: Client) -> dict[str, dict[str, Any]]:
        return {tool: await answer(client, tool, **given) for tool, given, _ in QUESTIONS}

    found = over_stdio(ask)
    for tool, _, key in QUESTIONS:
        assert key in found[tool], tool
    plan = wb.plan("llama-3.1-8b", on="rtx-4090", context=8192)
    assert found["plan"] == json.loads(json.dumps(plan.to_dict()))
    assert found["read_log"]["observed"]["terms"]
    asked = {tool for tool, _, _ in QUESTIONS}
    assert {tool.name for tool in TOOLS} - asked <= {"recommend", "place", "fleet"}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("plan", {"model": "no-such-model"}, "not in the catalogue"),
    ("plan", {"model": "llama-3.1-8b", "on": "24G"}, "which unit"),
    ("plan", {"model": "/etc/passwd"}, ""),
    ("plan", {"model": "llama-3.1-8b", "nonsense": 1}, "nonsense"),
    ("plan", {}, "model"),
    ("read_log", {"text": "nothing of use"}, "says nothing of memory"),
    ("read_log", {"text": "x" * 300_000}, "longer than"),
    ("no_such_tool", {}, "there is no tool"),
]


def test_what_cannot_be_answered_is_one_sentence() -> None:
    async def ask(client: Client) -> list[Any]:
        return [await client.call_tool(tool, given) for tool, given, _ in REFUSED]

    for result, (_, _, said) in zip(over_stdio(ask), REFUSED, strict=True):
        assert result.is_error
        text = result.content[0].text
        assert said in text
        assert "Traceback" not in text
        assert "root:" not in text


def test_tools_are_described_briefly_and_say_that_they_only_read() -> None:
    for tool in tools():
        assert len(json.dumps(tool.input_schema)) < 9_000, tool.name
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert len(tool.description or "") > 20
        for required in tool.input_schema.get("required", ()):
            assert required in tool.input_schema["properties"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def test_the_same_tools_over_http_and_strangers_are_turned_away() -> None:
    import httpx2

    port = free_port()
    words = [sys.executable, *COMMAND, "--http", "--port", str(port)]
    server = subprocess.Popen(words, env=ENVIRON, stderr=subprocess.DEVNULL)
    try:
        _wait(port, server)

        async def main() -> dict[str, Any]:
            async with Client(f"http://127.0.0.1:{port}/mcp") as client:
                return await answer(client, "plan", model="llama-3.1-8b", on="rtx-4090")

        found = run_apart(asyncio.wait_for(main(), 60))
        made = wb.plan("llama-3.1-8b", on="rtx-4090").to_dict()
        assert found == json.loads(json.dumps(made))
        for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            sent = {"content-type": "application/json", "accept": "application/json", **headers}
            reply = httpx2.post(f"http://127.0.0.1:{port}/mcp", content="{}", headers=sent)
            assert reply.status_code in {403, 421}
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not start")


def test_only_this_machine_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    from weighbridge.cli import main

    assert main(["mcp", "--http", "--host", "0.0.0.0"]) == 2
    assert "is not of this machine" in capsys.readouterr().err


def test_the_skill_names_commands_and_tools_that_there_are() -> None:
    text = (Path(__file__).parents[2] / "skills" / "weighbridge" / "SKILL.md").read_text("utf-8")
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert head.startswith("name: weighbridge\n")
    assert "description: " in head
    assert body.count("\n") < 500
    for tool in tools():
        assert f"`{tool.name}`" in body, tool.name
