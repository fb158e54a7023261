"""What several tests of files share: a reader of bytes, and the check of conservation."""

from __future__ import annotations

from weighbridge.model.checkpoint import Checkpoint
from weighbridge.model.safetensors import Header, header_length, parse_header


def conserve(checkpoint: Checkpoint) -> None:
    """Every byte of every shard is a byte of its header or of exactly one tensor."""
    folder = checkpoint.path if checkpoint.path.is_dir() else checkpoint.path.parent
    for name, header in checkpoint.shards:
        size = (folder / name).stat().st_size
        assert header.tensors.total_bytes == header.data_bytes == size - header.header_bytes
        assert header.file_bytes == size
    assert checkpoint.tensors.total_bytes == sum(h.data_bytes for _, h in checkpoint.shards)


def parsed(file: bytes, where: str = "it") -> Header:
    """A whole file in memory, through the same checks as one on disk."""
    length = header_length(file[:8], len(file), where)
    return parse_header(file[8 : 8 + length], len(file) - 8 - length, where)
