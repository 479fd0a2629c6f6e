"""Settings chosen for each policy on pilot seeds, by the rule of a sweep's `[select]`, before the seeds that count.

One setting is chosen per policy, where it matters: at the fewest GPUs with which some setting meets the target by the
means over the pilot seeds. What is least there is the largest part used of what a goal allows; among settings that are
no worse by more than the standard error of the best, the least mean part over the goals.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.capacity.edge import use
from stratsim.capacity.measure import measure
from stratsim.errors import SpecError, suggest
from stratsim.policy.registry import parse_policies
from stratsim.run.spec import make_spec, toml_value
from stratsim.sweep.select import best_of
from stratsim.sweep.spec import OF_SERVER, combined, filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stratsim.capacity.measure import Probe, Question
    from stratsim.capacity.probe import Job
    from stratsim.capacity.target import Goal
    from stratsim.sweep.backends import Backend

__all__ = ["Choose", "Chosen", "Trial", "choose", "parse_choose", "trials"]

_MOST_TRIALS = 1000
_MOST_PILOTS = 1000


@dataclass(frozen=True, slots=True)
class Choose:
    """Among which settings, and on how many seeds. Every default is our choice.

    Args:
        values: Values by setting: of the server (`max_batch`, `max_concurrency`, `prefetch`, `drop`), or `{NAME}` in a
            policy's text.
        pilots: How many seeds, from the first on that is not one of the results.
    """

    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    pilots: int = 3

    def __post_init__(self) -> None:
        if not 2 <= self.pilots <= _MOST_PILOTS:
            raise SpecError(f"pilots must be 2 to {_MOST_PILOTS} seeds, got {self.pilots}")
        count = 1
        for name, values in self.values.items():
            count *= len(values)
            if not values or len(set(map(repr, values))) < len(values):
                raise SpecError(f"choose: {name} must have different values, got {list(values)}")
            for value in values if name in OF_SERVER else ():
                make_spec({name: value}, "choose")
        if count > _MOST_TRIALS:
            raise SpecError(f"choose: {count} combinations are more than {_MOST_TRIALS}; name fewer values")


def parse_choose(texts: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """Return the values by setting that texts such as `max_batch=1,2,4` and `max_concurrency=1..4` list.

    Raises:
        SpecError: no `=`, a setting that is named twice, or a range that runs backwards.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, equals, values = (piece.strip() for piece in text.partition("="))
        name = name.replace("-", "_")
        if not equals or not name:
            raise SpecError(
                f"choose takes NAME=VALUES, such as max_batch=1,2,4,8 or max_concurrency=1..4, got {text!r}"
            )
        if name in found:
            raise SpecError(f"choose: {name} is named twice")
        found[name] = tuple(value for part in values.split(",") for value in _values(name, part.strip()))
    return found


def _values(name: str, part: str) -> Sequence[Any]:
    first, dots, last = part.partition("..")
    if not dots:
        return [toml_value(part)]
    ends = [toml_value(first.strip()), toml_value(last.strip())]
    if not all(type(end) is int for end in ends) or not 0 <= ends[1] - ends[0] < _MOST_TRIALS:
        raise SpecError(f"choose: {name} must be values or a range from the least to the most, got {part!r}")
    return range(ends[0], ends[1] + 1)


class Trial(NamedTuple):
    """One combination of settings for one policy."""

    policy: str
    settings: tuple[tuple[str, object], ...]
    """Of the server."""


class Chosen(NamedTuple):
    """What a policy runs with, and how it was chosen."""

    trial: Trial
    record: dict[str, Any] | None
    """As plain data; None where there was nothing to choose from."""


def trials(policies: str, values: Mapping[str, Sequence[Any]]) -> list[list[Trial]]:
    """Return for each policy of a list what it is tried with, in the order of the values.

    Raises:
        SpecError: a setting that is neither the server's nor in the text of a policy.
    """
    for name in values:
        if name not in OF_SERVER and f"{{{name}}}" not in policies:
            raise SpecError(f"choose: no policy has {{{name}}}, and no server has {name!r}; {suggest(name, OF_SERVER)}")
    found: list[dict[Trial, None]] = []
    for each in combined({name: list(options) for name, options in values.items()}):
        settings = tuple((name, value) for name, value in each.items() if name in OF_SERVER)
        calls = parse_policies(filled(policies, each))
        found = found or [{} for _ in calls]
        for own, call in zip(found, calls, strict=True):
            own[Trial(call.text, settings)] = None
    return [list(own) for own in found]


def choose(
    question: Question,
    jobs: Sequence[Job],
    tried: Sequence[Trial],
    pilots: int,
    backend: Backend,
    progress: Callable[[Trial, Probe], None] | None = None,
) -> Chosen:
    """Return what a policy runs with.

    Args:
        question: What is asked.
        jobs: A run for each number of GPUs, from the fewest on; policy and settings are those of a trial.
        tried: From `trials`, for one policy.
        pilots: How many seeds, behind those of the results.
        backend: Where runs are made.
        progress: Called with each trial and what it gave.
    """
    if len(tried) == 1:
        return Chosen(tried[0], None)
    first = question.seed_numbers[-1] + 1
    seeds = list(range(first, first + pilots))

    def measured(job: Job) -> dict[Trial, Probe]:
        found = {}
        for trial in tried:
            own = replace(job, policy=trial.policy, settings=trial.settings)
            found[trial] = measure(question, own, seeds, backend)
            if progress is not None:
                progress(trial, found[trial])
        return found

    low, high, at = 0, len(jobs) - 1, {}
    while low < high:
        middle = (low + high) // 2
        at[middle] = measured(jobs[middle])
        if any(probe.expected(question.shares) for probe in at[middle].values()):
            high = middle
        else:
            low = middle + 1
    probes = at.get(low) or measured(jobs[low])
    goals = jobs[low].goals
    best = best_of({trial: _used(probe, goals) for trial, probe in probes.items()})
    used = {trial: _used(probe, goals)[0] for trial, probe in probes.items()}
    described = [{**_described(trial), "used": sum(used[trial]) / pilots} for trial in tried]
    return Chosen(best, {"gpus": jobs[low].gpus, "seeds": seeds, "trials": described})


def _described(trial: Trial) -> dict[str, Any]:
    return {"policy": trial.policy, "settings": dict(trial.settings)}


def _used(probe: Probe, goals: Sequence[Goal]) -> tuple[list[float], list[float]]:
    """Return by seed: the largest part used of what a goal allows, and the mean part over the goals."""
    by_seed = list(zip(*([use(share, goal) for share in probe.samples[goal.name]] for goal in goals), strict=True))
    return [max(each) for each in by_seed], [sum(each) / len(each) for each in by_seed]
