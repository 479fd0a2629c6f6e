"""Finds everything that is wrong with plain data that is to become a dataclass, each mistake with its path.

msgspec stops at the first mistake. Here a part that does not decode is reported and replaced by a stand-in that does,
so that the rest, and the checks of the objects around it, can be judged too. Only run after a failure, so its cost does
not matter.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from stratsim.errors import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["find_mistakes", "has_unknown_field"]

Where = tuple[str | int, ...]

_STAND_IN: Final = "(stand-in)"
"""In place of a text that does not decode; what is then said of it is not the user's mistake."""
_BROKEN: Final = object()
"""In place of a part for which no stand-in is known: the objects around it cannot be judged."""


def find_mistakes(data: object, kind: Any) -> list[str]:
    """Return what is wrong with `data` read as `kind`, as `what is wrong - at $.path.inside`, in the data's order.

    Empty if nothing is wrong. Checks that span several fields of one object are each reported if the object's
    `__post_init__` raises a ValueError of several lines (`stratsim.model.parts.all_of`).
    """
    found: list[tuple[Where, str]] = []
    _mend(data, kind, (), found)
    return [f"{message} - at {_path(where)}" for where, message in found]


def has_unknown_field(data: object, kind: Any) -> bool:
    """Return whether an object in `data`, read as `kind`, has a field that its dataclass lacks."""
    kind = _without_none(kind)
    if is_dataclass(kind) and isinstance(data, dict) and not set(data) <= set(_hints(kind)):  # type: ignore[arg-type]
        return True
    return any(has_unknown_field(value, expected) for _, value, expected in _children(data, kind))


def _mend(data: object, kind: Any, where: Where, found: list[tuple[Where, str]]) -> object:
    """Report what is wrong in `data`, innermost parts first, and return it with a stand-in for each wrong part."""
    allowed, kind = kind, _without_none(kind)
    mended: Any = data
    if isinstance(data, dict):
        mended = _fields_mended(data, kind, where, found) if is_dataclass(kind) else dict(data)
        if not is_dataclass(kind):
            _drop_keys(mended, kind, where, found)
    elif isinstance(data, list):
        mended = list(data)
    for key, value, expected in list(_children(data, kind)):
        if isinstance(mended, dict) and key not in mended:
            continue
        inside = (*where, key)
        before = len(found)
        mended[key] = _mend(value, expected, inside, found)
        if is_dataclass(kind) and key not in _required(kind) and any(place == inside for place, _ in found[before:]):
            del mended[key]  # its default serves
    if isinstance(mended, dict | list) and any(
        value is _BROKEN for value in (mended.values() if isinstance(mended, dict) else mended)
    ):
        return _BROKEN
    problem = _problem(mended, allowed)
    if problem is None:
        return mended
    found.extend((where, line) for line in problem.splitlines() if _STAND_IN not in line)
    return _stand_in(mended, kind)


def _fields_mended(data: dict[Any, Any], kind: Any, where: Where, found: list[tuple[Where, str]]) -> dict[Any, Any]:
    """Report unknown and missing fields; return the data without the former and with stand-ins for the latter."""
    hints = _hints(kind)
    unknown = [key for key in data if key not in hints]
    found.extend((where, f"unknown field {key!r}; {suggest(str(key), hints)}") for key in unknown)
    mended = {key: value for key, value in data.items() if key in hints}
    for name in _required(kind):
        if name not in data:
            found.append((where, f"Object missing required field `{name}`"))
            mended[name] = _stand_in(None, hints[name])
    return mended


def _drop_keys(mended: dict[Any, Any], kind: Any, where: Where, found: list[tuple[Where, str]]) -> None:
    origin, inner = get_origin(kind), get_args(kind)
    if not (isinstance(origin, type) and issubclass(origin, Mapping) and inner):
        return
    for key in list(mended):
        problem = _problem({key: None}, dict[inner[0], None])  # type: ignore[valid-type]
        if problem is not None:
            found.append((where, f"key {key!r}: {problem}"))
            del mended[key]


def _problem(data: object, kind: Any) -> str | None:
    """Return why msgspec cannot read `data` as `kind`, without its path; None if it can."""
    import msgspec

    try:
        msgspec.convert(data, kind, str_keys=True)
    except msgspec.ValidationError as problem:
        message = str(problem).split(" - at `", maxsplit=1)[0]
        known = _without_none(kind)
        if get_origin(known) is Literal and isinstance(data, str):
            message = f"{message}; known: {', '.join(map(str, get_args(known)))}"
        return message
    return None


def _stand_in(data: object, kind: Any) -> object:
    """Return the plainest data that reads as `kind`, with the keys of `data`; `_BROKEN` if that cannot be had."""
    made = _plainest(data, kind)
    return made if _problem(made, kind) is None else _BROKEN


def _plainest(data: object, kind: Any) -> object:
    kind = _without_none(kind)
    if is_dataclass(kind):
        held = data if isinstance(data, dict) else {}
        hints = _hints(kind)  # type: ignore[arg-type]
        return {name: _plainest(held.get(name), hints[name]) for name in _required(kind)}
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return inner[0]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _plainest(value, inner[1]) for key, value in data.items()} if isinstance(data, dict) else {}
    return {int: 1, float: 1.0, bool: False, str: data if isinstance(data, str) and data.strip() else _STAND_IN}.get(
        kind, []
    )


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _required(kind: Any) -> list[str]:
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def _children(data: object, kind: Any) -> Iterator[tuple[Any, object, Any]]:
    """Yield what `data`, read as `kind`, contains: key, value and the value's expected type."""
    kind = _without_none(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(data, dict):
        hints = _hints(kind)  # type: ignore[arg-type]
        yield from ((key, value, hints[key]) for key, value in data.items() if key in hints)
    elif isinstance(data, dict) and isinstance(origin, type) and issubclass(origin, Mapping):
        yield from ((key, value, inner[1]) for key, value in data.items())
    elif isinstance(data, list) and origin in (list, tuple) and inner:
        yield from ((index, value, inner[0]) for index, value in enumerate(data))


def _without_none(kind: Any) -> Any:
    """Return T for `T | None`; other unions are left to msgspec."""
    if get_origin(kind) in (Union, types.UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind


def _path(where: Where) -> str:
    return "$" + "".join(f".{part}" if _is_word(part) else f"[{part!r}]" for part in where)


def _is_word(part: str | int) -> bool:
    return isinstance(part, str) and part.replace("-", "_").isidentifier()
