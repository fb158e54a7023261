"""How server and worker talk over pipes: frames of a line of JSON and, behind it, raw bytes.

    4 bytes   length of the rest, unsigned and big-endian
    line      JSON, ends in a newline
    bytes     a body or an answer as it stands, often none

Nothing is pickled, so that a worker that went astray can do no more than answer wrongly.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, BinaryIO

LENGTH = 4
LARGEST = 256 * 2**20


def packed(head: dict[str, Any], body: bytes = b"") -> bytes:
    """A frame."""
    line = json.dumps(head).encode() + b"\n"
    return (len(line) + len(body)).to_bytes(LENGTH, "big") + line + body


def unpacked(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """The head and the bytes of a frame without its length."""
    line, _, body = frame.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    return head, body


def read_frame(pipe: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame; None at the end of the pipe."""
    length = pipe.read(LENGTH)
    if len(length) < LENGTH:
        return None
    frame = pipe.read(int.from_bytes(length, "big"))
    return unpacked(frame)


async def read_frame_async(pipe: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next frame; raises EOFError where the other side is gone."""
    size = int.from_bytes(await pipe.readexactly(LENGTH), "big")
    if size > LARGEST:
        raise EOFError("a worker's frame is too long")
    return unpacked(await pipe.readexactly(size))
