"""The door for readers: how a format is added, found, recognised and read. The shipped ones come through it, too.

A reader is a function from a `Source` to a `Trace`. `@reader(...)` says what it is and what it is recognised by; a
plain function in a file is read with `--trace-format FILE.py:function`, one in the entry point group `stratsim.readers`
by its name, and recognised if it says by what.

    @reader("Example server logs", columns=("t_us", "net"), unit="microseconds from the start")
    def read(source: Source) -> Trace:
        return flat(source, source.table, {"arrival": Named("t_us", "us"), "model": Named("net")})
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, StratsimError, TraceError, suggest
from stratsim.plugins import function_in_file, keywords_of, points
from stratsim.trace.schema import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stratsim.trace.source import Source

__all__ = ["GROUP", "Reader", "find_reader", "formats", "reader"]

GROUP = "stratsim.readers"
"""Entry point group of readers."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A format that stratsim reads.

    Args:
        read: Returns the trace of a source; further parameters are options of the format.
        summary: One line for tables and help.
        columns: A table is in this format if it has all of these columns, in any letter case and any container.
        keys: A single JSON object is in this format if it has all of these keys.
        without: Columns that tell another format from this one.
        check: Says of a source whether it is in this format, beyond its columns or keys; alone, if there are neither.
        recognised: What it is recognised by, in words, where columns and keys do not say all.
        unit: Unit of its times, in words.
        ticks: What its time stamps are like, in words; empty: as fine as their digits.
        left_out: What is left out or merely counted, in words.
        own: Whether it holds our own columns, by their exact names.
        in_rows: Whether each row is a request, and rows are usually in the order of arrival: then a limit stops reading
            early.
    """

    read: Callable[..., Trace]
    summary: str
    columns: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    check: Callable[[Source], bool] | None = None
    recognised: str = ""
    unit: str = ""
    ticks: str = ""
    left_out: str = ""
    own: bool = False
    in_rows: bool = False

    def __call__(self, source: Source, **options: Any) -> Trace:
        """Return the trace of a source in this format."""
        return self.read(source, **options)

    @property
    def certainty(self) -> int:
        """How many columns or keys it asks for."""
        return len(self.columns) + len(self.keys)

    def fits(self, source: Source) -> bool:
        """Whether a source is in this format."""
        if self.columns and not self._has_columns(source):
            return False
        if self.keys and not set(self.keys) <= set(source.document or ()):
            return False
        if self.check is None:
            return bool(self.columns or self.keys)
        try:
            return bool(self.check(source))
        except StratsimError:
            raise
        except Exception:  # noqa: BLE001 (what a check does not foresee is not in its format)
            return False

    def _has_columns(self, source: Source) -> bool:
        if source.container == "folder":
            return False
        table = source.table
        return table.has(*self.columns) and not any(table.has(name) for name in self.without)


def reader(summary: str, **known: Any) -> Callable[[Callable[..., Trace]], Reader]:
    """Return a decorator that makes a reader of a function; arguments as for `Reader`."""

    def make(read: Callable[..., Trace]) -> Reader:
        return Reader(read, summary, **known)

    return make


@dataclass(frozen=True, slots=True)
class Chosen:
    """A reader as it was asked for, with its options: `text` is the whole."""

    text: str
    reader: Reader
    options: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def formats() -> dict[str, Reader]:
    """Return the registered readers by name; one that cannot be imported is left out."""
    found = {}
    for name, point in points(GROUP).items():
        try:
            found[name] = _checked(point.load(), name)
        except Exception:  # noqa: BLE001, S112 (a package of somebody else's must not stop every reading)
            continue
    return found


def find_reader(text: str) -> Chosen:
    """Return a reader by name or as `FILE.py:function`, with options in brackets: `counts(interval_s=60)`.

    Raises:
        SpecError: there is none, or it has no such option.
    """
    name, options = keywords_of("trace format", text)
    if ".py:" in name:
        found = _checked(function_in_file("trace format", name), name)
    else:
        known = formats()
        if name not in known:
            broken = points(GROUP).get(name)
            if broken is not None:
                _load(name, broken)
            raise SpecError(f"unknown trace format {name!r}; {suggest(name, known)}")
        found = known[name]
    accepted = list(inspect.signature(found.read).parameters)[1:]
    for option in options:
        if option not in accepted:
            raise SpecError(f"trace format {name!r} has no option {option!r}; {suggest(option, accepted)}")
    return Chosen(text, found, options)


def _load(name: str, point: Any) -> None:
    """Raise why a registered reader cannot be used."""
    try:
        _checked(point.load(), name)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(f"trace format {name!r} cannot be loaded: {type(error).__name__}: {error}") from error


def _checked(loaded: object, name: str) -> Reader:
    if isinstance(loaded, Reader):
        return loaded
    if not callable(loaded) or inspect.isclass(loaded):
        raise SpecError(f"trace format {name!r} is no function from a Source to a Trace (see stratsim.trace.registry)")
    summary = (inspect.getdoc(loaded) or name).partition("\n")[0]
    return Reader(loaded, summary)


def read_with(chosen: Chosen, source: Source) -> Trace:
    """Return the trace of a source; whatever a reader raises becomes one line.

    Raises:
        StratsimError: it cannot be read.
    """
    try:
        trace = chosen.reader(source, **chosen.options)
    except StratsimError:
        raise
    except Exception as error:
        raise TraceError(
            f"the reader of the trace format {chosen.text} failed: {type(error).__name__}: {error}", file=source.file
        ) from error
    if not isinstance(trace, Trace):
        raise SpecError(f"the reader of the trace format {chosen.text} returned {type(trace).__name__}, not a Trace")
    return trace
