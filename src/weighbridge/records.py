"""Frozen records: what ``@dataclass(frozen=True, slots=True)`` gives, without its start-up.

The standard decorator compiles half a dozen functions per class and imports ``inspect``; with some
forty classes that is most of the time in which a plan is made. A :func:`record` shares its
functions with all others. It takes its fields from the annotations, compares and hashes by value,
cannot be changed, and is copied with changes by :func:`replace`.

>>> @record
... class Point:
...     x: int
...     y: int = 0
>>> replace(Point(1), y=2)
Point(x=1, y=2)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")
_UNSET = object()


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True)
def record(cls: type[T] | None = None, /, *, kw_only: bool = False) -> Any:  # noqa: ARG001
    """Make a class a frozen record with slots; ``kw_only`` matters to type checkers alone."""
    return _made if cls is None else _made(cls)


def replace(instance: T, /, **changes: Any) -> T:
    """A copy of a record with these fields changed; TypeError where it has no such field."""
    names: tuple[str, ...] = type(instance)._names  # type: ignore[attr-defined]
    values = {name: getattr(instance, name) for name in names}
    return type(instance)(**{**values, **changes})


def fields_of(kind: type[Any]) -> tuple[str, ...]:
    """The names of a record's fields, in order."""
    names: tuple[str, ...] = kind._names
    return names


def _made(cls: type[Any]) -> type[Any]:
    own = tuple(cls.__annotations__) if "__annotations__" in cls.__dict__ else ()
    above: tuple[str, ...] = getattr(cls, "_names", ())
    body = {
        name: value
        for name, value in cls.__dict__.items()
        if name not in own and name not in {"__dict__", "__weakref__"}
    }
    defaults = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
    body["__slots__"] = tuple(name for name in own if name not in above)
    body["_names"] = (*above, *body["__slots__"])
    body["_defaults"] = {**getattr(cls, "_defaults", {}), **defaults}
    body["__match_args__"] = body["_names"]
    for name, function in _SHARED.items():
        body.setdefault(name, function)
    made: type[Any] = type(cls.__name__, cls.__bases__, body)
    return made


def _init(self: Any, *args: Any, **given: Any) -> None:
    kind = type(self)
    names = kind._names
    if len(args) > len(names):
        raise TypeError(f"{kind.__name__} takes {len(names)} values, not {len(args)}")
    values = dict(zip(names, args, strict=False))
    for name in given:
        if name in values or name not in names:
            raise TypeError(f"{kind.__name__} has no further field {name!r}")
    values.update(given)
    for name in names:
        value = values.get(name, _UNSET)
        if value is _UNSET:
            value = kind._defaults.get(name, _UNSET)
        if value is _UNSET:
            raise TypeError(f"{kind.__name__} needs a value for {name!r}")
        object.__setattr__(self, name, value)


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in type(self)._names)


def _equal(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _shown(self: Any) -> str:
    inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in type(self)._names)
    return f"{type(self).__name__}({inside})"


def _refuse(self: Any, name: str, *_: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen; {name!r} cannot be changed")


def _state(self: Any) -> tuple[Any, ...]:
    return _values(self)


def _restore(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(type(self)._names, state, strict=True):
        object.__setattr__(self, name, value)


_SHARED: dict[str, Any] = {
    "__init__": _init,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _shown,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
}
