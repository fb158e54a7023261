"""What a claim is: a sentence of an article, whether it holds, and what is so instead."""

from __future__ import annotations

from typing import Any, NamedTuple


class Claim(NamedTuple):
    """A sentence of an article beside a plan; ``near`` says when the sentence is close."""

    id: str
    says: str
    holds: bool
    ours: str
    near: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON prints it."""
        return self._asdict()
