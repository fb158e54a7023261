"""How a server is set up: every bound in one place."""

from __future__ import annotations

from typing import NamedTuple

MIB = 2**20


class Settings(NamedTuple):
    """Where it listens, what it may read, and how much it does at once.

    Seconds are of one answer (``long_seconds`` of searches and simulations); ``waiting`` counts
    requests that wait for a worker; ``memory`` bounds the address space of one worker.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    root: str | None = None
    hub: bool = False
    workers: int = 3
    waiting: int = 64
    wait_seconds: float = 10.0
    seconds: float = 10.0
    long_seconds: float = 120.0
    body_seconds: float = 20.0
    body_bytes: int = MIB
    headers_bytes: int = 16 * MIB
    kept_bytes: int = 64 * MIB
    kept_seconds: float = 3600.0
    answer_bytes: int = 32 * MIB
    memory: int = 2048 * MIB
