"""Whatever the words or the lines are: an answer, or one sentence."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.cli import main
from weighbridge.errors import InputError
from weighbridge.launch import ENGINES, engine_module, read_command
from weighbridge.measure.logs import ENGINES as LOGS
from weighbridge.measure.logs import read_lines

STARTS = (
    ["vllm", "serve"], ["vllm", "bench", "latency"], ["sglang", "serve"], ["trtllm-serve"],
    ["llama-server"], ["llama-bench"], ["ollama", "run"], ["docker", "run"], ["env"],
    ["bash", "-c"],
)  # fmt: skip
FLAGS = sorted({name for e in ENGINES for name in engine_module(e).flags().by_name})
WORDS = (
    st.sampled_from(FLAGS)
    | st.sampled_from(["-1", "0", "auto", "on", "{}", "[]", '{"a": [1]}', "nan", "1e999", "9" * 30])
    | st.text(max_size=12)
    | st.builds("{}={}".format, st.sampled_from(FLAGS), st.text(max_size=8))
    | st.builds("{}.{} ".format, st.sampled_from(FLAGS), st.text(max_size=8))
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(STARTS), st.lists(WORDS, max_size=8))
def test_no_words_break_the_reader(start: list[str], words: list[str]) -> None:
    with suppress(InputError):
        assert read_command([*start, *words]).engine


PIECES = sorted({key for module in LOGS for key in module.KEYS})
NUMBERS = ("1", "-2.14", "9" * 40, "1.2.3", ".", "1,000", "0")
FRAGMENTS = st.sampled_from(
    [*PIECES, *NUMBERS, "GiB", "MiB", "GB", " buffer size = ", "CUDA0 ", "took ", "x", "(", ")",
     "GPU 0 has a total capacity of ", " of which ", " is free", ": ", "tokens", "{'a': 1}"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(FRAGMENTS | st.text(max_size=6), max_size=10).map("".join), max_size=5))
def test_no_lines_break_the_reader(lines: list[str]) -> None:
    with suppress(InputError):
        assert read_lines(lines).engine


ABSURD = ("Model loading took 1.2.3 GiB", "GPU KV cache size: " + "9" * 5000 + " tokens",
          "# GPU blocks: " + "9" * 5000, "CUDA out of memory. Tried to allocate 1.1.1 GiB.",
          "llama: CUDA0 model buffer size = ... MiB")  # fmt: skip


@pytest.mark.parametrize("line", ABSURD, ids=lambda line: line[:20])
def test_a_number_that_is_none_is_passed_over(line: str) -> None:
    seen = read_lines([line, "Model loading took 2.00 GiB"])
    assert [term.bytes for term in seen.terms] == [2 * 2**30]
    assert len(seen.notes) <= 1


COMMANDS = (
    ("vllm", "vllm serve Qwen/Qwen3-30B-A3B -tp 2 --max-model-len 40960 --port 8000"),
    ("sglang", "sglang serve --model-path Qwen/Qwen3-8B --tp-size 2 --port 8000"),
    ("tensorrt-llm", "trtllm-serve Qwen/Qwen3-8B --tp_size 2 --port 8000"),
    ("llama.cpp", "llama-server -m Qwen3-8B-Q4_K_M.gguf -c 32768 -np 1 -ngl 99 --port 8000"),
    ("ollama", "ollama run qwen3:8b --keepalive 5m"),
)


@pytest.mark.parametrize(("engine", "command"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_weigh_before_a_command(
    capsys: pytest.CaptureFixture[str], engine: str, command: str
) -> None:
    code = main(["--on", "2xh100-sxm", "--", *command.split()])
    out, err = capsys.readouterr()
    assert code in {0, 1}, err
    assert engine in out.lower()
    assert "the command" in out
    assert "no effect on device memory" in out
