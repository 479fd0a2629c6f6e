"""What cannot run, said before the first run: every policy is prepared for every machine, without simulating.

A policy that preempts needs a device model that can show it, a predictor needs what a profile may lack, and so on. In a
sweep of hours such a run fails at once or at the end; here all of them are found in seconds, and equal failures are one
line.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import StratsimError
from stratsim.run.load import Offered
from stratsim.sweep import worker
from stratsim.sweep.plan import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim.sweep.plan import Plan
    from stratsim.sweep.settings import Settings

__all__ = ["Refusal", "folded", "refusals"]

_REQUESTS = 200
"""Requests that are assembled to see which models there are. A rarer model may be missed, none is made up."""
_LISTED = 4
"""Conditions, or values of one axis, that are named one by one."""


class Refusal(NamedTuple):
    """Runs that cannot be made, for one reason."""

    message: str
    where: str
    """Which conditions, in words."""
    conditions: int

    def __str__(self) -> str:
        these = "this condition" if self.conditions == 1 else f"these {self.conditions} conditions"
        return f"{these} cannot run ({self.where}): {self.message}"


def refusals(plan: Plan) -> list[Refusal]:
    """Return what cannot run, by reason; a condition is a cell with a policy and one of its settings.

    Whatever can only be seen while requests are served is not among them.
    """
    worker.install(plan.inputs)
    known: dict[str, str | None] = {}
    found: dict[str, list[dict[str, str]]] = {}
    every: list[dict[str, str]] = []
    for cell in plan.cells:
        for name, trials in cell.trials.items():
            for choice, settings in trials.items():
                own = {"setting": choice.setting} if choice.setting != name else {}
                values = {**cell.labels, "policy": name, **own, **dict(choice.values)}
                where = {column: label(value) for column, value in values.items()}
                every.append(where)
                short = _shortened(settings, plan)
                if short.sha256 not in known:
                    known[short.sha256] = _problem(short)
                problem = known[short.sha256]
                if problem is not None:
                    found.setdefault(problem, []).append(where)
    return [Refusal(message, folded(places, every), len(places)) for message, places in found.items()]


def folded(places: Sequence[Mapping[str, str]], every: Sequence[Mapping[str, str]]) -> str:
    """Return which conditions these are, in few words.

    Args:
        places: The conditions: values by axis.
        every: All that there are; an axis of which all values are concerned is not named.
    """
    for axis in dict.fromkeys(axis for place in places for axis in place):
        here, there = _by_rest(places, axis), _by_rest(every, axis)
        if all(values == there[rest] for rest, values in here.items()):
            places, every = [dict(rest) for rest in here], [dict(rest) for rest in there]
    values: dict[str, dict[str, None]] = {}
    for place in places:
        for axis, value in place.items():
            values.setdefault(axis, {})[value] = None
    if prod(len(each) for each in values.values()) == len(places):
        return " ".join(f"{axis}={_listed(each)}" for axis, each in values.items()) or "all"
    alike = {axis: value for axis, each in values.items() for value in each if len(each) == 1}
    rest = [_words({axis: value for axis, value in place.items() if axis not in alike}) for place in places]
    return " ".join([_words(alike), _listed(rest, "; ")]).strip()


def _words(place: Mapping[str, str]) -> str:
    return " ".join(f"{axis}={value}" for axis, value in place.items())


def _by_rest(places: Iterable[Mapping[str, str]], axis: str) -> dict[tuple[tuple[str, str], ...], set[str | None]]:
    """Return the values of an axis, by what conditions are otherwise."""
    found: dict[tuple[tuple[str, str], ...], set[str | None]] = {}
    for place in places:
        rest = tuple((name, value) for name, value in place.items() if name != axis)
        found.setdefault(rest, set()).add(place.get(axis))
    return found


def _listed(words: Iterable[str], between: str = ", ") -> str:
    words = list(words)
    more = len(words) - _LISTED
    return between.join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _shortened(settings: Settings, plan: Plan) -> Settings:
    """Return a run of a few requests with the same machine and policy, whatever its load and seed."""
    count = min(plan.requests(settings), _REQUESTS)
    arrivals, given = settings.arrivals, settings.spec
    spec = replace(
        given,
        load=None if given.load is None else 1.0,
        load_unit="batch-1",
        rate_scale=None,
        warmup_s=None,
        seed=0,
        limit=count if arrivals is None else given.limit,
    )
    changes: dict[str, Any] = {"spec": spec, "phase": "", "saturation": None}
    if arrivals is not None:
        changes |= {"arrivals": replace(arrivals, requests=count), "offered": Offered(1.0, 1.0)}
    return replace(settings, **changes)


def _problem(settings: Settings) -> str | None:
    """Return why a policy cannot be prepared; None if it can."""
    try:
        worker.check(settings)
    except StratsimError as error:
        return str(error)
    return None
