"""Reading what was written gives the same request back."""

from __future__ import annotations

import argparse
import ast
import shlex
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import weighbridge as wb
from weighbridge.cli import Parser, main
from weighbridge.commands.plan import add_plan_arguments
from weighbridge.commands.shared import request_options
from weighbridge.engine import MODULES, Engine
from weighbridge.errors import LaunchError
from weighbridge.launch import (
    ENGINES,
    TARGETS,
    engine_module,
    read_command,
    target_engine,
    write,
)
from weighbridge.launch.docker import docker_words
from weighbridge.launch.kubernetes import manifests
from weighbridge.launch.settle import settle
from weighbridge.launch.skypilot import task
from weighbridge.launch.writing import settled, verify
from weighbridge.launch.yaml import write_yaml
from weighbridge.options import Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.planner import Plan
from weighbridge.records import replace
from weighbridge.request import Request, make_request

MODEL = "Qwen/Qwen3-8B"
VERSIONS = {"vllm": (0, 33, 0), "sglang": (0, 5, 23), "tensorrt-llm": (1, 2, 0),
            "llama.cpp": (0, 3, 36), "ollama": (0, 30, 0)}  # fmt: skip
WEIGHTS = {"llama.cpp": ("q4_k_m", "q8_0"), "ollama": ("q4_k_m", "q8_0")}
CACHES = ("auto", "fp8", "fp8_e4m3", "bf16")
# These say the same thing twice: llama.cpp's -c and -ctk are the common options cut to its shape.
LEFT_OUT = {"llama.cpp": {"max_model_len", "kv_cache_dtype", "program"}}
WORD = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12
).filter(lambda text: not text.startswith("-") and text.strip() == text and "\x85" not in text)


def values_of(option: Option, engine: str) -> st.SearchStrategy[Any]:
    if option.name == "weights":
        return st.sampled_from(WEIGHTS.get(engine, ("auto", "bf16", "fp16", "nf4")))
    if option.name == "kv_cache_dtype":
        return st.sampled_from(("q8_0", "q4_0") if engine == "ollama" else CACHES)
    if option.name == "limit_mm_per_prompt":
        return st.sampled_from(('{"image": 2}', '{"image": 0, "video": 0}'))
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind in {"count", "size"}:
        return st.integers(1, 10**6)
    if option.kind == "number":
        return st.floats(0.01, 100, allow_nan=False)
    return st.booleans() if option.kind == "flag" else WORD


def requests_of(engine: str) -> st.SearchStrategy[Request]:
    known = engine_options(engine)
    rows = [row for row in DEPLOYMENT if row.name in known.takes] + list(known.own.values())
    left_out = {"on", "engine", *LEFT_OUT.get(engine, ())}
    rows = [row for row in rows if row.name not in left_out] + list(WORKLOAD)
    fixed = {"weights"} if engine in WEIGHTS else set()
    strategies = {row.name: values_of(row, engine) for row in rows}
    return st.fixed_dictionaries(
        {name: each for name, each in strategies.items() if name in fixed},
        optional={name: each for name, each in strategies.items() if name not in fixed},
    ).map(lambda options: _request(engine, options))


def _request(engine: str, options: dict[str, Any]) -> Request:
    """A request; beside ``--quantization`` a 16-bit ``--dtype`` is the type of activations."""
    if "quantization" in options and options.get("weights") in {"bf16", "fp16"}:
        del options["weights"]
    return make_request(MODEL, {"engine": engine, "on": "2xh100-sxm", **options})


def parsed(words: list[str]) -> Request:
    """The request that ``weigh … -- …`` makes, by the very steps of the command line."""
    place = words.index("--")
    left, launch = words[1:place], read_command(words[place + 1 :])
    parser = Parser(allow_abbrev=False)
    add_plan_arguments(parser, left)
    for action in parser._actions:
        if action.dest == "model":
            action.nargs = "?"
    options: argparse.Namespace = parser.parse_args(left)
    model, asked, _ = settle(launch, options.model, request_options(options, left))
    return make_request(model, asked)


