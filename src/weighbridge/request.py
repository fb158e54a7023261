"""What is asked: plain frozen records shared by the command line, Python, the API and MCP.

Each option is one row of a table beside its record: the flags that set it, how its text is read,
what it may be, and its help. The command line is built from the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.units import parse_count

ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2")
CACHES = ("dynamic", "static", "offloaded")
CACHE_DTYPES = ("auto", "fp32", "bf16", "fp16", "fp8")
LARGEST_COUNT = 10**9
DEFAULT_CONTEXT = 8192


class Deployment(NamedTuple):
    """How the model is to run: hardware, engine, formats."""

    on: str | None = None
    engine: str = "transformers"
    weights: str = "auto"
    kv_cache_dtype: str = "auto"
    attn_implementation: str = "auto"
    cache_implementation: str = "dynamic"
    max_model_len: int | None = None


class Workload(NamedTuple):
    """What is asked of it: tokens in, tokens out, sequences at once."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    concurrency: int = 1


class Option(NamedTuple):
    """One field of a record as the command line takes it; ``counts`` says that it is a count."""

    name: str
    help: str
    metavar: str
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    counts: bool = False


DEPLOYMENT = (
    Option("on", "card or machine: rtx-4090, 2xH100, H100:2, 24GiB", "CARD"),
    Option("engine", "engine, with its version: transformers==5.23.0", "NAME[==VERSION]"),
    Option("weights", "format of the weights: bf16, fp8, int8, nf4, nf4-dq, …", "FORMAT",
           ("--dtype",)),
    Option("kv_cache_dtype", "type of the KV cache", "TYPE", choices=CACHE_DTYPES),
    Option("attn_implementation", "attention kernel: eager, sdpa, flash_attention_2", "NAME",
           choices=ATTENTION),
    Option("cache_implementation", "how the cache grows: dynamic, static, offloaded", "NAME",
           choices=CACHES),
    Option("max_model_len", "tokens a sequence holds, prompt and output together", "TOKENS",
           ("--context",), counts=True),
)  # fmt: skip
WORKLOAD = (
    Option("input_tokens", "tokens of the prompt", "TOKENS", ("--isl",), counts=True),
    Option("output_tokens", "tokens to generate", "TOKENS", ("--osl",), counts=True),
    Option("concurrency", "sequences at once", "N", ("--batch", "--max-num-seqs"), counts=True),
)


class Request(NamedTuple):
    """A model, how it runs, and what is asked of it."""

    model: str
    deployment: Deployment = Deployment()
    workload: Workload = Workload()

    def to_dict(self) -> dict[str, Any]:
        """Every option by its name."""
        return {"model": self.model, **self.deployment._asdict(), **self.workload._asdict()}


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
    rows = {option.name: option for option in (*DEPLOYMENT, *WORKLOAD)}
    given: dict[str, Any] = {}
    for key, value in options.items():
        name = ALIASES.get(key, key)
        if name not in rows:
            from difflib import get_close_matches

            close = get_close_matches(name, [*rows, *ALIASES], n=1)
            hint = f"; did you mean {close[0]}" if close else ""
            raise RequestError(f"there is no option {key!r}{hint}")
        if value is not None and name in given:
            raise RequestError(f"{key} and another name of {name} are both given")
        if value is not None:
            given[name] = _checked(rows[name], value)
    deployment = {name: value for name, value in given.items() if name in Deployment._fields}
    workload = {name: value for name, value in given.items() if name in Workload._fields}
    request = Request(model, Deployment(**deployment), Workload(**workload))
    if request.workload.concurrency < 1:
        raise RequestError("concurrency is 0; at least one sequence runs at once")
    return request


def _checked(option: Option, value: Any) -> Any:
    if option.counts:
        count = parse_count(value, option.name)
        if count > LARGEST_COUNT:
            raise RequestError(
                f"{option.name} {count:,} is more than {LARGEST_COUNT:,}, which none holds"
            )
        return count
    if not isinstance(value, str):
        raise RequestError(f"{option.name} is a text, not {type(value).__name__}")
    if option.choices and value not in option.choices:
        raise RequestError(f"{option.name} {value!r} is not one of {', '.join(option.choices)}")
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
