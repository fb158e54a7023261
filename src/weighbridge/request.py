"""What is asked: frozen dataclasses shared by the command line, Python, the API and MCP.

Every field carries, in its metadata, the flag that sets it on the command line, its aliases and
its help, so that one definition serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.units import parse_count

ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2")
CACHES = ("dynamic", "static", "offloaded")
LARGEST_COUNT = 10**9
CACHE_DTYPES = ("auto", "fp32", "bf16", "fp16", "fp8")


def option(
    default: Any,
    help: str,
    *aliases: str,
    parse: str = "text",
    choices: tuple[str, ...] = (),
    metavar: str = "",
) -> Any:
    """A request field: its default, its help, further flags, and how its text is read."""
    return field(
        default=default,
        metadata={
            "help": help,
            "aliases": aliases,
            "parse": parse,
            "choices": choices,
            "metavar": metavar,
        },
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the model is to run: hardware, engine, formats."""

    on: str | None = option(
        None, "card or machine: rtx-4090, 2xH100, H100:2, 24GiB", metavar="CARD"
    )
    engine: str = option(
        "transformers", "engine, with its version: transformers==5.23.0", metavar="NAME[==VERSION]"
    )
    weights: str = option(
        "auto",
        "format of the weights: bf16, fp8, int8, nf4, nf4-dq, …",
        "--dtype",
        metavar="FORMAT",
    )
    kv_cache_dtype: str = option(
        "auto", "type of the KV cache", choices=CACHE_DTYPES, metavar="TYPE"
    )
    attn_implementation: str = option(
        "auto",
        "attention kernel: eager, sdpa, flash_attention_2",
        choices=ATTENTION,
        metavar="NAME",
    )
    cache_implementation: str = option(
        "dynamic",
        "how the cache grows: dynamic, static, offloaded",
        choices=CACHES,
        metavar="NAME",
    )
    max_model_len: int | None = option(
        None,
        "tokens a sequence holds, prompt and output together",
        "--context",
        parse="count",
        metavar="TOKENS",
    )


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked of it: tokens in, tokens out, sequences at once."""

    input_tokens: int | None = option(
        None, "tokens of the prompt", "--isl", parse="count", metavar="TOKENS"
    )
    output_tokens: int | None = option(
        None, "tokens to generate", "--osl", parse="count", metavar="TOKENS"
    )
    concurrency: int = option(
        1, "sequences at once", "--batch", "--max-num-seqs", parse="count", metavar="N"
    )


@dataclass(frozen=True, slots=True)
class Request:
    """A model, how it runs, and what is asked of it."""

    model: str
    deployment: Deployment = Deployment()
    workload: Workload = Workload()

    def to_dict(self) -> dict[str, Any]:
        """Every option by its name."""
        flat: dict[str, Any] = {"model": self.model}
        for part in (self.deployment, self.workload):
            flat |= {each.name: getattr(part, each.name) for each in fields(part)}
        return flat


ALIASES = {
    "context": "max_model_len",
    "isl": "input_tokens",
    "osl": "output_tokens",
    "batch": "concurrency",
    "max_num_seqs": "concurrency",
    "dtype": "weights",
    "attention": "attn_implementation",
}


def make_request(model: str, options: Mapping[str, Any]) -> Request:
    """A :class:`Request` from options by name or alias, each checked.

    Raises :class:`RequestError` on an unknown option, a contradiction or an impossible value.
    """
    if not isinstance(model, str):
        raise RequestError(f"the model is a name or a path, not {type(model).__name__}")
    parts: dict[type, dict[str, Any]] = {Deployment: {}, Workload: {}}
    known = {each.name: (part, each) for part in parts for each in fields(part)}
    for given, value in options.items():
        name = ALIASES.get(given, given)
        if name not in known:
            from difflib import get_close_matches

            close = get_close_matches(name, [*known, *ALIASES], n=1)
            hint = f"; did you mean {close[0]}" if close else ""
            raise RequestError(f"there is no option {given!r}{hint}")
        part, definition = known[name]
        if value is not None and name in parts[part]:
            raise RequestError(f"{given} and another name of {name} are both given")
        if value is not None:
            parts[part][name] = _checked(name, value, definition.metadata)
    workload = Workload(**parts[Workload])
    if workload.concurrency < 1:
        raise RequestError("concurrency is 0; at least one sequence runs at once")
    return Request(model, Deployment(**parts[Deployment]), workload)


def _checked(name: str, value: Any, metadata: Mapping[str, Any]) -> Any:
    if metadata["parse"] == "count":
        count = parse_count(value, name)
        if count > LARGEST_COUNT:
            raise RequestError(f"{name} {count:,} is more than {LARGEST_COUNT:,}, which none holds")
        return count
    if not isinstance(value, str):
        raise RequestError(f"{name} is a text, not {type(value).__name__}")
    if metadata["choices"] and value not in metadata["choices"]:
        raise RequestError(f"{name} {value!r} is not one of {', '.join(metadata['choices'])}")
    return value


class Tokens(NamedTuple):
    """The lengths that a request settles on: prompt, output and the positions a cache then holds.

    The fields may be int64 arrays in a sweep.
    """

    prompt: Any
    output: Any
    notes: tuple[str, ...] = ()

    @property
    def cached(self) -> Any:
        """Positions cached at the end: the last generated token is never fed back."""
        return self.prompt + self.output - 1

    @property
    def context(self) -> Any:
        """Prompt and output together."""
        return self.prompt + self.output


def settle_tokens(request: Request, longest: int | None, *, generates: bool) -> Tokens:
    """Prompt and output from whichever of context, input and output are given.

    A context alone is read as the worst case for memory: a prompt that fills it. ``longest`` is
    what the model's positions allow.
    """
    context = request.deployment.max_model_len
    prompt, output = request.workload.input_tokens, request.workload.output_tokens
    for name, value in (("max_model_len", context), ("input_tokens", prompt)):
        if value == 0:
            raise RequestError(f"{name} is 0; a sequence has at least one token")
    if output == 0 or not generates:
        output = 1
    if prompt is None:
        settled = _from_context(context, output, longest, generates=generates)
    else:
        settled = _from_prompt(context, prompt, output)
    if longest is not None and settled.cached > longest:
        said = f"{settled.cached:,} tokens are more than the {longest:,} positions of the model"
        settled = settled._replace(notes=(*settled.notes, said))
    return settled


def _from_prompt(context: int | None, prompt: int, output: int | None) -> Tokens:
    if context is not None and prompt + (output or 1) > context + 1:
        asked = f"input_tokens {prompt:,}" + (f" + output_tokens {output:,}" if output else "")
        raise RequestError(f"{asked} are more than max_model_len {context:,}")
    if output is None:
        output = 1 if context is None else max(context - prompt, 1)
    return Tokens(prompt, output)


def _from_context(
    context: int | None, output: int | None, longest: int | None, *, generates: bool
) -> Tokens:
    notes: list[str] = []
    if context is None:
        context = DEFAULT_CONTEXT if longest is None else min(DEFAULT_CONTEXT, longest)
        notes.append(f"context of {context:,} tokens assumed; set it with --context")
    if output is None or output <= 1:
        if generates:
            notes.append("a prompt that fills the context is assumed, the worst case")
        return Tokens(context, 1, tuple(notes))
    if output >= context:
        raise RequestError(
            f"output_tokens {output:,} leave no room for a prompt in {context:,} tokens"
        )
    return Tokens(context - output, output, tuple(notes))


DEFAULT_CONTEXT = 8192
