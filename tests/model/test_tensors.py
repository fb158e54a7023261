"""The tensor table."""

from __future__ import annotations

import dataclasses
import time

import pytest

from weighbridge.model.tensors import BITS_PER_ELEMENT, Tensor, TensorTable

ROWS = (
    Tensor("a", "F32", (2, 3), 24),
    Tensor("b", "BF16", (4,), 8),
    Tensor("c", "F32", (), 4),
    Tensor("d", "F4", (0, 7), 0),
)
TABLE = TensorTable(ROWS)


def test_tensor_is_frozen_and_slotted() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROWS[0].name = "z"  # type: ignore[misc]
    assert not hasattr(ROWS[0], "__dict__")


@pytest.mark.parametrize(("row", "elements"), [*zip(ROWS, (6, 4, 1, 0), strict=True)])
def test_elements_of_a_tensor(row: Tensor, elements: int) -> None:
    assert row.elements == elements


def test_totals() -> None:
    assert TABLE.total_bytes == 36
    assert TABLE.elements == 11
    assert TensorTable().total_bytes == TensorTable().elements == len(TensorTable()) == 0


def test_by_dtype_keeps_order_and_loses_nothing() -> None:
    parts = TABLE.by_dtype()
    assert list(parts) == ["F32", "BF16", "F4"]
    assert parts["F32"] == TensorTable((ROWS[0], ROWS[2]))
    assert sum(part.total_bytes for part in parts.values()) == TABLE.total_bytes


def test_looks_up_by_name() -> None:
    assert TABLE.get("b") is ROWS[1]
    assert TABLE.get("nothing") is None
    assert "b" in TABLE
    assert "nothing" not in TABLE
    assert list(TABLE.names()) == ["a", "b", "c", "d"]


def test_is_a_sequence() -> None:
    assert tuple(TABLE) == ROWS
    assert TABLE[-1] is ROWS[-1]
    assert TABLE[1:3] == TensorTable(ROWS[1:3])
    assert TABLE.index(ROWS[2]) == 2
    assert ROWS[0] in TABLE
    assert Tensor("a", "F32", (3, 2), 24) not in TABLE


def test_equality_and_hash() -> None:
    assert TensorTable(ROWS) == TABLE
    assert hash(TensorTable(ROWS)) == hash(TABLE)
    assert TensorTable(ROWS[:2]) != TABLE
    assert TABLE != ROWS
    assert repr(TABLE) == "<TensorTable of 4 tensors, 36 bytes>"


def test_refuses_two_tensors_of_one_name() -> None:
    with pytest.raises(ValueError, match="same name"):
        TensorTable((ROWS[0], ROWS[0]))


def test_a_hundred_thousand_tensors_are_cheap() -> None:
    rows = [Tensor(f"layers.{i}.weight", "BF16", (64, 64), 8192) for i in range(100_000)]
    start = time.process_time()
    table = TensorTable(rows)
    assert table.total_bytes == 100_000 * 8192
    assert table.get("layers.99999.weight") is rows[-1]
    assert time.process_time() - start < 0.5


def test_the_bits_are_those_of_the_safetensors_library() -> None:
    safetensors = pytest.importorskip("safetensors")
    for dtype, bits in BITS_PER_ELEMENT.items():
        header = f'{{"a":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,{bits}]}}}}'
        raw = len(header).to_bytes(8, "little") + header.encode() + bytes(bits)
        ((name, found),) = safetensors.deserialize(raw)
        assert (name, found["dtype"], found["shape"]) == ("a", dtype, [8])
