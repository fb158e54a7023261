"""``weigh run``: load a model in the memory that is here, generate, and compare with the plan."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.commands.shared import KNOWN, Run, count, format_of, print_json

WEIGHTS = ("auto", "bf16", "fp16", "fp32", "int8", "nf4", "nf4-dq")


def build(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Run:
    """Arguments of the command, and what runs it."""
    del arguments
    parser.add_argument("model", metavar="MODEL", help=KNOWN)
    group = parser.add_argument_group("what is asked")
    group.add_argument("--prompt", required=True, metavar="TEXT", help="what it continues")
    tokens = count("--max-new-tokens")
    group.add_argument("--max-new-tokens", "--output-tokens", type=tokens, default=64,
                       metavar="TOKENS", help="most to generate (default 64)")  # fmt: skip
    group.add_argument("--chat", action="store_true", help="the prompt as a turn of its template")
    group.add_argument("--sample", action="store_true", help="draw tokens instead of the likeliest")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
    group.add_argument("--keep-going", action="store_true", help="do not stop at the end of text")
    group = parser.add_argument_group("how it is loaded")
    group.add_argument("--weights", "--dtype", choices=WEIGHTS, default="auto",
                       help="format (default: the best that fits)")  # fmt: skip
    group.add_argument("--attn-implementation", default="auto", metavar="NAME",
                       choices=("auto", "eager", "sdpa", "flash_attention_2"),
                       help="attention: eager, sdpa, flash_attention_2")  # fmt: skip
    group.add_argument("--on", metavar="ROOM", help="cpu for host memory alone; cpu-8GiB or 16GiB "
                       "limits what is used (default: what this machine has free)")  # fmt: skip
    group.add_argument("--random-weights", action="store_true",
                       help="the model's shape without its checkpoint")  # fmt: skip
    group.add_argument("--trust-remote-code", metavar="MODEL",
                       help="run the code that this very model brings")  # fmt: skip
    group.add_argument("--yes", action="store_true", help="download without asking")
    group.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS",
                       help="longest time (default 3600)")  # fmt: skip
    group.add_argument("--into", metavar="FILE", help="append the measurement to this file")
    group.add_argument("--emit", action="store_true", help="print the program, and run nothing")
    return _run


def _run(options: argparse.Namespace) -> int:
    from weighbridge.run.choose import Refused
    from weighbridge.run.session import prepare
    from weighbridge.show.run import needs_to_text, refused_to_dict, refused_to_text

    json = format_of(options) == "json"
    ready = prepare(_wanted(options))
    if isinstance(ready, Refused):
        if json:
            print_json(refused_to_dict(ready))
        else:
            print(refused_to_text(ready), file=sys.stderr)
        return 1
    if options.emit:
        print(_script(ready), end="")
        return 0
    print(needs_to_text(ready), file=sys.stderr)
    _asked(ready.source.download, yes=options.yes)
    return _executed(ready, options, json=json)


def _wanted(options: argparse.Namespace) -> Any:
    from weighbridge.run.session import Wanted

    return Wanted(
        options.model, options.prompt, options.max_new_tokens, options.weights,
        options.attn_implementation, options.on, options.random_weights,
        options.trust_remote_code, options.chat, options.sample, options.seed,
        not options.keep_going, options.timeout,
    )  # fmt: skip


def _script(ready: Any) -> str:
    from weighbridge.run.script import write
    from weighbridge.run.session import stored_dtype
    from weighbridge.trace.question import DTYPES

    stored = f"torch.{DTYPES[stored_dtype(ready.choice)]}"
    wanted = ready.wanted
    return write(ready.choice, wanted.model, wanted.prompt, wanted.max_new_tokens, ready.config,
                 stored)  # fmt: skip


def _asked(download: int, *, yes: bool) -> None:
    """Nothing is downloaded that was not agreed to."""
    from weighbridge.errors import RequestError
    from weighbridge.units import format_bytes

    if not download or yes:
        return
    if not sys.stdin.isatty():
        raise RequestError(f"{format_bytes(download)} would be downloaded; add --yes to agree")
    print(f"download {format_bytes(download)}? [y/N] ", end="", flush=True, file=sys.stderr)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RequestError("nothing was downloaded, and nothing was run")


def _executed(ready: Any, options: argparse.Namespace, *, json: bool) -> int:
    from weighbridge.measure.record import append
    from weighbridge.run.session import execute
    from weighbridge.show.run import result_to_text

    result = execute(ready, _silent if json else _heard)
    if options.into:
        append(options.into, [result.record])
    if json:
        print_json(result.to_dict())
        return 0
    if not ready.model.generates:
        print(result.text)
    print("\n" + result_to_text(result))
    return 0


def _silent(_: Mapping[str, Any]) -> None:
    """A program reads the result alone."""


def _heard(event: Mapping[str, Any]) -> None:
    """Progress to standard error where a person sees it, text to standard output."""
    from weighbridge.show.run import bar
    from weighbridge.show.style import encodable

    if event["event"] == "text":
        print(encodable(event["text"], sys.stdout.encoding), end="", flush=True)
    elif event["event"] == "progress" and sys.stderr.isatty():
        line = bar(event["what"], event["done"], event["total"])
        end = "\n" if event["done"] >= event["total"] else ""
        print(encodable(line, sys.stderr.encoding), end=end, flush=True, file=sys.stderr)
