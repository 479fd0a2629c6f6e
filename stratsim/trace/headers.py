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
    from collections.abc import Iterable, Sequence

__all__ = ["ARRIVALS", "NUMBERS", "TEXTS", "check_header", "is_result", "missing_arrival"]

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
    **dict.fromkeys(("arrival", "arrivals", "arrival_time", "arrivaltime", "time", "timestamp", "ts"), "arrival_s"),
    **dict.fromkeys(("slo", "slos"), "slo_s"),
    **dict.fromkeys(("deadline", "deadlines"), "deadline_s"),
    **dict.fromkeys(("model_name", "modelname"), "model"),
    "prio": "priority",
}
"""What people call a column whose name is not near it."""
_UNITS = {"ms": "milliseconds", "milli": "milliseconds", "us": "microseconds", "micro": "microseconds",
          "ns": "nanoseconds", "nano": "nanoseconds"}  # fmt: skip
_WITH_UNIT = re.compile(rf"(.+?)_?(?:in_)?({'|'.join(_UNITS)})[a-z]*")
_NEAR = 0.82
"""Least similarity (`difflib`) of a name that is refused: one letter wrong or missing in six. Our choice."""


def check_header(file: str, header: Iterable[str]) -> None:
    """Refuse a header that is ambiguous or does not say what it means.

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
    for one, other in _EXCLUSIVE:
        if one in names and other in names:
            raise TraceError(f"columns {one} and {other} exclude each other", file=file, row=1, column=other)
    if not is_result(names):
        _refuse_misnamed(file, names)


def is_result(header: Iterable[str]) -> bool:
    """Whether the columns are those of a result file, `requests.csv.gz` or `requests.parquet`."""
    return {"policy", "status"} <= set(header)


def missing_arrival(header: Iterable[str]) -> str:
    """Return which column to rename, in a file that has no arrival column; empty if none looks like it."""
    for name in header:
        right, unit = _meant(name)
        if right in ARRIVALS:
            return f"column {name!r} looks like it: {_remedy(right, unit)}"
    return ""


def _refuse_misnamed(file: str, names: Sequence[str]) -> None:
    for name in names:
        right, unit = _meant(name)
        if name == right or not right:
            continue
        group = next((group for group in (ARRIVALS, _DEADLINES) if right in group), (right,))
        if not set(group) & set(names):
            message = f"looks like {right!r}: {_remedy(right, unit)}, or to a name unlike it if it is something else"
            raise TraceError(message, file=file, column=name)


def _meant(name: str) -> tuple[str, str]:
    """Return the column of the schema that a name seems to mean, and the unit in it if that is not seconds."""
    if name in _SCHEMA:
        return name, ""
    plain = re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
    found = _WITH_UNIT.fullmatch(plain)
    if found is not None and _ALIASES.get(found[1], "").endswith("_s"):
        return _ALIASES[found[1]], _UNITS[found[2]]
    if plain in _ALIASES:
        return _ALIASES[plain], ""
    swapped = [known for known in _SCHEMA if sorted(known) == sorted(plain)]
    return next(iter(swapped or get_close_matches(plain, _SCHEMA, n=1, cutoff=_NEAR)), ""), ""


def _remedy(right: str, unit: str) -> str:
    """Return what to do with a column that means `right`."""
    if unit:
        return f"convert it from {unit} to seconds and rename it to {right!r}"
    if right == "deadline_s":
        return "rename it to 'deadline_s' (absolute, seconds) or 'slo_s' (after the arrival, seconds)"
    return f"rename it to {right!r}" + (" (seconds)" if right.endswith("_s") else "")
