"""GGUF: the header, the model that it describes, and the split that it may be a part of."""

from __future__ import annotations

from contextlib import suppress

from fuzz.held import held
from weighbridge.errors import InputError
from weighbridge.memory.cache import cache_elements, state_bytes
from weighbridge.model.families.gguf import read_gguf_model
from weighbridge.model.gguf import read_gguf_header
from weighbridge.model.gguf_splits import read_gguf

HOLE = 2**36


def one(data: bytes) -> None:
    """As it is, and again with the data that most headers ask for, which is a hole."""
    with suppress(InputError):
        read_gguf_header(held(data, "model.gguf"))
    with suppress(InputError):
        path = held(data, "model.gguf", HOLE)
        header = read_gguf_header(path)
        described = header.header_bytes + header.tensors.total_bytes + header.padding_bytes
        assert described == header.file_bytes
        model = read_gguf_model(read_gguf(path), "model.gguf")
        groups = model.layer_groups()
        assert model.parameters >= 0
        assert cache_elements(groups, 4096) >= 0
        assert state_bytes(groups, 2) >= 0
