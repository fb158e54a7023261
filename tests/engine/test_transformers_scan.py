"""Mamba's plain scan: live bytes of Mamba-130M, measured on a processor (measurements/)."""

from __future__ import annotations

import pytest

from weighbridge.engine.transformers.scan import scan
from weighbridge.model.load import load_model


@pytest.mark.parametrize(
    ("element", "tokens", "measured"), [(2, 16, 5_470_720), (4, 512, 184_287_232)]
)
def test_the_scan_is_counted_to_the_byte(element: int, tokens: int, measured: int) -> None:
    model = load_model("state-spaces/mamba-130m-hf")
    found = scan(model.layers[0].mixer, model.hidden, element, tokens)  # type: ignore[arg-type]
    assert found.plain == measured
    assert found.fused < found.plain
