"""What is to be met: shares of violations, and percentiles of latency, of all requests, a class or a model.

Each is one `Goal`, and each goal is a share of the requests that arrived: violations of their own deadlines, or those
that were not answered within a latency. A 99th percentile of at most 50 ms holds where at most 1 % of the requests were
not answered within 50 ms. That share has an interval over seeds, and a request that was dropped counts in it; the
percentile itself is infinite as soon as it falls among dropped requests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stratsim.errors import OutsideProfileError, SpecError, suggest
from stratsim.limits import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALL", "CLASSES", "Goal", "own_models", "parse_target"]

ALL = "all"
"""All classes together."""
CLASSES = ("high", "low", ALL)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,6})?)")
_FIGURES = (*CLASSES, "p50", "p95", "p99")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_LATENCY = re.compile(r"(.*?)\s*(us|ms|s)")


@dataclass(frozen=True, slots=True)
class Goal:
    """One part of a target: the largest share of some requests that may miss it.

    Args:
        name: What it bounds, as it was typed: `high`, `p99`, `resnet50:p99`.
        share: The largest share of its requests that may miss it.
        limit_s: The latency that a request must not exceed, seconds; None: its own deadline.
        group: Whose requests: `high`, `low` or `all`.
        model: Of which model; None: of all.
    """

    name: str
    share: float
    limit_s: float | None = None
    group: str = ALL
    model: str | None = None

    @property
    def quantile(self) -> float | None:
        """The quantile of the latency that the limit holds for; None for violations."""
        return None if self.limit_s is None else 1.0 - self.share

    @property
    def words(self) -> str:
        """What is asked for: `p99 at most 50 ms`, `high violations at most 1 %`."""
        return f"{self.name}{' violations' if self.limit_s is None else ''} at most {self.bound}"

    @property
    def bound(self) -> str:
        """The figure that is not to be exceeded, with its unit."""
        return f"{100 * self.share:g} %" if self.limit_s is None else f"{1e3 * self.limit_s:g} ms"


def parse_target(text: str) -> tuple[Goal, ...]:
    """Return the goals that a text names, by comma: `high=1%,p99=50ms,resnet50:high:p95=20ms`.

    A goal is [MODEL:]CLASS=SHARE, for violations, or [MODEL:][CLASS:]pNN=LATENCY. A class is `high`, `low` or `all`, a
    share is a percentage or a number below 1, a latency has a unit: us, ms or s.

    Raises:
        SpecError: a figure or a class that does not exist, one that is named twice, a share outside [0, 1), a latency
            without a unit or not above 0.
    """
    goals: dict[str, Goal] = {}
    for part in text.split(","):
        left, equals, value = (piece.strip() for piece in part.rpartition("="))
        if not equals:
            raise SpecError(f"a target is FIGURE=LIMIT, such as high=1% or p99=50ms, got {part.strip()!r}")
        goal = _goal(left, value)
        if goal.name in goals:
            raise SpecError(f"target: {goal.name} is named twice")
        goals[goal.name] = goal
    return tuple(goals.values())


def _goal(name: str, value: str) -> Goal:
    *scope, figure = (piece.strip() for piece in name.split(":"))
    if figure in CLASSES:
        model = ":".join(scope) or None
        return Goal(name, _share(name, value), group=figure, model=model)
    percentile = _PERCENTILE.fullmatch(figure)
    if percentile is None or not float(percentile[1]) > 0:
        raise SpecError(
            f"target: no figure {figure!r}; {suggest(figure, _FIGURES)}; a percentile lies above p0 and below p100"
        )
    group = scope.pop() if scope and scope[-1] in CLASSES else ALL
    share = round(1.0 - float(percentile[1]) / 100.0, 12)
    return Goal(name, share, _latency_s(name, value), group, ":".join(scope) or None)


def _share(name: str, value: str) -> float:
    percent = value.endswith("%")
    try:
        share = float(value.removesuffix("%")) / (100.0 if percent else 1.0)
    except ValueError:
        raise SpecError(f"target: {name} must be a share such as 1% or 0.01, got {value!r}") from None
    if not 0 <= share < 1:
        hint = f"; write {value}% for percent" if not percent else ""
        raise SpecError(f"target: {name} must be at least 0 and below 100 %, got {value!r}{hint}")
    return share


def _latency_s(name: str, value: str) -> float:
    match = _LATENCY.fullmatch(value)
    try:
        number = float(match[1] if match else value)
    except ValueError:
        raise SpecError(f"target: {name} must be a latency such as 50ms, got {value!r}") from None
    if match is None:
        raise SpecError(f"target: {name} needs a unit: {value}ms, {value}s or {value}us")
    limit_s = number * _UNITS[match[2]]
    if not 0 < limit_s <= LONGEST_S:
        raise SpecError(f"target: {name} must be above 0 and at most {LONGEST_S:g} s, got {value!r}")
    return limit_s


def own_models(goals: tuple[Goal, ...], resolve: Callable[[str], str]) -> tuple[Goal, ...]:
    """Return the goals with models by the profile's own names.

    Raises:
        SpecError: a model that the profile lacks.
    """
    try:
        return tuple(goal if goal.model is None else replace(goal, model=resolve(goal.model)) for goal in goals)
    except OutsideProfileError as error:
        raise SpecError(f"target: {error}") from None
