"""``weigh fleet``: arrivals, lengths, traces, routing, prefixes, disaggregation, search, cost."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from random import Random
from statistics import mean, pstdev

import pytest

import weighbridge as wb
from weighbridge.cli import main
from weighbridge.errors import FileFormatError, InputError
from weighbridge.fleet.answer import FleetAnswer
from weighbridge.fleet.arrivals import arrivals
from weighbridge.fleet.lengths import draw, parse_lengths
from weighbridge.fleet.metrics import spread
from weighbridge.fleet.simulate import Cancelled
from weighbridge.fleet.traces import read_trace

TRUTH = Path(__file__).parents[1] / "truth"
SMALL = {"on": "H100", "rate": 4, "input_tokens": 512, "output_tokens": 64, "requests": 300}


def fleet(**more: object) -> FleetAnswer:
    return wb.fleet("llama-3.1-8b", **{**SMALL, **more})


def run(**more: object):  # type: ignore[no-untyped-def]
    best = fleet(**more).best
    assert best is not None
    return best.run


@pytest.mark.parametrize(("process", "cv"), [("poisson", 1.0), ("bursty", 3.0), ("constant", 0.0)])
def test_gaps_have_the_mean_and_the_deviation_that_were_asked(process: str, cv: float) -> None:
    times = arrivals(process, 5.0, 40_000, Random(1), cv)
    gaps = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    assert mean(gaps) == pytest.approx(0.2, rel=0.06)
    assert pstdev(gaps) / mean(gaps) == pytest.approx(cv, rel=0.06, abs=1e-6)


@pytest.mark.parametrize("text", ["fixed", "uniform:512-1536", "lognormal:1.0"])
def test_lengths_have_the_mean_that_was_asked(text: str) -> None:
    lengths = parse_lengths(text, 1024, "--input-lengths")
    assert mean(draw(lengths, 40_000, Random(1), 10**6)) == pytest.approx(1024, rel=0.03)


@pytest.mark.parametrize(
    "text", ["uniform:9-3", "uniform:0-5", "lognormal:0", "normal:3", "", "fixed:2"]
)
def test_a_distribution_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a distribution"):
        parse_lengths(text, 100, "--input-lengths")


def test_percentiles_are_nearest_ranks() -> None:
    found = spread(range(1, 101))
    assert (found.p50, found.p90, found.p95, found.p99, found.mean) == (50, 90, 95, 99, 50.5)


def test_the_azure_traces_are_what_their_authors_say() -> None:
    """Azure/AzurePublicDataset, AzureLLMInferenceDataset2023 (CC-BY 4.0)."""
    conversation = read_trace(str(TRUTH / "azure_llm_2023_conv.csv.gz"))
    code = read_trace(str(TRUTH / "azure_llm_2023_code.csv.gz"))
    assert (len(conversation.when), len(code.when)) == (19366, 8819)
    assert round(mean(conversation.input)) == 1155
    assert round(mean(code.output), 1) == 27.9
    again = conversation.repeated(40_000)
    assert len(again.when) == 40_000
    assert all(a <= b for a, b in zip(again.when, again.when[1:], strict=False))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("arrival,input,output\n", "no requests"),
        ("a,b\n1,2\n", "no column"),
        ("arrival,input,output\n1,x,3\n", "row 2 cannot be read"),
        ("arrival,input,output\n1,2\n", "row 2 cannot be read"),
        ("arrival,input,output\n1,-5,3\n", "out of bounds"),
        ("arrival,input,output\n1,1e99,3\n", "out of bounds"),
        ("arrival,input,output\nnan,1,3\n", "out of bounds"),
        ("arrival,input,output\n" + "1" * 5000 + "\n", "over 4,096"),
    ],
)
def test_a_trace_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said):
        read_trace(str(path))


def test_a_cut_archive_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"arrival,input,output\n1,2,3\n" * 100)[:-20])
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_trace(str(path))


def test_the_same_seed_gives_the_same_answer_and_another_another() -> None:
    assert fleet(seed=3).to_dict() == fleet(seed=3).to_dict()
    assert fleet(seed=3).to_dict()["fleet"] != fleet(seed=4).to_dict()["fleet"]


def test_more_load_waits_longer_and_more_replicas_less() -> None:
    calm, busy = run(rate=2), run(rate=40)
    assert busy.measures.tpot.p95 > calm.measures.tpot.p95
    assert run(rate=40, replicas=4).measures.e2e.p95 < busy.measures.e2e.p95


def test_bursts_wait_longer_than_poisson() -> None:
    plain, bursty = run(rate=20), run(rate=20, arrivals="bursty", cv=8)
    assert bursty.measures.ttft.p99 > plain.measures.ttft.p99


def test_users_hold_their_own_concurrency() -> None:
    """Little: users = rate × (answer + thinking)."""
    found = run(rate=None, users=40, think=2, requests=2000)
    measures = found.measures
    assert measures.requests_per_second * (measures.e2e.mean + 2) == pytest.approx(40, rel=0.08)


def test_a_known_prefix_is_not_computed_again() -> None:
    cold, warm = run(prefix_tokens=0), run(prefix_tokens=448, prefix_groups=3)
    assert warm.hits > 0.9
    assert warm.use.arithmetic < cold.use.arithmetic
    assert warm.measures.ttft.mean < cold.measures.ttft.mean


def test_a_router_that_knows_prefixes_hits_more() -> None:
    plain, aware = (
        run(prefix_tokens=448, prefix_groups=60, replicas=4, router=name)
        for name in ("round-robin", "prefix-aware")
    )
    assert aware.hits > plain.hits


def test_prompts_on_replicas_of_their_own_do_not_disturb_those_who_decode() -> None:
    together = run(rate=30, input_tokens=4096, replicas=2)
    apart = run(rate=30, input_tokens=4096, replicas=1, prefill_replicas=1)
    assert apart.cards == together.cards
    assert apart.measures.itl.p99 < together.measures.itl.p99
    assert apart.prefill_use is not None
    assert apart.prefill_use.arithmetic > apart.use.arithmetic


def test_the_fewest_cards_meet_the_objective_and_one_replica_less_does_not() -> None:
    found = fleet(rate=60, slo_tpot=0.012, tp=1, requests=1500)
    assert found.met
    assert found.best is not None
    fewest = found.best.run.layout.replicas
    assert fewest > 1
    again = fleet(rate=60, slo_tpot=0.012, tp=1, requests=1500, replicas=fewest - 1)
    assert again.best is not None
    assert again.best.run.measures.met < 0.95


def test_what_no_fleet_meets_is_said() -> None:
    found = fleet(slo_e2e=0.01)
    assert (found.met, found.best) == (False, None)


def test_what_fits_nowhere_is_one_sentence() -> None:
    with pytest.raises(InputError, match="fits in no layout"):
        wb.fleet("llama-3.1-70b", on="rtx-4090", rate=1, tp=1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rate": None}, "needs --users, --rate or --trace"),
        ({"users": 5}, "both given"),
        ({"on": None}, "no card was named"),
        ({"engine": "transformers"}, "not modelled"),
        ({"router": "best"}, "not one of"),
        ({"concurrency": 8}, "leave --concurrency out"),
        ({"answer_times": "soon"}, "not a list of seconds"),
        ({"slo_share": 0}, "percentage"),
        ({"warmup": 1}, "share below 1"),
        ({"cv": 3}, "bursty"),
        ({"arrivals": "bursty"}, "needs --cv"),
        ({"users": 5, "rate": None, "arrivals": "constant"}, "of a --rate"),
        ({"think": 3}, "of users"),
        ({"prefix_tokens": 5000}, "prompts have"),
        ({"prefix_groups": 3}, "needs --prefix-tokens"),
        ({"replicas": 0}, "at least one"),
        ({"requests": 10**8}, "more than"),
        ({"prefill_replicas": 1, "slo_e2e": 1}, "needs --replicas"),
    ],
)
def test_bad_input_is_one_sentence(more: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        fleet(**more)


def test_a_caller_is_told_and_can_stop() -> None:
    told: list[tuple[str, float]] = []
    wb.fleet("llama-3.1-8b", on_progress=lambda what, share: told.append((what, share)), **SMALL)
    assert told[0][1] == 0.0
    assert told[-1][1] == 1.0
    with pytest.raises(Cancelled):
        wb.fleet("llama-3.1-8b", on_progress=lambda what, share: True, **SMALL)


def test_the_command_prints_json_with_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    line = ("fleet llama-3.1-8b --on H100 --rate 4 --input-tokens 512 --output-tokens 64 "
            "--requests 200 --slo-e2e 5 --json")  # fmt: skip
    assert main(line.split()) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == 1
    assert data["fleet"]["cards"] == 1
    assert data["fleet"]["cost"]["low"] < data["fleet"]["cost"]["high"]
    assert data["fleet"]["use"]["bus"] > data["fleet"]["use"]["arithmetic"] > 0


def test_where_nothing_is_fast_enough_it_says_how_fast_one_request_is() -> None:
    found = wb.fleet("llama-3.1-8b", on="2xh100", rate=2, requests=200, slo_ttft=0.001)
    assert found.best is None
    alone = found.to_dict()["alone"]
    assert alone["ttft"] > 0.001
    assert alone["e2e"] > alone["ttft"] + alone["tpot"]
    assert "meets nobody takes" in str(found)
    assert "in bf16 on" in str(found)
    assert any("of 2 cards named" in note for note in found.notes)


def test_a_fleet_that_is_too_slow_exits_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    line = "fleet llama-3.1-8b --on H100 --rate 4 --requests 100 --slo-e2e 0.01"
    assert main(line.split()) == 1
    assert "no number of these cards" in capsys.readouterr().out


def test_latency_against_load_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "load.svg"
    line = f"fleet llama-3.1-8b --on H100 --rate 4 --requests 100 --plot {picture}"
    assert main(line.split()) == 0
    assert "answers a second" in picture.read_text()
    capsys.readouterr()
