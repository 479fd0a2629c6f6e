"""A fit to pairs in words: tables for the command line, and plain data for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.fit.identify import Interval
    from stratsim.fit.scores import Score
    from stratsim.fit.truth import PairsFit

__all__ = ["error_rows", "lines", "plain"]


def error_rows(found: PairsFit) -> list[tuple[str, ...]]:
    """Return a table of the errors of the execution time, its head first."""
    rows: list[tuple[str, ...]] = [("judged on: model", "slowdowns", "mean", "median", "worst", "of slowdown - 1")]
    return rows + [(f"{row.split}: {row.predictor}", *_cells(row.score)) for row in found.rows]


def lines(found: PairsFit) -> Iterator[str]:
    """Yield what the command prints below the table of errors."""
    for rule, all_ in found.intervals.items():
        unknown = found.not_identified(rule)
        used = "; the profile uses it" if rule == found.rule else ""
        yield f"{rule}: {len(all_)} parameters, {len(unknown)} of them not identified{used}"
        if unknown:
            shown = ", ".join(map(_named, unknown[:6]))
            yield f"  {shown}{f' and {len(unknown) - 6} more' if len(unknown) > 6 else ''}"
    if not found.exact:
        yield "intervals: from the curvature at the optimum, as parameters are many; one-sided limits are not seen"


def plain(found: PairsFit) -> dict[str, Any]:
    """Return the figures as plain data for JSON; errors as fractions."""
    return {
        "profile": found.profile.name,
        "device_model": found.rule,
        "errors": [
            {"split": row.split, "model": row.predictor, **({} if row.score is None else _finite(asdict(row.score)))}
            for row in found.rows
        ],
        "intervals": {
            rule: [
                {"parameter": one.kind, "load": None if one.load is None else str(one.load), **_limits(one)}
                for one in all_
            ]
            for rule, all_ in found.intervals.items()
        },
        "intervals_from": "profile likelihood" if found.exact else "curvature at the optimum",
        "notes": list(found.notes),
    }


def _named(one: Interval) -> str:
    return f"{one.kind} of {one.load or 'all'} ({one.value:.2g}, {one.low:.2g} to {one.high:.2g})"


def _limits(one: Interval) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "identified": one.identified}


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def _cells(score: Score | None) -> tuple[str, ...]:
    if score is None:
        return ("0", "-", "-", "-", "-")
    return (str(score.count), *(f"{value:.1%}" for value in (score.mean, score.median, score.worst, score.excess)))
