"""llama.cpp: ``llama-server``, ``llama-cli`` and ``llama-bench``, read and written.

Flags of common/arg.cpp and tools/llama-bench/llama-bench.cpp, with those of earlier builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from os.path import basename
from typing import Any

from weighbridge.errors import LaunchError
from weighbridge.launch.arguments import Found, Style, Words, read_words
from weighbridge.launch.flags import Flags, flags_of
from weighbridge.launch.names import gguf_model, gguf_repository
from weighbridge.launch.reading import Launch, Reading, Special, flag_words, take, take_variables
from weighbridge.launch.shell import Command
from weighbridge.launch.values import truth
from weighbridge.request import Request

ENGINE = "llama.cpp"
STYLE = Style()
PORT = 8080
IMAGE = "ghcr.io/ggml-org/llama.cpp"
SERVERS = {"llama-server", "server"}
TOOLS = {"llama-cli", "main", "llama-completion", "llama-run", "llama-perplexity",
         "llama-batched-bench", "llama-simple", "llama-mtmd-cli", "llama-embedding"}  # fmt: skip
# A value below 0 leaves these to llama.cpp; 0 tokens of context are the model's own.
AUTOMATIC = {"ctx_size", "max_num_seqs", "max_num_batched_tokens", "ubatch_size", "draft_max"}
SWITCHES = {"1": "on", "true": "on", "enabled": "on", "0": "off", "false": "off", "-1": "auto",
            "disabled": "off"}  # fmt: skip
NUMBERS = ("max_num_batched_tokens", "ubatch_size", "n_cpu_moe", "main_gpu", "fit_target")


def program(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words with the program's own name first where it is one of llama.cpp's, else None."""
    name = basename(words[0]).removesuffix(".exe")
    if name in SERVERS | TOOLS or name == "llama-bench":
        return (name, *words[1:])
    if name.startswith("llama-"):
        raise LaunchError(f"{name} is not read; give llama-server, llama-cli or llama-bench")
    return None


def flags(bench: bool = False) -> Flags:
    """The flags of the server and the tools, or of llama-bench."""
    if bench:
        return flags_of("llama-bench", "llama_bench")
    return flags_of("llama.cpp", "llama_cpp")


def read(words: tuple[str, ...], command: Command) -> Launch:
    """What the program and the words behind it mean."""
    name, *rest = words
    bench = name == "llama-bench"
    reading, known = Reading(ENGINE), flags(bench)
    take_variables(reading, flags(), {} if bench else command.environment, SPECIAL)
    parsed = read_words(known, rest, STYLE)
    if parsed.positional:
        raise LaunchError(f"{name} takes no word {parsed.positional[0][:80]!r} without a flag")
    for found in _joined(parsed):
        _take(reading, found, bench)
    kind = "llama-server" if name in SERVERS else "library" if bench else "llama-cli"
    reading.options["program"] = kind
    if bench:
        _context_of_bench(reading)
    _settle_model(reading)
    return reading.launch()


def _joined(parsed: Words) -> list[Found]:
    """``-ot`` given several times adds up (common/arg.cpp parse_tensor_buffer_overrides)."""
    overrides = [found for found in parsed.found if found.flag.meaning == "override_tensor"]
    if len(overrides) < 2:
        return list(parsed.found)
    whole = Found(
        " ".join(found.words for found in overrides),
        overrides[0].flag,
        ",".join(str(found.value) for found in overrides),
    )
    return [*(found for found in parsed.found if found not in overrides), whole]


def _take(reading: Reading, found: Found, bench: bool) -> None:
    words, flag, value = found
    meaning = flag.meaning
    if bench and isinstance(value, str) and "," in value and meaning in BENCH_SINGLE:
        raise LaunchError(f"{words!r} runs several settings; weigh one of them at a time")
    if meaning in AUTOMATIC and _number(value) <= (0 if meaning != "draft_max" else -1):
        value = None
    elif meaning in NUMBERS and isinstance(value, str):
        value = _whole(words, value)
    elif meaning == "flash_attn":
        value = _switch(words, str(value))
    elif meaning == "fit":
        value = "on" if truth(str(value), "--fit") else "off"
    elif meaning == "no_kv_offload" and bench:
        value = truth(str(value), "-nkvo")
    take(reading, found._replace(value=value), SPECIAL)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 1


def _whole(words: str, value: str) -> int:
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    raise LaunchError(f"{words[:60]!r}: one whole number is read there")


def _switch(words: str, value: str) -> str:
    folded = SWITCHES.get(value.lower(), value.lower())
    if folded not in {"on", "off", "auto"}:
        raise LaunchError(f"{words[:60]!r}: flash attention is on, off or auto")
    return folded


BENCH_SINGLE = {"model", "max_num_batched_tokens", "ubatch_size", "cache_type_k", "cache_type_v",
                "n_gpu_layers", "n_cpu_moe", "split_mode", "main_gpu", "flash_attn",
                "no_kv_offload"}  # fmt: skip


def _hub(reading: Reading, words: str, value: Any) -> None:
    named = gguf_repository(str(value))
    reading.model = named.model
    reading.read["model"] = (words, f"model = {named.model}")
    reading.set(words, "weights", named.weights)
    reading.notes.append(named.note)


