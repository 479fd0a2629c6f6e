"""What a spec's runs gave: a mapping from policies to results, with tables, a manifest and a card for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stratsim.engine import Result
from stratsim.errors import SpecError, suggest
from stratsim.model.columns import TABLES, arrow_stream, as_pandas, joined
from stratsim.model.preemption import Preemption
from stratsim.notebook import card, line, percent
from stratsim.run.manifest import make_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from stratsim.model.columns import Column
    from stratsim.policy.base import Policy
    from stratsim.run.inputs import Inputs

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome(Mapping[str, Result]):
    """What a spec's runs gave, in the order of its policies; `results` is empty if they were not to be kept.

    A mapping from each policy, as it was asked for, to its result: `outcome["edf"]`.
    """

    inputs: Inputs
    results: tuple[Result, ...]
    summaries: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    engines: dict[str, dict[str, str]] = field(default_factory=dict)
    """By policy: which engine `ran`, and why it was `not_fast` if it was not."""

    def __getitem__(self, policy: str) -> Result:
        for result in self.results:
            if result.policy == policy:
                return result
        raise KeyError(f"no result of {policy!r}; {suggest(policy, list(self))}")

    def __iter__(self) -> Iterator[str]:
        return iter([result.policy for result in self.results])

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        policies = ", ".join(summary["policy"] for summary in self.summaries)
        return line("Outcome", policies, f"{len(self.inputs.workload):,} requests", self.inputs.profile.name)

    def _repr_html_(self) -> str:
        rows = [
            (summary["policy"], label, *_shown(figures))
            for summary in self.summaries
            for label, figures in summary["classes"].items()
        ]
        columns = ("policy", "class", "arrived", "late", "dropped", "violations", "p50 ms", "p99 ms", "completed p99")
        title = f"{len(self.inputs.workload):,} requests on {self.inputs.profile.name}"
        return card(title, columns, rows, self.notes)

    def columns(self, table: str = "requests") -> dict[str, Column]:
        """Return one of the tables of all policies together, as `Result.columns` does.

        Raises:
            SpecError: there is no such table, or the results were not kept.
        """
        if not self.results:
            raise SpecError("the results of these runs were not kept: run them with keep_results=True")
        return joined([result.columns(table) for result in self.results])

    def to_pandas(self, table: str = "requests") -> pd.DataFrame:
        """Return one of the tables of all policies together as a pandas frame, with words for codes.

        Args:
            table: `requests`, `batches` or `pauses` (docs/reference/result-files.md).
        """
        return as_pandas(self.columns(table), TABLES[table])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Give the requests of all policies to whatever reads Arrow: `polars.DataFrame(outcome)`.

        Raises:
            MissingExtraError: there is no pyarrow.
        """
        return arrow_stream(self.columns(), TABLES["requests"], requested_schema)

    def manifest(self) -> dict[str, Any]:
        """Return what is needed to repeat the runs."""
        inputs = self.inputs
        requests = inputs.trace, inputs.workload
        found = make_manifest(inputs.spec, inputs.profile, *requests, list(self.notes), inputs.believed)
        stopping = {call.text: _stopping(inputs.policy(call)) for call in inputs.policies}
        stopping = {policy: how for policy, how in stopping.items() if how is not None}
        return (
            found | ({"engines": self.engines} if self.engines else {}) | ({"preemption": stopping} if stopping else {})
        )


def _shown(figures: Mapping[str, Any]) -> list[object]:
    """Return what a table in a notebook says of a class."""
    arrived = figures["latency_arrived_s"]
    times = [(arrived["beyond"] or "-") if arrived[key] is None else arrived[key] * 1e3 for key in ("p50", "p99")]
    completed = figures["latency_s"]["p99"]
    counts = [figures[key] for key in ("arrived", "late", "dropped")]
    return [*counts, percent(figures["violation"]), *times, "-" if completed is None else completed * 1e3]


def _stopping(policy: Policy) -> dict[str, Any] | None:
    """Return what a reader of the results must know of how a policy stops batches; None if it does not."""
    found = getattr(policy, "preemption", None)
    return {"halts": found.halts, "overhead": found.overhead} if isinstance(found, Preemption) else None
