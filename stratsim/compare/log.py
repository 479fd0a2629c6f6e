"""What really happened in a run: each batch's execution, and who executed beside it for how long.

Made from the log of a run alone (`Result.batches`), once, for as many beliefs as are to be judged on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.predict import Observation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.engine import Result
    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict import Active, Interval, Member

__all__ = ["RunLog", "Step", "chain", "read_log"]


class Step(NamedTuple):
    """Something that a scheduler is told or decides: a batch has ended, or is dispatched."""

    at_s: float
    is_dispatch: bool
    """False: its execution has ended. Ends come before dispatches at the same instant, as in the engine."""
    batch: int


@dataclass(frozen=True, slots=True)
class RunLog:
    """The log of one run. Sequences are indexed by batch, in the order of dispatch."""

    steps: tuple[Step, ...]
    """Dispatches and ends, in order."""
    observations: tuple[Observation, ...]
    """What a scheduler learns when a batch has ended."""
    gpu: tuple[int, ...]
    ready_s: tuple[float, ...]
    """When the inputs were on the GPU."""
    start_s: tuple[float, ...]
    """When the execution started."""
    longest_beside: tuple[str, ...]
    """The model that overlapped its execution longest; empty for one that ran alone."""

    def ran_alone(self, batch: int) -> bool:
        """Whether nobody else executed at any time of this batch's execution."""
        return not self.longest_beside[batch]

    @property
    def end_s(self) -> float:
        """When the last of its batches ended; 0 of a log without any."""
        return self.steps[-1].at_s if self.steps else 0.0

    def asked_at_start(self) -> RunLog:
        """Return the log of a server that dispatches each batch when its execution starts.

        Of a server that hands batches on before there is a slot for them, predictions at dispatch hold the wait for
        the slot too; these are of the execution alone.
        """
        starts = [Step(at_s, True, batch) for batch, at_s in enumerate(self.start_s)]
        ends = [step for step in self.steps if not step.is_dispatch]
        return replace(self, steps=tuple(sorted([*starts, *ends])), ready_s=self.start_s)


def read_log(result: Result, profile: SchedulerProfile) -> RunLog:
    """Return the log of a run.

    Args:
        result: Of the run.
        profile: What its scheduler knew: solo latencies are the scheduler's, not those that were drawn.

    Raises:
        OutsideProfileError: a model or batch size that the profile does not cover.
        SpecError: batches did not execute to their end, or were stopped in between.
    """
    table = result.batches
    open_ = int(np.isnan(table.execution_end_s).sum())
    if open_:
        raise SpecError(
            f"{open_} of {len(table)} batches of {result.policy!r} did not execute to their end, as in a run that was "
            "interrupted: for how long others ran beside them is not known; take a run that ended"
        )
    if result.pauses is not None and len(result.pauses):
        raise SpecError(
            f"{result.policy!r} stopped batches while they executed: what is learned from that is another question; "
            "take a run of a policy that stops nobody"
        )
    names = [result.models[model] for model in table.model.tolist()]
    members = list(zip(names, table.size.tolist(), strict=True))
    start_s, end_s = table.execution_start_s.tolist(), table.execution_end_s.tolist()
    intervals: list[list[Interval]] = [[] for _ in members]
    for gpu in np.unique(table.gpu):
        _add_intervals(np.flatnonzero(table.gpu == gpu).tolist(), members, start_s, end_s, intervals)
    observations = [
        Observation(member, profile.latency_s(*member), end - start, tuple(beside), end)
        for member, start, end, beside in zip(members, start_s, end_s, intervals, strict=True)
    ]
    dispatches = [Step(at_s, True, batch) for batch, at_s in enumerate(table.dispatch_s.tolist())]
    ends = [Step(at_s, False, batch) for batch, at_s in enumerate(end_s)]
    return RunLog(
        steps=tuple(sorted([*dispatches, *ends])),
        observations=tuple(observations),
        gpu=tuple(table.gpu.tolist()),
        ready_s=tuple(table.copy_in_end_s.tolist()),
        start_s=tuple(start_s),
        longest_beside=tuple([_longest(beside) for beside in intervals]),
    )


def chain(logs: Sequence[RunLog]) -> RunLog:
    """Return runs of one server one after another, as one log: each begins when the last batch before has ended.

    Args:
        logs: At least one. Batches are numbered on.
    """
    steps: list[Step] = []
    observations: list[Observation] = []
    times: dict[str, list[float]] = {"ready_s": [], "start_s": []}
    for log in logs:
        after_s, before = (steps[-1].at_s if steps else 0.0), len(observations)
        steps += [Step(after_s + at_s, is_dispatch, before + batch) for at_s, is_dispatch, batch in log.steps]
        observations += [each._replace(end_s=after_s + each.end_s) for each in log.observations]
        times["ready_s"] += [after_s + at_s for at_s in log.ready_s]
        times["start_s"] += [after_s + at_s for at_s in log.start_s]
    return RunLog(
        steps=tuple(steps),
        observations=tuple(observations),
        gpu=tuple([gpu for log in logs for gpu in log.gpu]),
        ready_s=tuple(times["ready_s"]),
        start_s=tuple(times["start_s"]),
        longest_beside=tuple([model for log in logs for model in log.longest_beside]),
    )


def _add_intervals(
    batches: Sequence[int],
    members: Sequence[Member],
    start_s: Sequence[float],
    end_s: Sequence[float],
    intervals: list[list[Interval]],
) -> None:
    """Enter the intervals of constant co-runners of each of the batches of one GPU."""
    changes = sorted([(end_s[i], 0, i) for i in batches] + [(start_s[i], 1, i) for i in batches])
    executing: dict[int, Member] = {}
    since_s = 0.0
    for at_s, starts, batch in changes:
        lasted_s, since_s = at_s - since_s, at_s
        if lasted_s > 0:
            for each in executing:
                others: Active = tuple([member for other, member in executing.items() if other != each])
                intervals[each].append((lasted_s, others))
        if starts:
            executing[batch] = members[batch]
        else:
            del executing[batch]


def _longest(intervals: Sequence[Interval]) -> str:
    """Return the model with the most time in intervals; the first in the alphabet among equals."""
    beside_s: dict[str, float] = {}
    for length_s, others in intervals:
        for model, _ in others:
            beside_s[model] = beside_s.get(model, 0.0) + length_s
    return min(beside_s, key=lambda model: (-beside_s[model], model), default="")