def _loading(reading: Reading, words: str, value: Any) -> None:
    """``--load-mode``: only ``mmap`` maps the file (common/arg.cpp)."""
    reading.set(words, "no_mmap", None if str(value) == "mmap" else True)


def _bench(key: str) -> Any:
    def note(reading: Reading, words: str, value: Any) -> None:
        numbers = [part for each in str(value).split(",") for part in _ranged(words, each)]
        reading.options["@" + key] = max(numbers)
        reading.read[key] = (words, f"tests of up to {max(numbers):,} tokens")

    return note


def _ranged(words: str, text: str) -> list[int]:
    """``512``, or a range ``0-8192+1024`` or ``0-8192*2`` of which the end counts."""
    return [_whole(words, part) for part in text.partition("+")[0].partition("*")[0].split("-")]


def _both(reading: Reading, words: str, value: Any) -> None:
    """``-pg 512,128``: a prompt and what is generated after it."""
    reading.options["@both"] = sum(_whole(words, part) for part in str(value).split(","))
    reading.read["both"] = (words, f"a test of {reading.options['@both']:,} tokens")


def _context_of_bench(reading: Reading) -> None:
    """llama-bench's context: prompt + generated + depth of each test, the largest of them."""
    prompt = reading.options.pop("@prompt", 512)
    generated = reading.options.pop("@generated", 128)
    both, depth = reading.options.pop("@both", 0), reading.options.pop("@depth", 0)
    reading.options["ctx_size"] = max(prompt, generated, both) + depth
    reading.notes.append(
        f"llama-bench runs each test in a context of its own; the largest has "
        f"{reading.options['ctx_size']:,} tokens"
    )


SPECIAL: Special = {
    "hub": _hub,
    "loading": _loading,
    "prompt": _bench("prompt"),
    "generated": _bench("generated"),
    "depth": _bench("depth"),
    "both": _both,
}


def _settle_model(reading: Reading) -> None:
    if not reading.model or "model" in reading.read:
        return
    reading.notes.append("")
    named = gguf_model(reading.model)
    reading.model = named.model
    if named.weights is not None:
        reading.options.setdefault("weights", named.weights)
    reading.notes[-1:] = [named.note] if named.note else []


def own_environment() -> Mapping[str, str]:
    """Variables that a container of the engine needs."""
    return {}


def settled(request: Request) -> Request:
    """The request with the slots that a plan opens for its users, where it names none."""
    from weighbridge.engine.llama_cpp.settings import slots_of
    from weighbridge.engine.llama_cpp.versions import NEWEST, parse_version

    deployment, users = request.deployment, request.workload.concurrency
    if users == 1 or deployment.max_num_seqs is not None:
        return request
    version = parse_version(deployment.engine.partition("==")[2]) or NEWEST
    slots, unified = slots_of(deployment, version, users)
    own = {**deployment.own, **({"kv_unified": True} if unified else {})}
    return request._replace(deployment=deployment._replace(max_num_seqs=slots, own=own))


def written(request: Request) -> tuple[list[str], frozenset[str]]:
    """The command of a request, and the options that it carries."""
    options = {**request.deployment._asdict(), **request.deployment.own}
    name = {"llama-cli": "llama-cli"}.get(str(options.get("program")), "llama-server")
    model = request.model if _is_file(request.model) else _file_name(request)
    words = [name, "-m", model]
    carried = {"weights"} if not _is_file(request.model) else set()
    carried |= {"program"} if options.get("program") in {None, name} else set()
    for option, value in options.items():
        flag = flags().writer(option)
        if value is None or option in {"own", "on", "engine", "weights", "program"}:
            continue
        if flag is None or (option == "no_mmap" and not value):
            continue
        found = flag_words(flag, value, negatives=False)
        if found is not None:
            words += [_short(flag.names[0], found[0]), *found[1:]]
            carried.add(option)
    length = options.get("max_model_len")
    if length is not None and options.get("ctx_size") is None:
        shared = request.workload.concurrency if options.get("kv_unified") else None
        words += ["-c", str(length * (shared or options.get("max_num_seqs") or 1))]
    kind = options.get("kv_cache_dtype")
    if kind not in {None, "auto"} and not options.get("cache_type_k"):
        words += ["-ctk", _ggml(str(kind)), "-ctv", _ggml(str(kind))]
    return words, frozenset(carried)


def _ggml(kind: str) -> str:
    return {"fp16": "f16", "fp32": "f32"}.get(kind, kind)


def _short(first: str, long: str) -> str:
    """The short name that people type; a negation keeps its own."""
    return first if not long.startswith("--no-") or first == "-nkvo" else long


def _is_file(model: str) -> bool:
    return model.lower().endswith(".gguf")


def _file_name(request: Request) -> str:
    """The name that a GGUF file of a model in a format has by custom."""
    from weighbridge.launch.vllm import model_word

    name = basename(model_word(request.model))
    weights = request.deployment.weights
    kind = {"auto": "BF16", "fp16": "F16", "fp32": "F32"}.get(weights, weights.upper())
    return f"{name}-{kind}.gguf"
