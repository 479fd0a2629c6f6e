"""Workload rules that look at a column of the trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import TraceError, suggest
from stratsim.trace.column import Names, as_names, as_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.schema import Trace
    from stratsim.trace.spec import ModelRule, PriorityRule

__all__ = ["high_by_column", "model_by_column"]

_OWN = ("model", "bytes_in", "bytes_out", "client")
"""Columns of the schema that a rule may look at, beside the extra ones."""


def model_by_column(
    trace: Trace, rule: ModelRule, codes: Callable[[Sequence[str]], NDArray[np.int32]]
) -> NDArray[np.int32]:
    """Return the model of each request by the rule's column.

    Args:
        trace: The trace with the column.
        rule: A rule with a column.
        codes: Maps model names to the numbers that are wanted.

    Raises:
        TraceError: the column is missing, holds the wrong kind, or a value that the rule does not map.
    """
    column = _column(trace, rule.column or "")
    if rule.edges is not None and rule.names is not None:
        numbers = _numbers(trace, rule.column or "", column)
        return codes(rule.names)[np.searchsorted(rule.edges, numbers, side="right")]
    values = _categories(trace, rule.column or "", column)
    if rule.round_robin is not None:
        return codes(rule.round_robin)[_rank(values) % len(rule.round_robin)]
    mapped = rule.values or {}
    for code, name in enumerate(values.names):
        if name not in mapped:
            first = int(np.argmax(values.codes == code))
            hint = suggest(name, mapped)
            raise trace.error(f"the rule models.values maps no such value; {hint}", first, rule.column or "", name)
    return codes([mapped[name] for name in values.names])[values.codes]


def high_by_column(trace: Trace, rule: PriorityRule) -> NDArray[np.bool_]:
    """Return which requests have high priority by the rule's column; errors as in `model_by_column`."""
    column = _column(trace, rule.column or "")
    if rule.high_values is not None:
        values = _categories(trace, rule.column or "", column)
        chosen = np.asarray([name in rule.high_values for name in values.names], dtype=bool)
        return chosen[values.codes]
    numbers = _numbers(trace, rule.column or "", column)
    return numbers < rule.high_below if rule.high_below is not None else numbers >= (rule.high_from or 0.0)


def _rank(values: Names) -> NDArray[np.int64]:
    """Return each row's value as its rank by frequency, most frequent first, ties by first appearance."""
    counts = np.bincount(values.codes, minlength=len(values.names))
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.asarray(rank[values.codes])


def _column(trace: Trace, name: str) -> Column:
    own: dict[str, Column] = {each: column for each in _OWN if (column := getattr(trace, each)) is not None}
    if name in own:
        return own[name]
    if name not in trace.extra:
        hint = suggest(name, [*own, *trace.extra])
        raise TraceError(f"the workload rule needs this column; {hint}", file=trace.source or None, column=name)
    return trace.extra[name]


def _numbers(trace: Trace, name: str, column: Column) -> NDArray[np.float64]:
    numbers, bad = as_numbers(column)
    if bad is not None:
        raise trace.error("the workload rule needs a number here", bad, name, as_names(column).at(bad))
    if np.isnan(numbers).any():
        raise trace.error("is empty, and the workload rule needs a number", int(np.argmax(np.isnan(numbers))), name)
    return numbers


def _categories(trace: Trace, name: str, column: Column) -> Names:
    found = as_names(column)
    if not found.complete:
        raise trace.error("is empty, and the workload rule needs a value", int(np.argmax(found.codes < 0)), name)
    return found
