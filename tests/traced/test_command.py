"""``weigh trace``: what is asked, what the child refuses, and what is answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from traced.tiny import LLAMA
from weighbridge.cli import main
from weighbridge.errors import ConfigError, FileFormatError, RequestError
from weighbridge.model.raw import raw_config
from weighbridge.trace.question import OPTIONS, Question, make_question
from weighbridge.trace.result import read_trace
from weighbridge.trace.settings import plain


def test_every_option_is_a_field_of_the_question() -> None:
    for option in OPTIONS:
        name = "run" if option.name == "pass" else option.name
        assert name in Question._names, name


@pytest.mark.parametrize(
    "name", ["qwen3-30b-a3b", "nemotron-h-8b", "gemma-2-9b", "gpt-oss-20b", "jamba-mini"]
)
def test_the_traced_class_has_the_parameters_of_our_facts(name: str) -> None:
    torch = pytest.importorskip("torch", reason="needs the [trace] extra")
    transformers = pytest.importorskip("transformers", reason="needs the [trace] extra")
    from weighbridge.model.load import load_model
    from weighbridge.trace.settings import make_config

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(make_config(raw_config(name)))
    assert sum(each.numel() for each in model.parameters()) == load_model(name).parameters


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"pass": "sing"}, "pass"),
        ({"batch": 0}, "batch"),
        ({"steps": 99}, "steps"),
        ({"ranks": 8}, "ranks"),
        ({"dtype": "amp-bf16"}, "--pass train"),
        ({"dtype": "amp-bf16", "pass": "train", "ranks": 8}, "one rank"),
        ({"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_questions_that_make_no_sense_are_refused(options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(RequestError, match=wrong):
        make_question({}, options)


@pytest.mark.parametrize(
    "value", ["os.system('x')", "../../etc", "a" * 257, b"x", object(), [[[[[[[[1]]]]]]]]]
)
def test_a_config_holds_plain_values_only(value: Any) -> None:
    with pytest.raises(ConfigError):
        plain("hidden_act", value)


@pytest.mark.parametrize("answer", [None, {}, {"phases": []}, {"phases": [{"name": "x"}]}])
def test_an_answer_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(FileFormatError):
        read_trace(answer)


def test_a_bare_size_has_no_code_to_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "7B"]) == 2
    assert "config.json" in capsys.readouterr().err


def test_a_model_of_the_catalogue_has_its_config() -> None:
    assert raw_config("llama-3.1-8b")["hidden_size"] == 4096


class TestChild:
    """With the extra: the process itself."""

    @pytest.fixture(autouse=True)
    def _extra(self) -> None:
        pytest.importorskip("torch", reason="needs the [trace] extra")
        pytest.importorskip("transformers", reason="needs the [trace] extra")

    def test_the_command_traces_compares_and_draws(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(LLAMA))
        code = main(["trace", str(config), "--seq-len", "64", "--compare", "--json",
                     "--capacity", "1GiB"])  # fmt: skip
        answer = json.loads(capsys.readouterr().out)
        assert code == 0
        assert answer["peak_phase"] == "prefill"
        assert answer["cache"] == {"prefill 0": 2 * 2 * 64 * 2 * 16 * 2}
        assert {term["basis"] for term in answer["terms"]} == {"traced"}
        assert answer["reserved"]["fits"] is True
        held = {line["name"]: line for line in answer["comparison"]["lines"]}
        assert held["kv_cache"]["traced"] == held["kv_cache"]["closed"]
        assert held["weights"]["error"] == pytest.approx(0, abs=0.02)  # 512-byte blocks

    def test_code_that_a_config_names_is_not_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        marker = tmp_path / "ran"
        (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\n")
        for keys in (
            {"auto_map": {"AutoModelForCausalLM": "evil.Model"}, "trust_remote_code": True},
            {"_attn_implementation_internal": f"{tmp_path}/evil"},
            {"_name_or_path": str(tmp_path)},
        ):
            (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **keys}))
            assert main(["trace", str(tmp_path), "--seq-len", "8", "--json"]) == 0
            assert not marker.exists()
        capsys.readouterr()

    def test_limits_end_a_trace_with_a_sentence(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "config.json").write_text(json.dumps(LLAMA))
        assert main(["trace", str(tmp_path), "--host-memory", "300MiB"]) == 2
        assert "weigh: error" in capsys.readouterr().err
        assert main(["trace", str(tmp_path), "--timeout", "1"]) == 2
        assert "more than 1 seconds" in capsys.readouterr().err

    def test_an_architecture_that_transformers_lacks_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "config.json").write_text(json.dumps({**LLAMA, "model_type": "nonesuch"}))
        assert main(["trace", str(tmp_path)]) == 2
        assert "no code to trace" in capsys.readouterr().err


def test_the_timeline_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the [plot] extra")
    from weighbridge.trace.plot import plot

    moments = [{"event": n, "phase": "prefill", "module": "", "live": {"parameter": n * 2**30}}
               for n in range(3)]  # fmt: skip
    phase = {"name": "prefill", "peak_bytes": 1, "end_bytes": 1, "operator": "", "module": "",
             "categories": {"parameter": 1}, "modules": {}}  # fmt: skip
    trace = read_trace({"question": {}, "versions": {}, "phases": [phase], "reserved": None,
                        "parameters": {}, "cache": {}, "timeline": moments, "notes": [],
                        "seconds": 0.1, "extended": None})  # fmt: skip
    target = tmp_path / "timeline.svg"
    plot(trace, str(target), "a model")
    assert "<svg" in target.read_text()
    with pytest.raises(RequestError, match="must end in"):
        plot(trace, str(tmp_path / "timeline.gif"), "a model")