def same(request: Request, other: Request) -> None:
    ours, theirs = request.to_dict(), other.to_dict()
    for name in ("program",):
        ours.pop(name, None)
        theirs.pop(name, None)
    assert theirs == ours


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_command_that_verifies_is_read_as_the_request(engine: str, data: st.DataObject) -> None:
    request = settled(data.draw(requests_of(engine)), 2)
    module = engine_module(engine)
    words, carried = module.written(request)
    if engine == "tensorrt-llm":
        carried = _only_flags(request, words, module)
        words = _without_config(words)
    words = verify(request, words, carried)
    same(request, parsed(shlex.split(shlex.join(words))))


def _only_flags(request: Request, words: list[str], module: Any) -> frozenset[str]:
    """The options that stand in the words; those of the file are tested by themselves."""
    inside = {module.KEYS[key] for key, _ in module._flat(module.config_of(request))}
    return frozenset(module.written(request)[1] - inside)


def _without_config(words: list[str]) -> list[str]:
    place = words.index("--config") if "--config" in words else len(words)
    return words[:place] + words[place + 2 :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests_of("tensorrt-llm"))
def test_the_file_of_tensorrt_llm_is_read_as_the_request(request: Request) -> None:
    from weighbridge.launch.reading import Reading
    from weighbridge.launch.tensorrt_llm import KEYS, _flat, config_of, config_text, take_config
    from weighbridge.launch.yaml import parse_yaml

    reading = Reading("tensorrt-llm")
    take_config(reading, parse_yaml(config_text(request)), "file")
    wanted = {KEYS[key]: value for key, value in _flat(config_of(request))}
    assert reading.options == wanted
    assert not reading.unmodelled


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "ollama"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_container_is_read_as_its_command(engine: str, data: st.DataObject) -> None:
    yaml = pytest.importorskip("yaml")
    request = settled(data.draw(requests_of(engine)), 2)
    request = request._replace(deployment=request.deployment._replace(engine=f"{engine}==1.2.3"))
    plain = _without_config(engine_module(engine).written(request)[0])
    wanted = read_command(plain)
    words, _ = docker_words(request, 2)
    found = read_command(_without_config(shlex.split(shlex.join(words))))
    assert (found.model, found.options) == (wanted.model, wanted.options)
    assert found.devices == (0, 1)
    deployment = manifests(request, 2)[0]
    assert yaml.safe_load(write_yaml(deployment)) == deployment
    inner = deployment["spec"]["template"]["spec"]["containers"][0]
    run = ["docker", "run", inner["image"], *inner.get("command", inner.get("args"))]
    again = read_command(_without_config(run))
    assert (again.model, again.options) == (wanted.model, wanted.options)
    assert inner["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    try:
        made = task(request, "h100-sxm", 2)
    except LaunchError:
        assert engine == "tensorrt-llm"
        return
    shown = yaml.safe_load(write_yaml(made))
    assert shown["resources"]["accelerators"] == "H100:2"
    third = read_command(shlex.split(shown["run"]))
    assert (third.model, third.options) == (wanted.model, wanted.options)


@pytest.fixture(autouse=True)
def _every_engine_has_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer asks an engine how it spells its version, whether it is modelled or not."""
    for name in VERSIONS:
        if name not in MODULES:
            monkeypatch.setitem(MODULES, name, MODULES["transformers"])


def plan_of(engine: str, **options: Any) -> Plan:
    """A plan of Transformers that says it is another engine's: enough for a writer."""
    made = wb.plan(MODEL, on="2xh100-sxm", context=4096)
    request = make_request(MODEL, {"engine": engine, "on": "2xh100-sxm", **options})
    return replace(made, request=request, engine=Engine(engine, VERSIONS[engine]))


@pytest.mark.parametrize("target", [t for t in TARGETS if t != "transformers"])
def test_what_is_written_says_the_plan_and_how_to_verify_it(target: str) -> None:
    engine = target_engine(target, None)
    weights = {"weights": "q8_0"} if engine in WEIGHTS else {}
    text = write(plan_of(engine, max_num_seqs=4, **weights), target)
    lines = text.splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    assert any("GiB" in line for line in comments)
    assert any(line.startswith("# fits: ") for line in comments)
    (check,) = (line for line in comments if line.startswith("# verify: weigh "))
    assert "-- " in check
    assert read_command(shlex.split(check.partition(" -- ")[2])).engine.startswith(engine)


def test_a_plan_that_does_not_fit_is_written_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["llama-3.1-8b", "--on", "t4", "--emit", "transformers"]) == 1
    out, _ = capsys.readouterr()
    assert "# DOES NOT FIT: " in out
    assert "# try --" in out
    ast.parse(out)


