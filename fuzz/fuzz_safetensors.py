"""Safetensors: a header as a file, a header in memory, and an index of shards."""

from __future__ import annotations

from contextlib import suppress

from fuzz.held import held
from weighbridge.errors import InputError
from weighbridge.model.bounded import parse_json_object
from weighbridge.model.checkpoint import read_checkpoint
from weighbridge.model.safetensors import LENGTH_BYTES, header_length, parse_header
from weighbridge.model.shards import INDEX_NAME, parse_index


def one(data: bytes) -> None:
    """A text that begins with a brace is an index or a bare header; all else is a file."""
    if data.startswith(b"{"):
        with suppress(InputError):
            parse_index(parse_json_object(data, INDEX_NAME), INDEX_NAME)
        with suppress(InputError):
            header = parse_header(data, None, "header")
            assert header.tensors.total_bytes == header.data_bytes
    with suppress(InputError):
        header_length(data[:LENGTH_BYTES], None, "header")
    with suppress(InputError):
        checkpoint = read_checkpoint(held(data, "model.safetensors"))
        assert checkpoint.tensors.total_bytes == sum(h.data_bytes for _, h in checkpoint.shards)
