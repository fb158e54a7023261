"""What names may lead to: everything on this machine, unless a server allows less.

The command line and Python ask with no limits. A server sets :class:`Access` around each answer;
names are then resolved, files opened and the Hub asked only as far as it says, however deep the
name stood (a request, a launch command, an adapter's config).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from os.path import exists, expanduser
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from weighbridge.model.facts import Model

EVERYWHERE: tuple[str, ...] | None = None


class Access(NamedTuple):
    """What may be read.

    ``roots`` are resolved folders in which names may lead to files (None: anywhere, with ``~``);
    ``caches`` are further ones that may be opened, but not named; ``hub`` says whether the Hub may
    be asked; ``given`` holds models that came with the question, by their names.
    """

    roots: tuple[str, ...] | None = EVERYWHERE
    caches: tuple[str, ...] = ()
    hub: bool = True
    given: Mapping[str, Model] = MappingProxyType({})


_ACCESS: ContextVar[Access] = ContextVar("access", default=Access())  # noqa: B039


def access() -> Access:
    """What may be read here."""
    return _ACCESS.get()


@contextmanager
def limited(to: Access) -> Iterator[None]:
    """Read no more than this inside the block."""
    token = _ACCESS.set(to)
    try:
        yield
    finally:
        _ACCESS.reset(token)


def local_path(text: str) -> str | None:
    """The path on this machine that a name leads to; None where there is none that may be read.

    Under roots the path is resolved first, so that neither ``..`` nor a link leads out, and a path
    outside is no other than one that does not exist.
    """
    roots = access().roots
    if roots is None:
        path = expanduser(text)
        return path if exists(path) else None
    for root in roots:
        resolved = _resolved(os.path.join(root, text))
        if resolved is not None and _inside(resolved, (root,)) and exists(resolved):
            return resolved
    return None


def may_open(path: str | os.PathLike[str]) -> str | None:
    """The path to open in its stead, without links; None where it may not be opened."""
    now = access()
    if now.roots is None:
        return os.fspath(path)
    resolved = _resolved(os.fspath(path))
    return resolved if resolved and _inside(resolved, (*now.roots, *now.caches)) else None


def _resolved(path: str) -> str | None:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return None


def _inside(path: str, roots: tuple[str, ...]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
