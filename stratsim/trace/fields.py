"""Which column of a file says what: `FIELD=COLUMN[:UNIT]`, and what times in a unit are in seconds.

Times since 1970 are known by their size: 10 digits before the point are seconds, 13 milliseconds, 16 microseconds, 19
nanoseconds. Times from a start cannot be told apart by size, so their unit is asked for. Whole numbers are subtracted
before they become floats: nanoseconds since 1970 exceed 2^53.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError, suggest
from stratsim.trace.column import Names
from stratsim.trace.epoch import EPOCH_S, LATEST_S, epoch_unit, since_1970
from stratsim.trace.tables.base import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.tables.base import Table

__all__ = ["FIELDS", "ISO", "TIMES", "UNITS", "WORDS", "Named", "Times", "likely_unit", "parse_columns",
           "split_columns", "unit_of"]  # fmt: skip

FIELDS = {
    "arrival": "arrival_s",
    "model": "model",
    "priority": "priority",
    "slo": "slo_s",
    "deadline": "deadline_s",
    "bytes_in": "bytes_in",
    "bytes_out": "bytes_out",
    "client": "client",
}
"""Columns of the schema by field."""
TIMES = ("arrival", "slo", "deadline")
"""Fields that hold times."""
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Units per second; dates (`iso`) become nanoseconds."""
ISO = "iso"
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "iso": "date and time"}
"""Units in words."""

_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d|\s*$)|\s*\d{8}T\d{4}")
_SUFFIX_UNITS = {"s": "s", "sec": "s", "secs": "s", "seconds": "s", "ms": "ms", "millis": "ms", "milliseconds": "ms",
                 "us": "us", "micros": "us", "microseconds": "us", "ns": "ns", "nanos": "ns",
                 "nanoseconds": "ns"}  # fmt: skip
_SUFFIX = re.compile(rf"(?:^|[^a-z])({'|'.join(_SUFFIX_UNITS)})\)?$")


@dataclass(frozen=True, slots=True)
class Named:
    """The column of a field.

    Args:
        column: Its name in the file; empty: the field has none, and its own column is kept as any other.
        unit: Of a time: s, ms, us, ns or iso; empty: to be found out.
    """

    column: str
    unit: str = ""


def parse_columns(columns: Iterable[str] | Mapping[str, str]) -> dict[str, Named]:
    """Return what `FIELD=COLUMN[:UNIT]` texts say, or a mapping from FIELD to COLUMN[:UNIT].

    Raises:
        SpecError: an unknown field, one that is said twice, or no column.
    """
    pairs = columns if isinstance(columns, Mapping) else split_columns(columns)
    found: dict[str, Named] = {}
    for name, column in pairs.items():
        if name not in FIELDS:
            raise SpecError(f"--column {name}={column}: unknown field {name!r}; known: {', '.join(FIELDS)}")
        found[name] = _named(name, column)
    if "slo" in found and "deadline" in found and found["slo"].column and found["deadline"].column:
        raise SpecError("--column slo and --column deadline exclude each other")
    return found


