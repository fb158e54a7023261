"""What is asked: plain frozen records shared by the command line, Python, the API and MCP.

Which options there are, and how each is read, stands in the tables of ``options``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.options import AUTO, EngineOptions, Option, engine_options, read_value
from weighbridge.options.common import DEPLOYMENT, WORKLOAD

DEFAULT_CONTEXT = 8192


class Deployment(NamedTuple):
    """How the model is to run: hardware, engine, formats, layout.

    None is the engine's own default. ``own`` holds the options that only this engine has, by name.
    """

    on: str | None = None
    engine: str = "transformers"
    weights: str = "auto"
    kv_cache_dtype: str = "auto"
    attn_implementation: str = "auto"
    cache_implementation: str = "dynamic"
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory: int | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    decode_context_parallel_size: int | None = None
    enable_expert_parallel: bool = False
    calibration: str | None = None
    own: Mapping[str, Any] = MappingProxyType({})


class Workload(NamedTuple):
    """What is asked of it: tokens in, tokens out, sequences at once."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    concurrency: int = 1


class Training(NamedTuple):
    """How a model is trained. None is the default of the method, spelled out in the answer."""

    method: str = "full"
    objective: str = "sft"
    optimizer: str = "adamw"
    optimizer_rank: int = 128
    precision: str | None = None
    lora_rank: int = 16
    lora_targets: str = "all-linear"
    lora_dropout: float = 0.0
    adapter_dtype: str | None = None
    dora: bool = False
    quantization: str | None = None
    kbit_upcast: bool | None = None
    quantize_experts: bool = False
    micro_batch: int = 1
    seq_len: int | None = None
    grad_accumulation: int = 1
    batching: str = "equal"
    dataset_tokens: int | None = None
    price_per_hour: float | None = None
    checkpointing: str | None = None
    attn_implementation: str = "sdpa"
    kernels: str = "torch"
    loss: str = "auto"
    keep_outputs: bool = True
    expandable_segments: bool = False
    on: str | None = None
    sharding: str | None = None
    offload: str = "none"
    data_parallel_size: int | None = None
    tensor_parallel_size: int = 1
    sequence_parallel: bool | None = None
    pipeline_parallel_size: int = 1
    pipeline_schedule: str = "1f1b"
    virtual_stages: int = 1
    context_parallel_size: int = 1
    expert_parallel_size: int = 1
    expert_tensor_parallel_size: int | None = None


class TrainingRequest(NamedTuple):
    """A model, and how it is trained."""

    model: str
    training: Training = Training()

    def to_dict(self) -> dict[str, Any]:
        """Every option by its name."""
        return {"model": self.model, **self.training._asdict()}


class Request(NamedTuple):
    """A model, how it runs, and what is asked of it."""

    model: str
    deployment: Deployment = Deployment()
    workload: Workload = Workload()

    def to_dict(self) -> dict[str, Any]:
        """Every option by its name: the common ones that the engine takes, and its own."""
        takes = engine_options(self.deployment.engine).takes
        common = {k: v for k, v in self.deployment._asdict().items() if k in takes}
        return {
            "model": self.model,
            **common,
            **self.deployment.own,
            **self.workload._asdict(),
        }


ALIASES = {
    "context": "max_model_len",
    "isl": "input_tokens",
    "osl": "output_tokens",
    "batch": "concurrency",
    "dtype": "weights",
    "attention": "attn_implementation",
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "dp": "data_parallel_size",
    "dcp": "decode_context_parallel_size",
    "ep": "enable_expert_parallel",
}


def make_request(model: str, options: Mapping[str, Any]) -> Request:
    """A :class:`Request` from options by name or alias, each checked.

    Raises :class:`RequestError` on an unknown option, a contradiction or an impossible value.
    """
    if not isinstance(model, str):
        raise RequestError(f"the model is a name or a path, not {type(model).__name__}")
    engine = options.get("engine") or Deployment().engine
    known = engine_options(engine) if isinstance(engine, str) else EngineOptions(frozenset(), {})
    rows = {option.name: option for option in (*DEPLOYMENT, *WORKLOAD, *known.own.values())}
    given: dict[str, Any] = {}
    for key, value in options.items():
        name = _known(ALIASES.get(key, key), key, rows, engine)
        if value is not None and name in given:
            raise RequestError(f"{key} and another name of {name} are both given")
        if value is not None:
            given[name] = read_value(rows[name], value)
    _check_taken(given, known, engine)
    if given.get("max_model_len") == AUTO and engine.partition("==")[0] not in FINDS_CONTEXT:
        raise RequestError("max_model_len auto is vLLM's; give a number of tokens")
    if engine.partition("==")[0] == "transformers":
        _batch_of_transformers(given)
    deployment = {k: given[k] for k in given if k in Deployment._fields}
    workload = {k: given[k] for k in given if k in Workload._fields}
    own = {k: given[k] for k in given if k in known.own}
    request = Request(model, Deployment(**deployment, own=own), Workload(**workload))
    for name in (*POSITIVE, "concurrency"):
        if given.get(name) == 0:
            raise RequestError(f"{name} is 0; {POSITIVE.get(name, 'at least one sequence runs')}")
    return request


