"""The small YAML: what it reads, what PyYAML makes of what it writes, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.errors import LaunchError
from weighbridge.launch.yaml import parse_yaml, write_yaml

READ: tuple[tuple[str, Any], ...] = (
    ("", {}),
    ("---\na: 1\n", {"a": 1}),
    ("a: 1 # one\nb: x#y\nc: '#'\n", {"a": 1, "b": "x#y", "c": "#"}),
    ("a: true\nb: null\nc: ~\nd:\n", {"a": True, "b": None, "c": None, "d": None}),
    ("a: 0.9\nb: 1e-3\nc: -4\n", {"a": 0.9, "b": 1e-3, "c": -4}),
    ("a: [1, 2]\nb: {c: x, d: 'y'}\n", {"a": [1, 2], "b": {"c": "x", "d": "y"}}),
    ('a: {"b": [1, {"c": true}]}\n', {"a": {"b": [1, {"c": True}]}}),
    ("a:\n  b:\n    c: 1\n  d: 2\ne: 3\n", {"a": {"b": {"c": 1}, "d": 2}, "e": 3}),
    ("a:\n- 1\n- 2\nb:\n  - x: 1\n    y: 2\n  - x: 3\n",
     {"a": [1, 2], "b": [{"x": 1, "y": 2}, {"x": 3}]}),
    ('a: "x\\ty: z"\nb: \'it\'\'s\'\n', {"a": "x\ty: z", "b": "it's"}),
    ("model: org/name\nurl: http://x:80/y\n", {"model": "org/name", "url": "http://x:80/y"}),
)  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), READ)
def test_a_text_is_read(text: str, wanted: Any) -> None:
    assert parse_yaml(text) == wanted


REFUSED = (
    "a: &x 1", "a: *x", "a: !!python/object:os.system x", "a: |\n  text", "a: >\n  text",
    "just words", "a: 1\na: 2", "- 1\n- 2", "a: [1, 2", 'a: "x', "a: 'x", "a: 1\n   b: 2",
    "\t a: 1", "a:\n" + "".join(" " * n + "a:\n" for n in range(1, 60)),
)  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_is_refused(text: str) -> None:
    with pytest.raises(LaunchError):
        parse_yaml(text)


SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_pyyaml_reads_back_what_was_written(value: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    if value:
        assert yaml.safe_load(write_yaml(value)) == value


@settings(deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        found = parse_yaml(text)
    except LaunchError:
        return
    assert isinstance(found, dict)
