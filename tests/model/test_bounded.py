"""Bounded reads: config files, hostile JSON, and how a path and a value look in an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import FileFormatError, ModelReferenceError
from weighbridge.model.bounded import label, parse_json_object, quoted
from weighbridge.model.checkpoint import read_config
from weighbridge.model.shards import parse_index


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "holds a JSON list, where an object is needed"),
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' appears twice"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' appears twice"),
        (b'{"a": "\xff"}', "is not UTF-8 at byte 7"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"a": [' + b"[]," * 100_000, "brackets"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "thousands of digits"),
        (b"{}" + b" " * 10_000_000, "at most 10,000,000"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ],
)
def test_refuses_hostile_configs(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read_config(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_config_reads_what_real_configs_hold(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"time_step_limit": [0.0, Infinity], "rope_theta": 1e6, "x": null}')
    assert read_config(str(path)) == {
        "time_step_limit": [0.0, float("inf")],
        "rope_theta": 1e6,
        "x": None,
    }
    with pytest.raises(ModelReferenceError, match="does not exist"):
        read_config(tmp_path / "nothing.json")


def test_pairs_of_surrogates_are_one_character() -> None:
    assert parse_json_object(b'{"a": "\\ud83d\\ude00"}', "it") == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/b.json", "a/b.json"),
        ("a\nb\x1b[2J", "a\ufffdb\ufffd[2J"),
        ("\udcff", "\ufffd"),
        ("x" * 400, "…" + "x" * 299),
    ],
)
def test_a_path_is_shown_in_one_line(path: str, shown: str) -> None:
    assert label(path) == shown


@pytest.mark.parametrize("value", ["a\n" * 1000, ["\u202e"] * 1000, {"\ud800": None}, 10**70])
def test_a_value_is_shown_in_one_short_line(value: object) -> None:
    assert len(quoted(value)) <= 80
    assert quoted(value).isprintable()


def refused_or_read(raw: bytes) -> None:
    """Neither of the two readers may raise anything but its own error."""
    try:
        parse_index(parse_json_object(raw, "it"), "it")
    except FileFormatError as error:
        message = str(error)
    else:
        return
    assert message.isprintable()


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused_politely(raw: bytes) -> None:
    refused_or_read(raw)
    refused_or_read(b'{"weight_map": {' + raw)


@given(
    st.dictionaries(
        st.text(st.characters(), max_size=5),
        st.text(st.characters(), max_size=20) | st.integers() | st.none(),
        max_size=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_random_weight_maps_name_plain_files_or_are_refused(weight_map: dict) -> None:
    refused_or_read(json.dumps({"weight_map": weight_map}).encode())
