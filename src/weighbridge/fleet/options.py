"""The options of a fleet beside those of a request: the same names everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from weighbridge.errors import RequestError
from weighbridge.fleet.arrivals import PROCESSES
from weighbridge.fleet.fleet import WARM, Layout
from weighbridge.fleet.lengths import parse_lengths
from weighbridge.fleet.metrics import Objective
from weighbridge.fleet.router import ROUTERS
from weighbridge.fleet.traces import read_trace
from weighbridge.fleet.workload import Prefix, Traffic
from weighbridge.options import Option, read_value
from weighbridge.request import Request, make_request

USUAL_INPUT, USUAL_OUTPUT = 1024, 256
MOST_REQUESTS = 10**7

FLEET = (
    Option("users", "users who each ask again when they have been answered", "N", kind="count"),
    Option("think", "seconds that a user thinks before asking again, on average", "SECONDS",
           ("--think-time",), kind="number"),
    Option("rate", "requests a second, where no users are named", "R", kind="number"),
    Option("arrivals", "how requests at a rate come: poisson, bursty, constant", "NAME",
           choices=PROCESSES),
    Option("cv", "deviation of the gaps of bursty arrivals over their mean", "X", kind="number"),
    Option("trace", "CSV file of arrival, input and output to replay (may be .gz)", "FILE"),
    Option("input_lengths", "fixed, uniform:LOW-HIGH or lognormal:CV about --input-tokens", "SPEC"),
    Option("output_lengths", "the same about --output-tokens", "SPEC"),
    Option("prefix_tokens", "tokens that prompts of a group have in common", "TOKENS",
           kind="count"),
    Option("prefix_groups", "how many such groups there are", "N", kind="count"),
    Option("requests", "requests to simulate", "N", kind="count", most=MOST_REQUESTS),
    Option("warmup", "share of the first requests that is not measured", "SHARE", kind="number"),
    Option("seed", "seed of everything random", "N", kind="count"),
    Option("replicas", "replicas of the engine; without it, the fewest that meet the objective",
           "N", kind="count"),
    Option("prefill_replicas", "further replicas that only read prompts, the others only decode",
           "N", kind="count"),
    Option("router", "who gets a request: round-robin, least-loaded, prefix-aware", "NAME",
           choices=tuple(ROUTERS)),
    Option("slo_ttft", "objective: seconds to the first token", "SECONDS",
           ("--ttft",), kind="number"),
    Option("slo_tpot", "objective: seconds per further token", "SECONDS",
           ("--tpot",), kind="number"),
    Option("slo_e2e", "objective: seconds to the end of the answer", "SECONDS",
           ("--e2e",), kind="number"),
    Option("slo_share", "percent of the requests that must meet all of them", "PERCENT",
           kind="number"),
    Option("answer_times", "seconds to the end of the answer, each with its fewest cards: 1,2.5",
           "LIST"),
    Option("prices", "JSON lines of your own prices", "FILE"),
)  # fmt: skip
NAMES = frozenset(option.name for option in FLEET)


# What is asked where nothing is: to the first token as long as one waits, then the pace of reading.
USUAL_TTFT, USUAL_TPOT = 10.0, 0.1


class Asking(NamedTuple):
    """A request of a fleet, settled; ``assumed`` says that its objective is the usual one."""

    request: Request
    traffic: Traffic
    objective: Objective
    layout: Layout
    search: bool
    answers: tuple[float, ...]
    warm: float
    prices: str | None
    assumed: bool = False


def settle(model: str, options: Mapping[str, Any]) -> Asking:
    """Read the options of a fleet; RequestError says what is contradictory or missing."""
    given = {name: read_value(option, options[name]) for option in FLEET
             if options.get(name := option.name) is not None}  # fmt: skip
    plain = {name: value for name, value in options.items() if name not in NAMES}
    plain.setdefault("engine", "vllm")
    request = make_request(model, plain)
    if request.workload.concurrency != 1:
        raise RequestError("a fleet's load is --users or --rate; leave --concurrency out")
    traffic = _traffic(request, given)
    objective = Objective(
        given.get("slo_ttft"), given.get("slo_tpot"), given.get("slo_e2e"),
        given.get("slo_share", Objective().share),
    )  # fmt: skip
    if not 0 < objective.share <= 100:
        raise RequestError(f"--slo-share is {objective.share:g}; it is a percentage up to 100")
    answers = _answers(given.get("answer_times"))
    replicas = given.get("replicas")
    assumed = replicas is None and not objective.asked and not given.get("prefill_replicas")
    if assumed:
        objective = objective._replace(ttft=USUAL_TTFT, tpot=USUAL_TPOT)
    if replicas == 0:
        raise RequestError("--replicas is 0; at least one replica serves")
    search = replicas is None and objective.asked
    layout = Layout(replicas or 1, given.get("router", Layout().router),
                    given.get("prefill_replicas", 0))  # fmt: skip
    if layout.prefill and (search or answers):
        raise RequestError("--prefill-replicas needs --replicas: both counts are then yours")
    warm = given.get("warmup", WARM)
    if not 0 <= warm < 1:
        raise RequestError(f"--warmup is {warm:g}; it is a share below 1")
    return Asking(request, traffic, objective, layout, search, answers, warm, given.get("prices"),
                  assumed)  # fmt: skip


def _traffic(request: Request, given: Mapping[str, Any]) -> Traffic:
    users, rate = given.get("users"), given.get("rate")
    trace = read_trace(given["trace"]) if "trace" in given else None
    if users is not None and rate is not None:
        raise RequestError("--users and --rate are both given; users set their own rate")
    if users is None and rate is None and trace is None:
        raise RequestError("a fleet needs --users, --rate or --trace")
    if users == 0:
        raise RequestError("--users is 0; at least one asks")
    for name in ("cv",):
        if name in given and given.get("arrivals") != "bursty":
            raise RequestError(f"--{name} is of bursty arrivals; add --arrivals bursty")
    if trace is not None and ("input_lengths" in given or "output_lengths" in given):
        raise RequestError("a trace has its own lengths; leave --input-lengths and the other out")
    workload = request.workload
    inputs = workload.input_tokens or USUAL_INPUT
    outputs = workload.output_tokens or USUAL_OUTPUT
    count = given.get("requests") or _usual_count(users, rate, trace and len(trace.when))
    return Traffic(
        parse_lengths(given.get("input_lengths", "fixed"), inputs, "--input-lengths"),
        parse_lengths(given.get("output_lengths", "fixed"), outputs, "--output-lengths"),
        users, given.get("think", 0.0), rate, given.get("arrivals", "poisson"),
        given.get("cv", 1.0), trace,
        Prefix(given.get("prefix_tokens", 0), max(given.get("prefix_groups", 1), 1)),
        count, given.get("seed", 0),
    )  # fmt: skip


def _usual_count(users: int | None, rate: float | None, trace: int | None) -> int:
    """Enough for a steady state: four rounds of all users, two minutes at a rate, a whole trace."""
    if users is not None:
        return min(max(4 * users, 1000), 100_000)
    if rate is not None and trace is None:
        return min(max(round(120 * rate), 1000), 100_000)
    return trace or 1000


def _answers(text: str | None) -> tuple[float, ...]:
    if not text:
        return ()
    try:
        times = tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        times = ()
    if not times or not all(0 < each < 1e6 for each in times) or len(times) > 12:
        raise RequestError(f"--answer-times {text[:40]!r} is not a list of seconds such as 1,2.5")
    return times
