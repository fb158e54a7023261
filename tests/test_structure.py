"""The rules of the house that a machine can check: who may import whom, and how long things are."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "weighbridge"
FILES = sorted(SOURCE.rglob("*.py"))

# Each stage may import itself and the stages before it.
STAGES = (
    {"_version", "errors", "records", "units"},
    {"words"},
    {"term", "options"},
    {"request"},
    {"model"},
    {"formats", "hardware"},
    {"memory"},
    {"engine", "speed"},
    {"planner"},
    {"search", "rules", "trace", "fleet"},
    {"training"},
    {"launch"},
    {"measure", "check", "run", "study"},
    {"show"},
    {"api"},
    {"serve"},
    {"commands"},
    {"cli", "__init__", "__main__"},
)
# These print a plan of an earlier stage, and are imported only when one is printed.
LATE = {("planner", "show"), ("training", "show"), ("search", "show"), ("fleet", "show"),
        ("speed", "show")}  # fmt: skip
OPTIONAL = {"numpy", "pynvml", "amdsmi", "matplotlib"}
# What runs real models.
LAB = {"torch", "transformers", "peft", "bitsandbytes", "safetensors"}
# The rooms that run a model's own code; the trace's child process refuses sockets. Measuring also
# keeps rows in databases and fits constants.
IMPURE = {
    "measure": {*LAB, "pynvml", "sqlalchemy", "scipy", "numpy"},
    "run": LAB,
    "trace": {"torch", "transformers", "peft", "matplotlib"},
    "study": {"numpy", "pyarrow", "ray"},
    "serve": {
        "fastapi",
        "starlette",
        "uvicorn",
        "pydantic",
        "prometheus_client",
        "typing_extensions",
        "mcp",
        "mcp_types",
        "anyio",
        "huggingface_hub",
    },
}
# The one room that listens; its workers, who answer, open no socket.
LISTENS = "serve"
HUB, HUB_ONLY = SOURCE / "model" / "hub.py", {"huggingface_hub", "httpx2"}
SCRAPE = SOURCE / "measure" / "watch" / "scrape.py"
SOCKETS = {"socket", "ssl", "http", "urllib", "asyncio", "ftplib", "smtplib"}
CORE = ("_version", "errors", "records",
        "units", "words", "term", "options", "request", "model", "formats", "memory", "engine",
        "planner", "speed", "rules", "search", "fleet", "training", "launch", "measure", "check",
        "run", "study", "show", "api", "commands", "cli")  # fmt: skip


def stage_of(room: str) -> int:
    for number, rooms in enumerate(STAGES):
        if room in rooms:
            return number
    raise AssertionError(f"{room} has no stage; give it one in {__file__}")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            found.append((node.module or "", node.lineno))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_stage_imports_only_the_stages_above_it(path: Path) -> None:
    here = room_of(path)
    for name, line in imports(path):
        if not name.startswith("weighbridge"):
            continue
        there = name.split(".")[1] if "." in name else "_version"
        if (here, there) in LATE:
            continue
        assert stage_of(there) <= stage_of(here), f"{path}:{line}: {here} imports {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_the_core_is_the_standard_library_and_opens_no_socket(path: Path) -> None:
    for name, line in imports(path):
        top = name.split(".")[0]
        if top == "weighbridge" or (path == HUB and top in HUB_ONLY) or name == "urllib.parse":
            continue
        extra = IMPURE.get(room_of(path), set())
        assert top in sys.stdlib_module_names | OPTIONAL | extra, f"{path}:{line} imports {top}"
        if room_of(path) == LISTENS or (path == SCRAPE and top == "http"):
            continue
        assert top not in SOCKETS, f"{path}:{line} could open a socket"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_a_plan_loads_no_third_party_module() -> None:
    import subprocess

    program = (
        "import sys; before = set(sys.modules)\n"
        "from weighbridge.cli import main\n"
        "main(['llama-3.1-8b', '--on', 'rtx-4090', '--json'])\n"
        "tops = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "sys.stderr.write(' '.join(sorted(tops - set(sys.stdlib_module_names))))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stderr == "weighbridge"


def test_nothing_committed_names_a_registry() -> None:
    root = SOURCE.parent.parent
    banned = ("pypi.org/" + "simple", "files.python" + "hosted", "registry.npm" + "js")
    for path in root.rglob("*"):
        if path.suffix not in {".py", ".md", ".toml", ".txt", ".yaml", ".jsonl", ".json", ".cfg"}:
            continue
        if any(
            part.startswith(".") or part in {"build", "dist", "node_modules"}
            for part in path.relative_to(root).parts
        ):
            continue
        text = path.read_text(encoding="utf-8")
        assert not [word for word in banned if word in text], path
