"""Units: what is read, what is refused, and what comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import UnitError
from weighbridge.units import (
    GIB,
    ceil_div,
    format_bytes,
    format_bytes_decimal,
    format_parameters,
    maximum,
    minimum,
    parse_count,
    parse_size,
    where,
)

COUNTS = [
    ("8192", 8192),
    ("32k", 32_000),
    ("32K", 32_768),
    ("25.6k", 25_600),
    ("1m", 1_000_000),
    ("1M", 1_048_576),
    ("131_072", 131_072),
    ("0", 0),
]
SIZES = [
    ("24GB", 24_000_000_000),
    ("24GiB", 25_769_803_776),
    ("24 gib", 25_769_803_776),
    ("1.5TB", 1_500_000_000_000),
    ("0.1GiB", 107_374_182),
    ("512MiB", 536_870_912),
    ("17b", 17),
]


@pytest.mark.parametrize(("text", "value"), COUNTS, ids=[c[0] for c in COUNTS])
def test_counts(text: str, value: int) -> None:
    assert parse_count(text) == value


@pytest.mark.parametrize(("text", "value"), SIZES, ids=[s[0] for s in SIZES])
def test_sizes(text: str, value: int) -> None:
    assert parse_size(text) == value


@pytest.mark.parametrize("text", ["", "-5", "1.5", "32q", "1e9", "٣٢", "9" * 30, "1" * 100, "nan"])
def test_bad_counts(text: str) -> None:
    with pytest.raises(UnitError):
        parse_count(text)


@pytest.mark.parametrize("text", ["", "24", "-1GB", "24GG", "1e3GB", "infGB", "9" * 30 + "GB"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(UnitError):
        parse_size(text)


@pytest.mark.parametrize("text", ["24G", "24g", "512M", "1T"])
def test_a_size_must_say_which_unit(text: str) -> None:
    with pytest.raises(UnitError, match=r"powers of 1000.*powers of 1024"):
        parse_size(text)


@given(st.integers(0, 2**40))
def test_plain_counts_come_back(value: int) -> None:
    assert parse_count(str(value)) == parse_count(value) == value


@given(st.integers(0, 2**20), st.sampled_from(["KiB", "MiB", "GiB", "kB", "MB", "GB"]))
def test_sizes_are_exact(value: int, unit: str) -> None:
    factor = parse_size(f"1{unit}")
    assert parse_size(f"{value}{unit}") == value * factor


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_ceil_div(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


def test_helpers_take_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1, 5, 9], dtype=numpy.int64)
    assert minimum(array, 5).tolist() == [1, 5, 5]
    assert maximum(5, array).tolist() == [5, 5, 9]
    assert ceil_div(array, 4).tolist() == [1, 2, 3]
    assert where(array > 4, 1, 0).tolist() == [0, 1, 1]
    assert minimum(3, 4) == 3
    assert maximum(3, 4) == 4


def test_texts() -> None:
    assert format_bytes(16_060_522_496) == "14.96 GiB"
    assert format_bytes_decimal(16_060_522_496) == "16.06 GB"
    assert format_bytes(0) == "0 B"
    assert format_bytes(-GIB) == "-1.00 GiB"
    assert format_bytes(1023) == "1,023 B"
    assert format_parameters(8_030_261_248) == "8.03B"
    assert format_parameters(671_026_404_352) == "671B"
    assert format_parameters(22_713_216) == "22.71M"
