"""The columns of the schema by name, and the check of a header against them.

Names are never matched approximately. But a column that is nearly called like one of the schema's is a mistake far more
often than a column of the user's own, and what it says would be filled at random: it is refused, with the right name.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from stratsim.errors import TraceError
from stratsim.trace.source import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["ARRIVALS", "NUMBERS", "TEXTS", "check_exclusive", "check_header", "is_result", "lookalikes",
           "missing_arrival"]  # fmt: skip

ARRIVALS = ("arrival_s", "arrival_norm")
"""Names of the arrival column: seconds, or a normalised shape."""
NUMBERS = (*ARRIVALS, "slo_s", "deadline_s", "bytes_in", "bytes_out")
"""Columns of the schema that hold numbers."""
TEXTS = ("model", "priority", "client", "policy")
"""Columns of the schema that hold strings; `policy` occurs in result files only."""

_SCHEMA = (*NUMBERS, "model", "priority", "client")
_DEADLINES = ("slo_s", "deadline_s")
_EXCLUSIVE = (ARRIVALS, _DEADLINES, ("arrival_norm", "deadline_s"))
_ALIASES = {
    **dict.fromkeys(
        (
            "arrival",
            "arrivals",
            "arrivaltime",
            "arrivaltimestamp",
            "arrivedat",
            "starttime",
            "starttimes",
            "time",
            "timestamp",
            "ts",
            "at",
            "submit",
            "start",
        ),
        "arrival_s",
    ),
    **dict.fromkeys(("slo", "slos"), "slo_s"),
    **dict.fromkeys(("deadline", "deadlines"), "deadline_s"),
    **dict.fromkeys(("modelname",), "model"),
    "prio": "priority",
}
"""What people call a column whose name is not near it."""
_UNITS = {"ms": "ms", "milli": "ms", "us": "us", "micro": "us", "ns": "ns", "nano": "ns"}
_WORDS = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_WITH_UNIT = re.compile(rf"(.+?)_?(?:in_)?({'|'.join(_UNITS)})[a-z]*")
_NEAR = 0.82
"""Least similarity (`difflib`) of a name that is refused: one letter wrong or missing in six. Our choice."""


def check_header(file: str, header: Iterable[str]) -> None:
    """Refuse a header in our own columns that does not say what it means.

    Raises:
        TraceError: a duplicate column, no arrival column, two columns that exclude each other, or a column that is
            nearly called like one of the schema's which is absent. Columns of result files are known: there the last
            is not looked for.
    """
    names = list(header)
    for name in names:
        if names.count(name) > 1:
            raise TraceError("column occurs twice", file=file, row=1, column=name)
    if not set(ARRIVALS) & set(names):
        hint = missing_arrival(names) or f"the file has {shown(names)}"
        raise TraceError(
            f"column is missing (or arrival_norm, for a shape without a rate); {hint}", file=file, column="arrival_s"
        )
    check_exclusive(file, names)
    if not is_result(names):
        _refuse_misnamed(file, names)


def check_exclusive(file: str, names: Iterable[str]) -> None:
    """Refuse columns of the schema that exclude each other.

    Raises:
        TraceError: two of them do.
    """
    for one, other in _EXCLUSIVE:
        if {one, other} <= set(names):
            raise TraceError(f"columns {one} and {other} exclude each other", file=file, row=1, column=other)


def is_result(header: Iterable[str]) -> bool:
    """Whether the columns are those of a result file, `requests.csv.gz` or `requests.parquet`."""
    return {"policy", "status"} <= set(header)


def missing_arrival(header: Iterable[str], unit: Callable[[str], str] | None = None) -> str:
    """Return which column holds the arrivals of a file that has none, and how to say so; empty if none looks like it.

    Args:
        header: The columns of the file.
        unit: Returns the unit that a column's values are in (s, ms, us, ns or iso), nothing if they do not say.
    """
    for name in header:
        right, named = _meant(name)
        if right == ARRIVALS[1]:
            return f"column {name!r} looks like it: {_remedy(name, right, '')}"
        if right == ARRIVALS[0]:
            known = (unit(name) if unit is not None else "") or named
            return f"column {name!r} looks like it{_seen(known)}: {_remedy(name, right, known)}"
    return ""


def _seen(unit: str) -> str:
    return "" if unit in ("", "s") else ", a date and time (ISO 8601)" if unit == "iso" else f", {_WORDS[unit]}"


def _refuse_misnamed(file: str, names: Sequence[str]) -> None:
    for name in names:
        right, unit = _meant(name)
        if name == right or not right:
            continue
        group = next((group for group in (ARRIVALS, _DEADLINES) if right in group), (right,))
        if not set(group) & set(names):
            message = (
                f"looks like {right!r}: {_remedy(name, right, unit)}, or to a name unlike it if it is something else"
            )
            raise TraceError(message, file=file, column=name)


def lookalikes(own: Iterable[str], spare: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return columns of another format that are nearly called like one of the schema's which is absent.

    Args:
        own: The columns of the schema that there are.
        spare: The others.

    Returns:
        Name, the column of the schema, and the unit in the name if there is one.
    """
    there = {*own, *(_DEADLINES if {*own} & {*_DEADLINES} else ()), *ARRIVALS}
    meant = [(name, *_meant(name)) for name in spare]
    return [(name, right, unit) for name, right, unit in meant if right and right not in there and name != right]


def _meant(name: str) -> tuple[str, str]:
    """Return the column of the schema that a name seems to mean, and the unit in it; neither where it means none."""
    if name in _SCHEMA:
        return name, ""
    plain = re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()).strip("_")
    found = _WITH_UNIT.fullmatch(plain)
    if found is not None and _ALIASES.get(found[1].replace("_", ""), "").endswith("_s"):
        return _ALIASES[found[1].replace("_", "")], _UNITS[found[2]]
    joined = plain.replace("_", "")
    if joined in _ALIASES:
        return _ALIASES[joined], ""
    swapped = [known for known in _SCHEMA if sorted(known) == sorted(plain)]
    return next(iter(swapped or get_close_matches(plain, _SCHEMA, n=1, cutoff=_NEAR)), ""), ""


def _remedy(name: str, right: str, unit: str) -> str:
    """Return what to do with a column that means `right`."""
    field = right.removesuffix("_s")
    if unit and unit != "s":
        return f"--column {field}={name}:{unit} reads it"
    if right == "deadline_s":
        return (
            "if it is in seconds, rename it to 'deadline_s' (absolute) or 'slo_s' (after the arrival); "
            f"--column deadline={name}:UNIT or slo={name}:UNIT reads s, ms, us, ns and iso"
        )
    if right in {"arrival_s", "slo_s"}:
        units = "s, ms, us, ns and iso" if right == "arrival_s" else "s, ms, us and ns"
        reads = "s reads it" if unit == "s" else f"UNIT reads {units}"
        return f"rename it to {right!r} if it is in seconds; --column {field}={name}:{reads}"
    return f"rename it to {right!r}" + ("" if right == "arrival_norm" else f", say --column {field}={name}")
