"""Bytes as a file on disk, because the readers open files and nothing else."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def _folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="weighbridge-fuzz-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def held(data: bytes, name: str, hole: int = 0) -> Path:
    """A file of this name with ``data``, followed by a hole of ``hole`` bytes."""
    path = _folder() / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
        os.ftruncate(descriptor, len(data) + hole)
    finally:
        os.close(descriptor)
    return path
