"""How long a sweep will take: from one short run of every policy."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import StratsimError
from stratsim.sweep import worker

if TYPE_CHECKING:
    from stratsim.sweep.plan import Plan
    from stratsim.sweep.settings import Settings

__all__ = ["PolicyTime", "times", "total_s"]

_REQUESTS = 1500
"""Length of the run that is timed; the time of a longer one is taken as proportional."""


class PolicyTime(NamedTuple):
    """What one policy costs."""

    name: str
    trials: int
    """Settings to try, in all cells."""
    seconds: float | None
    """Of a request; None where the run failed."""
    failure: str | None = None
    """What was wrong with the run that was timed."""


def times(plan: Plan) -> list[PolicyTime]:
    """Return what each policy costs; loads must have been measured (`stratsim.sweep.run.measure`)."""
    worker.install(plan.inputs)
    found: dict[str, PolicyTime] = {}
    for cell in plan.cells:
        for name, trials in cell.trials.items():
            first = found.get(name) or _timed(name, next(iter(trials.values())), plan)
            found[name] = first._replace(trials=first.trials + len(trials))
    return list(found.values())


def total_s(plan: Plan, policies: list[PolicyTime]) -> tuple[float, float]:
    """Return the time of the least and of the largest number of runs, one after the other, seconds.

    Every run counts as a mean one of the plan: what `select` will choose is not known yet.
    """
    per_request = {each.name: each.seconds or 0.0 for each in policies}
    every = [(name, each) for cell in plan.cells for name, trials in cell.trials.items() for each in trials.values()]
    mean_s = sum(per_request[name] * plan.requests(each) for name, each in every) / len(every)
    least, most = plan.counts()
    return mean_s * least, mean_s * most


def _timed(name: str, settings: Settings, plan: Plan) -> PolicyTime:
    """Time a shorter run; the warm-up is left out of that, as it might leave nothing."""
    count = plan.requests(settings)
    short = min(count, _REQUESTS)
    spec, arrivals = replace(settings.spec, warmup_s=None), settings.arrivals
    if arrivals is None:
        shorter = replace(settings, spec=replace(spec, limit=short))
    else:
        shorter = replace(settings, spec=spec, arrivals=replace(arrivals, requests=short))
    began = time.perf_counter()
    try:
        worker.run(shorter)
    except StratsimError as error:
        return PolicyTime(name, 0, None, str(error))
    return PolicyTime(name, 0, (time.perf_counter() - began) / max(1, short))