@pytest.mark.parametrize("weights", ["auto", "bf16", "nf4", "int8", "gptq-int4"])
@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_the_script_of_transformers_is_python(weights: str, cache: str) -> None:
    made = wb.plan(
        MODEL, on="2xrtx-4090", weights=weights, context=2048, cache_implementation=cache,
        attention="sdpa",
    )  # fmt: skip
    text = write(made, "transformers")
    tree = ast.parse(text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    loaded = next(c for c in calls if getattr(c.func, "attr", "") == "from_pretrained")
    given = {each.arg for each in loaded.keywords}
    assert ("quantization_config" in given) == (weights in {"nf4", "int8"})
    assert "attn_implementation" in given
    generated = next(c for c in calls if getattr(c.func, "attr", "") == "generate")
    assert ("cache_implementation" in {each.arg for each in generated.keywords}) == (
        cache == "static"
    )


REFUSED = (
    (["gpt2", "--emit", "vlm"], "is not one of"),
    (["gpt2", "--engine", "transformers", "--emit", "vllm"], "writes a command of vllm"),
    (["gpt2", "--engine", "transformers", "--emit", "docker", "--on", "t4"], "has no server"),
    (["--on", "t4", "--engine", "sglang", "--", "vllm", "serve", "gpt2"], "stands before"),
    (["--on", "t4", "--max-model-len", "5", "--", "vllm", "serve", "gpt2", "--max-model-len", "6"],
     "leave one out"),
    (["--on", "t4", "--", "ollama", "serve"], "names no model"),
    (["--on", "t4", "--tp", "4", "--", "vllm", "serve", "gpt2", "-tp", "2"], "leave one out"),
    (["--on", "t4", "--emit", "sglang", "--", "vllm", "serve", "gpt2"], "writes a command of"),
    (["--on", "t4", "--"], "no command follows"),
)  # fmt: skip


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_bad_requests_are_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_name_that_could_break_out_of_a_comment_is_refused() -> None:
    made = plan_of("vllm")
    hostile = replace(made, request=made.request._replace(model="a\nrm -rf b"))
    with pytest.raises(LaunchError, match="control character"):
        write(hostile, "vllm")


@pytest.mark.parametrize("users", [1, 2, 4, 9])
@pytest.mark.parametrize("engine", ["llama.cpp", "llama.cpp==b5000"])
@pytest.mark.parametrize(
    "slots", [{}, {"max_num_seqs": 3}, {"max_num_seqs": 3, "kv_unified": True}]
)
def test_what_is_written_for_llama_cpp_takes_what_was_planned(
    users: int, engine: str, slots: dict[str, Any]
) -> None:
    made = wb.plan("llama-3.1-8b", on="rtx-4090", engine=engine, weights="q4_k_m", context=4096,
                   concurrency=users, **slots)  # fmt: skip
    (check,) = (each for each in write(made, "llama.cpp").splitlines() if "# verify: " in each)
    before, _, command = check.partition("# verify: weigh ")[2].partition(" -- ")
    given = shlex.split(before)
    asked = dict(zip((each[2:].replace("-", "_") for each in given[::2]), given[1::2], strict=True))
    name, options, _ = settle(read_command(shlex.split(command)), None, asked)
    again = wb.plan(name.replace("Llama-3.1-8B-Q4_K_M.gguf", "llama-3.1-8b"), **options)
    assert again.total == made.total
