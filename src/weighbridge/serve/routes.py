"""The routes of work, one row each: what answers it, and what a body may hold beside the model.

The server, its OpenAPI and the worker all read this table. A route whose function of
:mod:`weighbridge.api` is not there is absent.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Literal, NamedTuple

from weighbridge.options import ENGINES, Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.options.training import SOLVES, TARGETS, TRAINING

Base = Literal["plan", "training", "none"]
Subject = Literal["model", "maybe", "none"]


class Route(NamedTuple):
    """A route below ``/api/v1``.

    ``base`` is the table of options that its body takes and ``own`` what it has beside them;
    ``lists`` are options that take a list of counts here, ``without`` those that it does not take.
    ``subject`` says whether a model must be named. ``long`` work has the longer limit. ``needs`` is
    the function of the api without which there is no such route, ``tables`` where more of
    its options stand.
    """

    path: str
    summary: str
    base: Base = "plan"
    own: tuple[Option, ...] = ()
    lists: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    subject: Subject = "model"
    get: bool = True
    long: bool = False
    needs: str | None = None
    tables: tuple[str, ...] = ()
    example: dict[str, object] | None = None

    @property
    def name(self) -> str:
        """The name of its work: ``launch/read`` → ``launch_read``."""
        return self.path.replace("/", "_")


FILE = "FILE"
PLAN_TARGETS = ("vllm", "sglang", "trtllm", "llama.cpp", "ollama", "transformers", "docker", "k8s",
                "kserve", "skypilot")  # fmt: skip
CARD = {"model": "llama-3.1-8b", "on": "rtx-4090", "context": 8192}
SERVED = {"model": "llama-3.1-8b", "on": "h100", "engine": "vllm", "concurrency": 8}

ROUTES = (
    Route("plan", "What a model takes, on which card it fits, and why",
          own=(Option("remedies", "search what would make it fit, as is usual", kind="flag"),),
          example=CARD),
    Route("fit", "The longest context, the most users and the best format that a card holds",
          example=CARD),
    Route("speed", "Time per token and to the first token, and where it goes",
          own=(Option("what_if", "what each remedy is worth", kind="flag"),
               Option("drafts", "tokens drafted in each step", "N", kind="count")),
          example=SERVED),
    Route("train", "What training takes on every device, and how long",
          base="training",
          own=(Option("solve", "answer with the largest, longest, fewest or cheapest that fits",
                      "NAME", choices=SOLVES),),
          example={"model": "llama-3.1-8b", "method": "lora", "on": "rtx-4090", "seq_len": 2048}),
    Route("rules", "What rules of thumb say beside the plan", example=CARD),
    Route("explain", "What a term is, and its formula with the numbers of a plan put in",
          own=(Option("term", "the term's name: kv_cache", "NAME"),), subject="maybe",
          example={**CARD, "term": "kv_cache"}),
    Route("sweep", "Totals over contexts and users", lists=("max_model_len", "concurrency"),
          without=("input_tokens", "output_tokens"), get=False,
          example={**CARD, "context": [4096, 8192], "concurrency": [1, 4]}),
    Route("room", "What contexts and users need, and which of them run at once",
          lists=("max_model_len", "concurrency"), without=("input_tokens", "output_tokens"),
          get=False, long=True,
          example={**SERVED, "context": [4096, 8192], "concurrency": [1, 4]}),
    Route("launch/read", "What a launch command means", subject="maybe", get=False,
          own=(Option("command", "the command: vllm serve …"),),
          example={"command": "vllm serve meta-llama/Llama-3.1-8B --max-model-len 8192"}),
    Route("launch/write", "The launch command of a plan", get=False,
          own=(Option("target", "what it is written for", "NAME", choices=PLAN_TARGETS),),
          example={**SERVED, "target": "vllm"}),
    Route("train/write", "The configuration of a training tool", base="training", get=False,
          own=(Option("target", "the tool", "NAME", choices=TARGETS),),
          example={"model": "llama-3.1-8b", "method": "lora", "target": "trl"}),
    Route("fleet", "How many replicas a load needs, simulated", get=False, long=True,
          needs="fleet", tables=("weighbridge.fleet.options:FLEET",),
          example={"model": "llama-3.1-8b", "on": "h100", "users": 8, "requests": 200}),
    Route("recommend", "Which hardware, engine and format serve best; or which models", get=False,
          long=True, subject="maybe", needs="recommend",
          tables=("weighbridge.options.recommend:WISHES",
                  "weighbridge.options.recommend:MODELS"),
          example={"on": "rtx-4090"}),
    Route("place", "What of a model lies on which device, in host memory or on disk", get=False,
          long=True, needs="place",
          own=(Option("host_memory", "host memory for weights: 64GB", "SIZE", kind="size"),
               Option("host_bandwidth", "bytes a second of host memory: 90GB/s", "RATE"),
               Option("disk", "weights may lie on a disk that is read at this rate", "RATE"),
               Option("prefill_weight", "seconds of a prompt's token count as often as this",
                      "W", kind="number")),
          example={"model": "llama-3.1-70b", "on": "2xrtx-4090", "host_memory": "128GB"}),
)  # fmt: skip


def available() -> tuple[Route, ...]:
    """The routes whose functions there are."""
    from weighbridge import api

    return tuple(row for row in ROUTES if row.needs is None or hasattr(api, row.needs))


def own_options(route: Route) -> tuple[Option, ...]:
    """The options of a route beside those of its base. A server reads no file for a request, so
    that an option that names one is left out, and refused."""
    return tuple(each for each in (*route.own, *_table(route)) if each.metavar != FILE)


def files_of(route: Route) -> tuple[str, ...]:
    """The options that would name a file of the server's."""
    return tuple(each.name for each in _table(route) if each.metavar == FILE)


def _table(route: Route) -> tuple[Option, ...]:
    rows: dict[str, Option] = {}
    for table in route.tables:
        module, _, name = table.partition(":")
        for option in getattr(import_module(module), name):
            rows.setdefault(option.name, option)
    return tuple(rows.values())


def plan_options() -> tuple[Option, ...]:
    """Every option of every engine, each name once."""
    rows: dict[str, Option] = {option.name: option for option in (*DEPLOYMENT, *WORKLOAD)}
    for engine in ENGINES:
        for name, option in engine_options(engine).own.items():
            rows.setdefault(name, option)
    return tuple(rows.values())


def engines_of(name: str) -> tuple[str, ...]:
    """The engines that have an option of their own by this name."""
    return tuple(engine for engine in ENGINES if name in engine_options(engine).own)


def options_of(route: Route) -> tuple[Option, ...]:
    """What a body of the route may hold beside the model."""
    base: Iterable[Option] = ()
    if route.base == "plan":
        base = plan_options()
    elif route.base == "training":
        base = TRAINING
    beside = own_options(route)
    hidden = {option.name for option in beside} | set(route.without)
    return (*(each for each in base if each.name not in hidden), *beside)
