"""How many runs a study has, and how long they will take: from one short run of every policy."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import StratsimError
from stratsim.experiment.backends import Serial
from stratsim.experiment.grid import cells, combinations
from stratsim.experiment.kinds import Context, find_kind
from stratsim.experiment.sweep import at_rate, context_of, saturations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.experiment.grid import Task
    from stratsim.experiment.study import Study

__all__ = ["Plan", "PolicyPlan", "make_plan"]

_REQUESTS = 1500
"""Length of the run that is timed; the time of a longer one is taken as proportional."""


class PolicyPlan(NamedTuple):
    """What one policy costs."""

    name: str
    role: str
    trials: int
    runs: int
    """At most."""
    seconds: float | None
    """Of one run; None where none was timed."""
    failure: str | None = None
    """What was wrong with the run that was timed."""

    @property
    def total_s(self) -> float:
        """Of all runs."""
        return self.runs * (self.seconds or 0.0)


class Plan(NamedTuple):
    """What a study costs."""

    cells: int
    runs: dict[str, int]
    policies: list[PolicyPlan]
    saturations: dict[str, dict[str, Any]]


def make_plan(study: Study, *, timed: bool = True) -> Plan:
    """Return the plan of a study; with `timed` each policy runs once, with few requests.

    Raises:
        StratsimError: the study names what cannot be used.
    """
    kind = find_kind(study.kind)
    if not kind.conditions:
        return Plan(len(combinations(study)), kind.estimate(study, Context({})), [], {})
    with tempfile.TemporaryDirectory() as folder:
        context = context_of(study, Path(folder))
        points = saturations(study, context, Path(folder), Serial()) if timed else {}
        runs = kind.estimate(study, context)
        first: dict[str, list[Task]] = {}
        for each in kind.stages[0](study, context, []):
            first.setdefault(each.settings["policy"], []).append(each)
        policies = []
        for name, policy in study.policies.items():
            tasks = first.get(name, [])
            seconds, failure = None, None
            if timed and tasks:
                try:
                    seconds = _seconds(kind.run, at_rate(tasks[0], points))
                except StratsimError as error:
                    failure = str(error)
            policies.append(PolicyPlan(name, policy.role, len(policy.trials()), _runs(study, tasks), seconds, failure))
    return Plan(len(cells(study)), runs, policies, points)


def _runs(study: Study, tasks: list[Task]) -> int:
    """Return how many runs a policy has at most: those of the first stage, and two per cell and result seed."""
    servers: dict[tuple[str, ...], set[int]] = {}
    for each in tasks:
        place = tuple(each.settings["cell"].values())
        servers.setdefault(place, set()).add(each.settings["base"]["max_concurrency"])
    fixed = study.analysis.fixed_concurrency
    later = sum(1 + (fixed in slots and len(slots) > 1) for slots in servers.values())
    return len(tasks) + later * len(study.seeds.results)


def _seconds(run: Any, settings: Mapping[str, Any]) -> float:
    """Return what a run takes, from a shorter one; the warm-up is left out of that, as it might leave nothing."""
    requests: int = settings["arrivals"]["requests"]
    short = min(requests, _REQUESTS)
    shorter = {
        **settings,
        "arrivals": {**settings["arrivals"], "requests": short},
        "base": {**settings["base"], "warmup_s": None},
    }
    began = time.perf_counter()
    run(shorter)
    taken = time.perf_counter() - began
    return taken * requests / short
