"""What is asked, and how one rate on one machine is measured: all seeds on a backend, with intervals over them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stratsim.capacity.probe import Job, run_job
from stratsim.errors import SpecError
from stratsim.stats.intervals import share_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.capacity.target import Goal
    from stratsim.run.arrivals import Arrivals
    from stratsim.run.spec import RunSpec
    from stratsim.stats.intervals import Interval
    from stratsim.sweep.backends import Backend

__all__ = ["CODE", "Probe", "Question", "made", "measure"]

CODE = ("capacity/probe.py",)
"""What figures depend on besides the simulator."""
_MOST_SEEDS = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every policy. Every default is our choice.

    Args:
        run: The run at any rate; its load and rate scale are not looked at, its seed is the first.
        target: What is to be met: `parse_target`.
        arrivals: Draw the requests anew for each seed, instead of the trace that `run` names.
        seeds: How many seeds.
        level: Confidence level of all intervals.
    """

    run: RunSpec
    target: tuple[Goal, ...]
    arrivals: Arrivals | None = None
    seeds: int = 8
    level: float = 0.95

    def __post_init__(self) -> None:
        if not self.target:
            raise SpecError("a target has at least one goal, such as high=1%")
        if self.seeds < 2:
            raise SpecError(f"seeds must be at least 2, as one sample has no interval, got {self.seeds}")
        if self.seeds > _MOST_SEEDS:
            raise SpecError(f"seeds must be at most {_MOST_SEEDS}, got {self.seeds}")
        if not 0 < self.level < 1:
            raise SpecError(f"level must be within (0, 1), got {self.level}")
        if self.arrivals is not None and self.run.trace is not None:
            raise SpecError("requests come from a trace or from an arrival process, not from both")

    @property
    def shares(self) -> dict[str, float]:
        """The largest share that may miss, by goal."""
        return {goal.name: goal.share for goal in self.target}

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds."""
        return [self.run.seed + number for number in range(self.seeds)]


@dataclass(frozen=True, slots=True)
class Probe:
    """What one rate on one machine gave.

    Three verdicts, each true where the next one is: the upper confidence limits meet the target (`certain`), the means
    do (`expected`), the lower limits do (`possible`).

    Args:
        rate: Requests per second.
        samples: The share that missed, by goal, one per seed, in the order of the seeds.
        intervals: Their means with intervals.
        figures: Whatever else was measured, by name, one per seed.
        gpus: How many GPUs; None: as many as the run says.
    """

    rate: float
    samples: Mapping[str, list[float]]
    intervals: Mapping[str, Interval]
    figures: Mapping[str, list[float]] = field(default_factory=dict)
    gpus: int | None = None

    def certain(self, target: Mapping[str, float]) -> bool:
        """Whether the upper confidence limits meet the target."""
        return all(self.intervals[name].high <= share for name, share in target.items())

    def expected(self, target: Mapping[str, float]) -> bool:
        """Whether the means meet the target."""
        return all(self.intervals[name].mean <= share for name, share in target.items())

    def possible(self, target: Mapping[str, float]) -> bool:
        """Whether the lower confidence limits meet the target: nothing says that the means do not."""
        return all(self.intervals[name].low <= share for name, share in target.items())


def measure(question: Question, job: Job, seeds: Sequence[int], backend: Backend) -> Probe:
    """Return what a job's policy, rate and machine give over some seeds.

    Raises:
        SpecError: a goal that is about no request at some seed.
        StratsimError: whatever goes wrong in a run.
    """
    rows = made([replace(job, spec=replace(job.spec, seed=seed)) for seed in seeds], backend)
    figures = {name: [row[name] for row in rows] for name in rows[0] if all(name in row for row in rows)}
    for goal in question.target:
        if goal.name not in figures:
            raise SpecError(f"target: {_whose(goal)} at some seed")
    samples = {goal.name: figures[goal.name] for goal in question.target}
    intervals = {name: share_interval(sample, question.level) for name, sample in samples.items()}
    return Probe(job.rate, samples, intervals, figures, job.gpus)


def _whose(goal: Goal) -> str:
    of = f" of {goal.model!r}" if goal.model is not None else ""
    return f"class {goal.group!r} has no requests{of}{' with a deadline' if goal.limit_s is None else ''}"


def made(
    todo: Sequence[Any], backend: Backend, function: Callable[[Any], dict[str, Any]] = run_job
) -> list[dict[str, Any]]:
    """Return what a function says of jobs, in their order: by default their figures."""
    for job in todo:
        backend.submit(repr(job), function, job)  # named by its content: no other call of the search has that
    ended = {each.key: each for each in (backend.next_completed() for _ in todo)}
    rows: list[dict[str, Any]] = []
    for job in todo:
        each = ended[repr(job)]
        if each.error is not None:
            raise each.error
        rows.append(each.value)
    return rows
