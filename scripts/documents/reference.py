"""Options, terms, engines, errors and the Python interface, from the tables that define them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib import import_module

import weighbridge as wb
from scripts.documents.asked import TERM_WORDS, makers
from scripts.documents.text import code, grid, page
from weighbridge import api
from weighbridge import errors as tree
from weighbridge.engine import MODULES, parse_engine
from weighbridge.launch import TARGETS
from weighbridge.options import ENGINES, Option, engine_options
from weighbridge.options.common import DEPLOYMENT, WORKLOAD
from weighbridge.options.recommend import MODELS, WISHES
from weighbridge.options.training import GROUPS
from weighbridge.term import LADDER, NAMES

RUNGS = {
    "rule": "a rule of thumb",
    "assumed": "nothing was stated; a usual value is taken and said",
    "config": "computed from the model's config.json",
    "header": "read from the headers of the checkpoint's files",
    "traced": "computed by a formula that was held against traces of the real code",
    "calibrated": "a constant fitted on measured runs",
    "measured": "measured",
}
HEADER = ("option", "Python", "value", "what it is")


def _rows(options: Iterable[Option]) -> list[tuple[str, str, str, str]]:
    return [
        (
            ", ".join(code(flag) for flag in (option.flag, *option.aliases)),
            code(option.name),
            code(", ".join(option.choices))
            or (option.kind if option.metavar in {"", "TEXT"} else f"`{option.metavar}`"),
            option.help,
        )
        for option in options
    ]


def options() -> str:
    """Every option, by where it belongs."""
    parts = [
        "The same name everywhere: a flag of the command line, a keyword in Python, a key in JSON. "
        "A count takes `32k` = 32,000 and `32K` = 32,768; a size says GB or GiB.",
        "## Deployment\n\n" + grid(HEADER, _rows(DEPLOYMENT)),
        "## Workload\n\n" + grid(HEADER, _rows(WORKLOAD)),
    ]
    for engine in ENGINES:
        known = engine_options(engine)
        common = [option.flag for option in DEPLOYMENT if option.name in known.takes]
        parts.append(
            f"## {engine}\n\nTakes of the deployment: {', '.join(map(code, common))}. "
            f"Its own:\n\n{grid(HEADER, _rows(known.own.values()))}"
        )
    parts += [f"## Training: {title}\n\n{grid(HEADER, _rows(rows))}" for title, rows in GROUPS]
    parts.append("## Recommendation\n\n" + grid(HEADER, _rows((*WISHES, *MODELS))))
    return page("Options", *parts)


def terms() -> str:
    """Every term: what it is, and who makes it in the plans asked below."""
    made = makers()
    rows = [(code(name), TERM_WORDS[name], ", ".join(made.get(name, ()))) for name in NAMES]
    ladder = [(code(rung), RUNGS[rung]) for rung in LADDER]
    return page(
        "Terms",
        "A plan is a sum of terms, each with bounds, a basis and a formula. "
        "[How each is known](../explanation/terms.md) opens them.",
        grid(("term", "what it is", "who makes it"), rows),
        "## Basis\n\nFrom the weakest to the strongest; a sum is as strong as its weakest part.",
        grid(("basis", "meaning"), ladder),
    )


def version_words(engine: str) -> tuple[str, str]:
    """Oldest and newest version modelled, as the engine writes them."""
    newest = parse_engine(engine)
    for where in (MODULES[engine], *(f"{MODULES[engine]}.{m}" for m in ("versions", "setup"))):
        try:
            oldest = getattr(import_module(where), "OLDEST", None)
        except ModuleNotFoundError:
            continue
        if oldest is not None:
            return newest._replace(version=oldest).version_text, newest.version_text
    return "any", newest.version_text


def engines() -> str:
    """Every engine with its versions, and what is written for launching it."""
    rows = [(code(name), *version_words(name), _said(name)) for name in MODULES]
    return page(
        "Engines and versions",
        "`--engine NAME` takes the newest version; `--engine NAME==VERSION` another.",
        grid(("engine", "oldest", "newest", "what is modelled"), rows),
        "## What `--emit` writes\n\n" + ", ".join(code(name) for name in sorted(TARGETS)) + ".",
    )


def _said(engine: str) -> str:
    return (inspect.getdoc(import_module(MODULES[engine])) or "").split("\n\n")[0]


def errors() -> str:
    """The exceptions, as a tree, and each in words."""
    found = [
        each
        for _, each in inspect.getmembers(tree, inspect.isclass)
        if issubclass(each, tree.WeighbridgeError)
    ]
    found.sort(key=lambda each: [base.__name__ for base in reversed(each.__mro__)])
    rows = [
        (code(each.__name__), code(each.__base__.__name__ if each.__base__ else ""),
         inspect.getdoc(each) or "")
        for each in found
    ]  # fmt: skip
    return page(
        "Errors",
        "Catch `weighbridge.WeighbridgeError` for all of them. Every message is one sentence: "
        "what was wrong, where, and what would be right. On the command line an `InputError` is "
        "exit code 2; see [exit codes](commands.md#exit-codes).",
        grid(("exception", "is a", "when"), rows),
    )


def python() -> str:
    """What `weighbridge` offers to Python."""
    parts = []
    for name in wb.__all__:
        if name.startswith("__"):
            continue
        # A room with the name of a function stands in its place once it was imported.
        value = getattr(api, name, None) or getattr(wb, name)
        signature = ""
        if inspect.isfunction(value):
            signature = str(inspect.signature(value))
        said = _prose(inspect.getdoc(value) or "")
        methods = _members(value) if inspect.isclass(value) else ""
        parts.append(f"## {name}\n\n" + (f"`{name}{signature}`\n\n" if signature else "")
                     + said + methods)  # fmt: skip
    return page(
        "Python",
        "`import weighbridge as wb`. Keywords are the [options](options.md) of the command line.",
        *parts,
    )


def _prose(text: str) -> str:
    """A docstring with its examples as a block."""
    words, arrow, example = text.partition("\n>>> ")
    words = words.replace("``", "`")
    return words + (f"\n```pycon\n>>> {example.rstrip()}\n```" if arrow else "")


def _members(value: type) -> str:
    rows = []
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        said = inspect.getdoc(member) if isinstance(member, property) or callable(member) else ""
        if said and not said.startswith("Alias for field"):
            kind = "" if isinstance(member, property) else "()"
            rows.append((code(name + kind), said.split("\n\n")[0].replace("``", "`")))
    return "\n\n" + grid(("member", "what it is"), rows) if rows else ""