def split_columns(texts: Iterable[str]) -> dict[str, str]:
    """Return COLUMN[:UNIT] by field, out of `FIELD=COLUMN[:UNIT]` texts.

    Raises:
        SpecError: one has no `=`, or names a field twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, column = text.partition("=")
        if not equals:
            raise SpecError(f"--column takes FIELD=COLUMN[:UNIT], got {text!r}")
        if name.strip() in found:
            raise SpecError(f"--column names the field {name.strip()!r} twice")
        found[name.strip()] = column.strip()
    return found


def _named(field: str, text: str) -> Named:
    column, colon, unit = text.rpartition(":")
    if field in TIMES and colon and (unit in UNITS or unit == ISO):
        return Named(column, unit)
    if not text and field == "arrival":
        raise SpecError("--column arrival= names no column")
    return Named(text)


def unit_of(table: Table, field: str, named: Named) -> Named:
    """Return a column of times with its unit: as said, by its name, by its size since 1970, or because it holds dates.

    Raises:
        TraceError: there is no such column, or no way to know the unit.
    """
    if not named.column:
        return named
    if named.column not in table.names and len(table) and named.column not in table.names:  # length: JSON is read now
        unknown = f"--column {field}={named.column}: the file has no such column; {suggest(named.column, table.names)}"
        last = named.column.rpartition(":")[2]
        if ":" in named.column and not named.unit:
            unknown += f" (and {last!r} is no unit: s, ms, us, ns or iso)"
        raise table.error(unknown, named.column)
    if named.unit or field not in TIMES:
        return named
    unit = likely_unit(table, named.column)
    if not unit:
        ways = ", ".join(f"{field}={named.column}:{unit}" for unit in UNITS)
        raise table.error(f"--column {field}={named.column} does not say the unit: one of {ways}", named.column)
    return replace(named, unit=unit)


def likely_unit(table: Table, column: str) -> str:
    """Return the unit of a column of times, where its values or its name say it; else nothing."""
    values = [value for value in table.sample(column) if value is not None]
    if values and all(isinstance(value, str) and _DATE.match(value) for value in values):
        return ISO
    numbers = [number for number in map(_number, values) if number is not None]
    if not numbers or len(numbers) < len(values):
        return ""
    found = _SUFFIX.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).casefold())
    return since_1970(min(numbers)) or (_SUFFIX_UNITS[found[1]] if found is not None else "")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


class Times:
    """A column of times, exact: whole numbers stay whole until their origin is subtracted.

    Args:
        table: For messages.
        named: The column and its unit.
        column: What was read of it.
    """

    def __init__(self, table: Table, named: Named, column: Column) -> None:
        self._table = table
        self.named = named
        self._column = column
        self.per_s = UNITS.get(named.unit, UNITS["ns"])
        self.values: NDArray[Any] = self._dates() if named.unit == ISO else np.asarray(column)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which cells are empty."""
        return np.asarray(np.isnan(self.values) if self.values.dtype.kind == "f" else self.values == MISSING)

    def _refuse(self, bad: NDArray[np.bool_], message: str) -> None:
        self._table.refuse(bad, self.named.column, self._column, message)

    def _dates(self) -> NDArray[np.int64]:
        """Return dates as nanoseconds since 1970; strings are parsed once each."""
        if not isinstance(self._column, Names):
            whole = np.asarray(self._column).astype("datetime64[ns]")
            return np.asarray(np.where(np.isnat(whole), MISSING, whole.astype(np.int64)))
        import pandas as pd

        names = self._column.names
        parsed = pd.to_datetime(pd.Series(names, dtype="str"), format="ISO8601", utc=True, errors="coerce")
        bad = parsed.isna().to_numpy() | np.asarray([_DATE.match(name) is None for name in names], dtype=bool)
        if bad.any():
            way = f"--column FIELD={self.named.column}:UNIT says what its numbers are"
            self._refuse(np.append(bad, False)[self._column.codes], f"is not a time stamp, a date and time; {way}")
        ticks = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
        return np.asarray(np.append(ticks, MISSING)[self._column.codes])

    def arrivals(self) -> tuple[NDArray[np.float64], Fraction]:
        """Return seconds, and their origin in seconds since the file's own: the first one, where that is 1e6 s or more.

        Raises:
            TraceError: an empty or negative cell, or no times at all in this unit.
        """
        if not len(self.values):
            raise self._table.error("has no requests", self.named.column)
        self._refuse(self.empty, "is empty")
        if self.values.dtype.kind == "f":
            self._refuse(~np.isfinite(self.values), "must be finite")
        first = self.values.min().item()
        if self.named.unit != ISO:
            self._refuse(self.values < 0, "must not be negative")
            self._refuse_factor(first)
        floats = self.per_s == 1 and self.values.dtype.kind == "f"  # `stratsim.trace.epoch.rebased` sees to these
        later = self.named.unit == ISO or (first >= EPOCH_S * self.per_s and not floats)
        origin = Fraction(first) / self.per_s if later else Fraction(0)
        return self.since(origin), origin

    def _refuse_factor(self, first: float) -> None:
        """Refuse times that are in another unit since 1970."""
        if first < LATEST_S * self.per_s:
            return
        unit = epoch_unit(first)
        factor = UNITS[unit] / self.per_s
        message = (
            f"cannot be {WORDS[self.named.unit]} (the first is past the year 5000), but {WORDS[unit]} since 1970: "
            f"divide by {factor:g}, or --column arrival={self.named.column}:{unit}"
        )
        raise self._table.error(message, self.named.column, int(np.argmin(self.values)), first)

    def since(self, origin: Fraction = Fraction(0)) -> NDArray[np.float64]:
        """Return seconds from an origin; NaN for an empty cell."""
        start = origin * self.per_s
        values = self.values
        if values.dtype.kind == "f":
            found = values - float(start) if start else values
        else:
            whole = int(start)  # what is left of it is below one unit
            found = np.where(self.empty, np.nan, (values - whole if whole else values).astype(np.float64))
            found = found - float(start - whole) if start != whole else found
        return found / self.per_s if self.per_s != 1 else found