FINDS_CONTEXT = ("vllm",)
POSITIVE = {
    "max_num_seqs": "an engine admits at least one sequence",
    "max_num_batched_tokens": "a step has at least one token",
    "tensor_parallel_size": "at least one device holds a layer",
    "pipeline_parallel_size": "there is at least one stage",
    "data_parallel_size": "there is at least one replica",
    "decode_context_parallel_size": "at least one rank holds a cache",
    "gpu_memory_utilization": "an engine needs a share of the device",
}


TRAINING_ALIASES = {
    "optim": "optimizer",
    "max_length": "seq_len",
    "context": "seq_len",
    "per_device_train_batch_size": "micro_batch",
    "gradient_accumulation_steps": "grad_accumulation",
    "gradient_checkpointing": "checkpointing",
    "dp": "data_parallel_size",
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "cp": "context_parallel_size",
    "ep": "expert_parallel_size",
    "etp": "expert_tensor_parallel_size",
    "r": "lora_rank",
}
MAY_BE_ZERO = frozenset({"lora_dropout", "dataset_tokens", "price_per_hour"})


def make_training(model: str, options: Mapping[str, Any]) -> TrainingRequest:
    """A :class:`TrainingRequest` from options by name or alias, each checked."""
    from weighbridge.options.training import TRAINING

    if not isinstance(model, str):
        raise RequestError(f"the model is a name or a path, not {type(model).__name__}")
    rows = {option.name: option for option in TRAINING}
    given: dict[str, Any] = {}
    for key, value in options.items():
        name = _known(TRAINING_ALIASES.get(key, key), key, rows, "training", TRAINING_ALIASES)
        if value is not None and name in given:
            raise RequestError(f"{key} and another name of {name} are both given")
        if value is not None:
            given[name] = read_value(rows[name], value)
            if given[name] == 0 and rows[name].kind == "count" and name not in MAY_BE_ZERO:
                raise RequestError(f"{name} is 0; it is at least 1")
    return TrainingRequest(model, Training(**given))


def _known(
    name: str,
    key: str,
    rows: Mapping[str, Option],
    engine: str,
    aliases: Mapping[str, str] = ALIASES,
) -> str:
    if name in rows:
        return name
    from difflib import get_close_matches

    close = get_close_matches(name, [*rows, *aliases], n=1)
    hint = f"; did you mean {close[0]}" if close else ""
    raise RequestError(f"there is no option {key!r} of {engine}{hint}")


def _check_taken(given: Mapping[str, Any], known: EngineOptions, engine: str) -> None:
    """A common option that the engine does not have is refused, not dropped."""
    common = {option.name for option in DEPLOYMENT}
    for name, value in given.items():
        plain = value == getattr(Deployment(), name, None)
        if known.takes and name in common - known.takes and not plain:
            raise RequestError(f"{engine.partition('==')[0]} has no {name}; leave it out")


def _batch_of_transformers(given: dict[str, Any]) -> None:
    """``max_num_seqs`` is another name of the batch where nothing schedules sequences."""
    if "max_num_seqs" in given:
        if "concurrency" in given:
            raise RequestError("max_num_seqs and another name of concurrency are both given")
        given["concurrency"] = given.pop("max_num_seqs")


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


def settle_tokens(
    request: Request, longest: int | None, *, generates: bool, default: int | None = None
) -> Tokens:
    """Prompt and output from whichever of context, input and output are given.

    A context alone is read as the worst case for memory: a prompt that fills it. ``longest`` is
    what the model's positions allow, ``default`` the context that an engine takes by itself.
    """
    context = request.deployment.max_model_len
    context = None if context == AUTO else context
    prompt, output = request.workload.input_tokens, request.workload.output_tokens
    for name, value in (("max_model_len", context), ("input_tokens", prompt)):
        if value == 0:
            raise RequestError(f"{name} is 0; a sequence has at least one token")
    if output == 0 or not generates:
        output = 1
    if prompt is None:
        own = (default, longest) if default is not None else (DEFAULT_CONTEXT, longest)
        settled = _from_context(context, output, own, generates=generates)
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
    context: int | None,
    output: int | None,
    defaults: tuple[int | None, ...],
    *,
    generates: bool,
) -> Tokens:
    notes: list[str] = []
    if context is None:
        context = min(length for length in defaults if length is not None)
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
