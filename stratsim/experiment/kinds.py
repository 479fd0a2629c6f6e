"""Kinds of studies: what is run for one, what a run gives, and what is made of it.

A kind is a handful of functions. `run` is called in worker processes: a function of a module, with plain arguments and
plain results. Everything else happens in the process that was started, and is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.experiment.grid import Task
    from stratsim.experiment.store import Row
    from stratsim.experiment.study import Study

__all__ = ["Context", "Kind", "Table", "find_kind"]


@dataclass(frozen=True, slots=True)
class Context:
    """What was made once for all runs.

    Args:
        profiles: `sha256` and `file` of each profile, by the name that the axis has for it.
    """

    profiles: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table for people, or the data behind a figure.

    Args:
        title: One line.
        columns: Names.
        rows: Cells: text, numbers or None.
        left: How many columns, from the first, are text.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    left: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of study.

    Args:
        columns: Of `results.csv`, after the hash.
        stages: Each gives the runs of one stage, from the rows of those before: the second of two may depend on what
            the first found.
        run: Runs the settings of a task and gives its rows, and `wall_s` in each if it is to be kept.
        summarise: What `summary.json` says, from all rows.
        tables: What is printed, from the summary.
        figures: The data behind the figures, by name, from the summary.
        estimate: At most how many runs the stages have, by stage.
        check: Refuses what such a study cannot have, with the name of the file.
        conditions: Whether axes are settings of a run on a profile, at a load that is a share of load 1.0; otherwise a
            run makes its own.
        code: Further files and folders of the package that the figures of a run depend on.
    """

    columns: Callable[[Study], Sequence[str]]
    stages: Sequence[Callable[[Study, Context, Sequence[Row]], list[Task]]]
    run: Callable[[Mapping[str, Any]], list[dict[str, Any]]]
    summarise: Callable[[Study, Sequence[Row]], dict[str, Any]]
    tables: Callable[[Study, Mapping[str, Any]], list[Table]]
    figures: Callable[[Study, Mapping[str, Any]], dict[str, Table]]
    estimate: Callable[[Study, Context], dict[str, int]]
    check: Callable[[Study, object], None]
    conditions: bool = True
    code: Sequence[str] = ()


_KINDS = {
    "policies": "stratsim.experiment.policy_study:KIND",
    "predictors": "stratsim.experiment.study_1.kind:KIND",
}
"""Where each kind is, as `module:attribute`; imported when it is asked for."""


def find_kind(name: str) -> Kind:
    """Return the kind of a study.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in _KINDS:
        raise SpecError(f"unknown kind of study {name!r}; {suggest(name, _KINDS)}")
    module, _, attribute = _KINDS[name].partition(":")
    kind = getattr(import_module(module), attribute)
    assert isinstance(kind, Kind)  # noqa: S101 (a mistake of ours)
    return kind
