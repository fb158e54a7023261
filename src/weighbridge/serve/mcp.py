"""The same work for agents: a server of the Model Context Protocol over the pool of workers.

A tool is a row of ``TOOLS`` over the work that the API answers; its answer is the same object as
``--json``, as structured content. Input is described by the common options; what an engine takes
beside them is what the tool ``options`` says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import mcp_types as types
from mcp.server.lowlevel import Server

from weighbridge._version import __version__
from weighbridge.options import Option
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.serve.pool import Job, Pool
from weighbridge.serve.problems import Problem
from weighbridge.serve.routes import Route, available
from weighbridge.serve.settings import Settings
from weighbridge.serve.store import Store

INSTRUCTIONS = (
    "Weighbridge says how much GPU memory a language model takes, how fast it runs and which way "
    "of deploying it is best, before it is loaded. Every number is a term with low and high bounds "
    "and its basis (rule < assumed < config < header < traced < calibrated < measured); bytes are "
    "integers. Start with `plan`; where it does not fit, verdict.try says what would. Models are "
    "names of the catalogue (`models` searches it) or bare sizes such as 7B; hardware is rtx-4090, "
    "2xH100 or 24GiB (`cards` lists it); counts take 32k = 32,000 and 32K = 32,768; sizes must say "
    "GB or GiB."
)


class Tool(NamedTuple):
    """A tool: its name, the work that answers it, and when an agent would want it."""

    name: str
    work: str
    when: str


TOOLS = (
    Tool("plan", "plan", "How much memory a model takes on each device, whether it fits, why, and "
         "what would make it fit. Give engine for vllm, sglang, tensorrt-llm, llama.cpp, ollama or "
         "transformers, with an optional ==version."),
    Tool("fit", "fit", "The longest context, the most users and the best weight format that a "
         "machine holds, and what binds."),
    Tool("recommend", "recommend", "Which cards, how many, engine, format and split serve a model "
         "best under constraints; or, with a card alone, which models run well on it."),
    Tool("place", "place", "Where layers, experts and cache should lie over GPUs of different "
         "sizes, host memory and disk, for the least time per token."),
    Tool("speed", "speed", "Time per token and to the first token, where it goes, what binds; "
         "what_if compares remedies."),
    Tool("train", "train", "Memory and time of training or fine-tuning on every rank: full, lora, "
         "qlora, optimizers, checkpointing, sharding; solve finds the largest that fits."),
    Tool("fleet", "fleet", "How many replicas a load of many users needs, simulated: latency "
         "percentiles, utilisation and cost."),
    Tool("read_launch_command", "launch_read", "What an existing launch command (vllm serve …, "
         "llama-server …) means as options; hand model and options to plan."),
    Tool("write_launch_command", "launch_write", "The launch command or manifest of a plan."),
    Tool("write_training_config", "train_write", "The configuration of a training tool."),
    Tool("explain", "explain", "What a term of the ledger is: definition, formula with numbers put "
         "in, source, bounds."),
    Tool("read_log", "log_read", "What an engine's log or an out-of-memory message says of memory, "
         "beside the prediction, and what to change."),
    Tool("rules", "rules", "What circulating rules of thumb say of a model, and how far off they "
         "are."),
    Tool("models", "models", "Search the catalogue of models."),
    Tool("cards", "cards", "Search the table of accelerators."),
    Tool("options", "options", "Every option of every engine and of training, with its help."),
)  # fmt: skip
LOG = (Option("text", "the log's text, at most 200,000 characters"),
       Option("on", "the machine, where the log does not name it", "CARD"),
       Option("model", "the model, where the log does not name it", "MODEL"))  # fmt: skip
SEARCHES = {
    "models": (Option("text", "what the name contains"),),
    "cards": (Option("text", "what the name contains"), Option("vendor", "its maker"),
              Option("min_memory", "such as 24GB", kind="size"),
              Option("max_memory", "such as 80GB", kind="size")),
    "options": (),
    "log_read": LOG,
}  # fmt: skip
REQUIRED = {"launch_read": ["command"], "launch_write": ["target"], "train_write": ["target"],
            "log_read": ["text"]}  # fmt: skip
_KINDS = {"text": "string", "flag": "boolean", "number": "number"}


def tools() -> list[types.Tool]:
    """The tools whose work there is."""
    routes = {route.name: route for route in available()}
    return [
        types.Tool(
            name=tool.name,
            description=tool.when,
            input_schema=input_schema(tool, routes.get(tool.work)),
            output_schema={"type": "object"},
            annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )
        for tool in TOOLS
        if tool.work in routes or tool.work in SEARCHES
    ]


def input_schema(tool: Tool, route: Route | None) -> dict[str, Any]:
    """The common options of the work, short enough for a model to read."""
    if route is None:
        rows: tuple[Option, ...] = SEARCHES[tool.work]
    elif route.base == "training":
        from weighbridge.options.training import TRAINING

        rows = (*TRAINING, *route.own)
    else:
        rows = (*((*DEPLOYMENT, *WORKLOAD) if route.base == "plan" else ()), *route.own)
    lists = route.lists if route else ()
    properties = {row.name: _property(row, row.name in lists) for row in rows}
    required = list(REQUIRED.get(tool.work, ()))
    if route is not None and route.subject != "none":
        said = {"type": "string", "description": "a name of the catalogue, or a size such as 7B"}
        properties = {"model": said, **properties}
        required += ["model"] if route.subject == "model" else []
    found: dict[str, Any] = {"type": "object", "properties": properties}
    return {**found, "required": required} if required else found


def _property(row: Option, several: bool) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": _KINDS.get(row.kind, ["integer", "string"])}
    if row.choices:
        kind["enum"] = list(row.choices)
    if several:
        kind = {"type": "array", "items": kind}
    return {**kind, "description": row.help}


def make_server(settings: Settings) -> Server[Pool]:
    """The server; its workers live as long as it does."""
    works = {tool.name: tool.work for tool in TOOLS}
    long = {route.name for route in available() if route.long}

    @asynccontextmanager
    async def lifespan(server: Server[Pool]) -> AsyncIterator[Pool]:
        del server
        pool = Pool(settings, Store(settings.kept_bytes, settings.kept_seconds).find)
        await pool.open()
        try:
            yield pool
        finally:
            await pool.close()

    async def listed(ctx: Any, params: Any) -> types.ListToolsResult:
        del ctx, params
        return types.ListToolsResult(tools=tools())

    async def called(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        work = works.get(params.name)
        if work is None:
            return _failed(f"there is no tool {params.name[:40]!r}; there are {', '.join(works)}")
        body = json.dumps(params.arguments or {}).encode()
        if len(body) > settings.body_bytes:
            return _failed("the arguments are larger than 1 MiB")
        seconds = settings.long_seconds if work in long else settings.seconds
        job = Job(work, body, seconds, work in long)
        try:
            return _answered(await ctx.lifespan_context.run(job))
        except Problem as problem:
            return _failed(problem.detail)

    return Server("weighbridge", version=__version__, title="Weighbridge",
                  instructions=INSTRUCTIONS, lifespan=lifespan, on_list_tools=listed,
                  on_call_tool=called)  # fmt: skip


def _answered(body: bytes) -> types.CallToolResult:
    """The object of ``--json``, and as text for clients that read no structure."""
    text = types.TextContent(type="text", text=body.decode("utf-8"))
    return types.CallToolResult(content=[text], structured_content=json.loads(body))


def _failed(why: str) -> types.CallToolResult:
    """A refusal that the model can read and act on."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=why)], is_error=True)


def serve_stdio(settings: Settings) -> None:
    """Serve the one client that started this process."""
    import anyio
    from mcp.server.stdio import stdio_server

    async def serve() -> None:
        server = make_server(settings)
        async with stdio_server() as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())

    anyio.run(serve)


def serve_http(settings: Settings) -> None:
    """Serve over HTTP on this machine; the SDK checks Host, Origin and the size of bodies."""
    import uvicorn

    app = make_server(settings).streamable_http_app(
        host=settings.host, json_response=True, max_request_body_size=settings.body_bytes
    )
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")
