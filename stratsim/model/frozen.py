"""Set-up that is made once for equal contents and then shared by all runs of a process.

What a run derives from its profile (dense latency tables, feature rows, the parameters of the device) is the same in
every run of a sweep. `by_content` keeps it by the *content* of what it was derived from, never by the identity of an
object: a profile that was changed between two runs gives new tables. What is kept is immutable (`FrozenDict`,
`frozen`), so no run can leave a trace in the next one, and no policy can change what another one is given.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import lru_cache, wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FrozenDict", "by_content", "frozen"]

Key = TypeVar("Key")
Value = TypeVar("Value")
Given = ParamSpec("Given")

_KEPT = 64
"""Contents that each function keeps: more than a sweep has profiles (our choice)."""


@lru_cache
def _encoder() -> Callable[[object], bytes]:
    from msgspec import msgpack  # profiles are also written where it is not installed

    return msgpack.Encoder().encode


class FrozenDict(dict[Key, Value]):
    """A dict that cannot be changed; copies and pickles like one."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this table is shared between runs and cannot be changed; copy it: dict(table)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict[Key, Value]], tuple[dict[Key, Value]]]:
        return type(self), (dict(self),)


def frozen(value: Value) -> Value:
    """Return an equal value that nobody can change: dicts become frozen, within frozen dataclasses and tuples too."""
    if isinstance(value, dict):
        return cast("Value", FrozenDict({key: frozen(entry) for key, entry in value.items()}))
    if isinstance(value, tuple):
        return cast("Value", tuple(frozen(entry) for entry in value))
    if is_dataclass(value):
        parts = {entry.name: frozen(getattr(value, entry.name)) for entry in fields(value)}
        return cast("Value", replace(cast("Any", value), **parts))
    return value


class _Call:
    """A call, known by its content; the arguments themselves are let go once they have been used."""

    __slots__ = ("arguments", "content")

    def __init__(self, arguments: tuple[Any, ...], content: bytes) -> None:
        self.arguments = arguments
        self.content = content

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self.content == other.content


def by_content(make: Callable[Given, Value]) -> Callable[Given, Value]:
    """Return `make` with a memory: equal arguments give the object that was made for them before.

    Args:
        make: A pure function of positional arguments that are data (dataclasses, dicts, tuples, numbers, text), which
            returns an immutable object. Its errors are not kept.
    """
    anything = cast("Callable[..., Any]", make)

    @lru_cache(maxsize=_KEPT)
    def kept(call: _Call) -> Any:
        try:
            return anything(*call.arguments)
        finally:
            call.arguments = ()

    @wraps(make)
    def remembered(*arguments: Any) -> Any:
        try:
            content = blake2b(_encoder()(arguments), digest_size=32).digest()  # tables are long, and keys are kept
        except (UnicodeError, OverflowError):  # half a surrogate pair in a name, an integer above 64 bits: made anew
            return anything(*arguments)
        return kept(_Call(arguments, content))

    return cast("Callable[Given, Value]", remembered)
