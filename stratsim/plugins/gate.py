"""Which files may be imported: those that `allow_code` was given, in this context."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import CodeRefusedError
from stratsim.plugins.calls import read_keywords, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["IN_FILE", "allow_code", "allowed_code", "call_allowing", "check_allowed", "code_files", "code_in"]

IN_FILE = ".py:"
"""What a class in a file has in its name, and no registered one."""

_ALLOWED: ContextVar[frozenset[str]] = ContextVar("stratsim_allowed_code", default=frozenset())
"""Names of classes in files, as typed, that may be imported in this context and those copied from it."""


def allow_code(*values: object) -> None:
    """Let the files that these values name be imported, in this context: to be called with what a user typed only.

    Args:
        values: Texts as `Registry.parse` reads them, with names within parameters too; dicts and lists of texts (a file
            of settings). Anything else names nothing.
    """
    _ALLOWED.set(_ALLOWED.get() | set(code_in(values)))


def code_in(value: object) -> Iterator[str]:
    """Yield the names FILE.py:CLASS in a text, and in all texts within dicts and lists."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield from code_files(each)
        elif isinstance(each, Mapping):
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each


def allowed_code() -> tuple[str, ...]:
    """Return what `allow_code` was given, for the `allow_code` of a worker process: a context does not reach there."""
    return tuple(sorted(_ALLOWED.get()))


def check_allowed(kind: str, name: str) -> None:
    """Refuse a class or function in a file unless `allow_code` was given its name: the gate for all that is imported.

    Args:
        kind: What it would be, for the message: `policy`, `model`.
        name: FILE.py:NAME.

    Raises:
        CodeRefusedError: says how to allow it.
    """
    if not _is_allowed(name):
        raise CodeRefusedError(kind, name)


def _is_allowed(name: str) -> bool:
    path, _, attribute = name.rpartition(":")
    for allowed in _ALLOWED.get():
        file, _, known = allowed.rpartition(":")
        if known == attribute and (file == path or Path(file).resolve() == Path(path).resolve()):
            return True
    return False


def call_allowing(allowed: tuple[str, ...], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker, where the code that its driver's user allowed may be imported.

    Args:
        allowed: From `allowed_code`, in the driver.
        function: Called with the arguments.
        arguments: Its own.
    """
    context = copy_context()
    context.run(allow_code, *allowed)
    return context.run(function, *arguments)


def code_files(text: str) -> Iterator[str]:
    """Yield the names FILE.py:CLASS in a text, those in parameters too; none in what cannot be read."""
    for part in split(text) or ():
        name, bracket, rest = part.strip().partition("(")
        if IN_FILE in name:
            yield name.strip()
        if bracket:
            try:
                values = list(read_keywords(f"f({rest}").values())
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # the reader of the text says what is wrong with it
            for value in values:
                if isinstance(value, str) and IN_FILE in value:
                    yield from code_files(value)
