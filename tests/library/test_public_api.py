"""The public surface: names, kinds and signatures, as tests/truth/public_api.txt keeps them.

A change of that file is a change of the promise in docs/library.md: say it in CHANGELOG.md.
"""

from __future__ import annotations

import inspect
import runpy
from importlib import import_module
from pathlib import Path

import pytest

import weighbridge as wb

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "truth" / "public_api.txt"
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def surface() -> list[str]:
    lines = []
    for name in sorted(set(wb.__all__) - {"__version__"}):
        # A name that is a room as well is a module that can be called: its function is the promise.
        value = getattr(import_module(f"weighbridge.{wb._WHERE[name]}"), name)
        if inspect.isfunction(value):
            lines.append(f"{name}{inspect.signature(value)}")
            continue
        own = [each for each in dir(value) if not each.startswith("_")]
        lines += [f"class {name}", *(f"{name}.{each}" for each in own)]
    return lines


def test_the_public_surface_is_the_one_that_is_promised():
    assert surface() == KEPT.read_text(encoding="utf-8").splitlines()


def test_the_package_says_that_it_is_typed():
    assert (Path(wb.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints(path, capsys):
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
