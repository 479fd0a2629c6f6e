"""What every policy owes: what can be served on an otherwise idle GPU is served, and nothing tells of the future.

Checks for `check_policy`. Requests come so far apart that each finds the GPU idle, with nothing waiting; no event but
the policy's own timers could make up for a decision that it did not take.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.rng import Streams
from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.expect import expect, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stratsim.engine import Result
    from stratsim.policy.base import Policy

    Factory = Callable[[], Policy]
    Row = Sequence[float | str]

__all__ = ["LIVENESS_CHECKS"]

_PROFILE = make_profile(
    {"small": {1: 0.002, 4: 0.004, 8: 0.006}, "large": {1: 0.015, 4: 0.030}},
    sharing={"small": Sharing(0.4, 1.0), "large": Sharing(0.9, 6.0)},
    kernels={"small": 20, "large": 50},
    h2d=Link(1e-5, 12e9),
    d2h=Link(1e-5, 12e9),
    bytes_in=600_000,
    bytes_out=4_000,
)
_MACHINES = (Cluster(max_concurrency=1, prefetch=0), Cluster(max_concurrency=2, prefetch=1))
_NEVER = math.inf
_TIGHT_S = 0.0022
"""What a `small` request takes, with its copies, and a little more: it is late if it has to wait for anybody."""


def check_alone(factory: Factory) -> None:
    """A request without a deadline that comes alone, and nothing after it, is served, whatever its model and class."""
    for cluster in _MACHINES:
        for model in ("small", "large"):
            for level in Priority:
                result = _serve(factory, [(1.0, model, level.label, _NEVER)], cluster)
                _expect_served(result, f"a lone {level.label}-priority {model} request without a deadline")


def check_idle_gpu(factory: Factory) -> None:
    """Requests that come a second apart all find the GPU idle, and meet deadlines of ten times what they take."""
    rows = [(float(i), ("small", "large")[i % 2], ("high", "low")[i // 2 % 2], i + 0.16) for i in range(40)]
    for cluster in _MACHINES:
        _expect_served(_serve(factory, rows, cluster), "requests that come to an idle GPU, a second apart")


def check_rare_high_priority(factory: Factory) -> None:
    """After one tight high-priority request low priority is served, with deadlines or without, however it comes."""
    tight = (0.0, "small", "high", _TIGHT_S)
    for cluster in _MACHINES:
        rows = [tight, *[(1.0 + i, "large", "low", 1.0 + i + 0.16) for i in range(40)]]
        _expect_served(_serve(factory, rows, cluster), "low priority, long after one tight high-priority request")
        for delay_s in (0.0, 0.001, 0.01, 0.1):
            result = _serve(factory, [tight, (delay_s, "large", "low", _NEVER)], cluster)
            _expect_served(result, f"a low-priority request without a deadline, {delay_s:g} s after a tight high one")


def check_after_overload(factory: Factory) -> None:
    """What comes after a burst that could not be served finds nothing left of it."""
    rows: list[Row] = [(0.0, "large", ("high", "low")[i % 2], 0.05) for i in range(60)]
    rows += [(60.0 + i, "large", "low", 60.0 + i + 0.16) for i in range(10)]
    for cluster in _MACHINES:
        result = _serve(factory, rows, cluster)
        met = int((result.requests.status[60:] == Status.MET).sum())
        expect(met == 10, f"of 10 requests that came to an idle GPU a minute after an overload {met} were met")


def check_steady_high_priority(factory: Factory) -> None:
    """While high priority takes a tenth of the GPU, low priority without deadlines is served within half a minute."""
    rows: list[Row] = [(i * 0.02, "small", "high", i * 0.02 + 3 * _TIGHT_S) for i in range(1500)]
    rows.append((0.005, "large", "low", _NEVER))
    for cluster in _MACHINES:
        result = _serve(factory, rows, cluster)
        low = result.requests.priority == Priority.LOW
        waited_s = float(result.requests.finish_s[low][0]) - 0.005
        expect(
            waited_s < 30.0, f"beside high priority that takes a tenth of the GPU low priority waited {waited_s:.0f} s"
        )


def check_prefix(factory: Factory) -> None:
    """No decision depends on later arrivals: up to any time it is what it is without what comes after it."""
    draw = Streams(11).get("prefix")
    rows = []
    at_s = 0.0
    for _ in range(60):
        at_s += float(draw.exponential(0.003))
        model, level = ("small", "large")[int(draw.integers(2))], ("high", "low")[int(draw.random() < 0.6)]
        rows.append((at_s, model, level, at_s + float(draw.uniform(0.01, 0.2))))
    cluster = Cluster(gpus=2)
    whole = _decisions(_serve(factory, rows, cluster))
    for count in (15, 30, 45):
        until_s = rows[count][0]
        before = [each for each in whole if each[0] < until_s]
        alone = [each for each in _decisions(_serve(factory, rows[:count], cluster)) if each[0] < until_s]
        expect(before == alone, f"decisions before {until_s:.4f} s depend on what arrives from then on")


LIVENESS_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_alone,
    check_idle_gpu,
    check_rare_high_priority,
    check_after_overload,
    check_steady_high_priority,
    check_prefix,
)
"""All checks, each a function of a policy factory."""


def _serve(factory: Factory, rows: Iterable[Row], cluster: Cluster) -> Result:
    return run(factory(), make_workload(rows, profile=_PROFILE), _PROFILE, cluster)


def _expect_served(result: Result, what: str) -> None:
    """Require all requests but the tight ones to be met."""
    asked = np.flatnonzero(result.requests.deadline_s - result.requests.arrival_s > 2 * _TIGHT_S)
    met = int((result.requests.status[asked] == Status.MET).sum())
    expect(met == len(asked), f"{what}: {met} of {len(asked)} were served in time")


def _decisions(result: Result) -> list[tuple[float, int, str]]:
    """Return when each request was dispatched or dropped, in the order of time."""
    requests, found = result.requests, []
    dropped_s = np.asarray(requests.dropped_s)
    for row, batch in enumerate(requests.batch.tolist()):
        if batch >= 0:
            found.append((float(result.batches.dispatch_s[batch]), row, f"on GPU {result.batches.gpu[batch]}"))
        elif not math.isnan(dropped_s[row]):
            found.append((float(dropped_s[row]), row, "dropped"))
    return sorted(found)
