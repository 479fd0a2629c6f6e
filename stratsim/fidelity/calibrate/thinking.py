"""How long policies think before they start something, from what the executor noted of itself in live runs."""

from __future__ import annotations

from dataclasses import replace
from math import log
from statistics import median
from typing import TYPE_CHECKING, Any

from stratsim.model.parts import Provenance
from stratsim.model.truth import Decide, Host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["measure_thinking", "with_thinking"]

_P99 = 2.326
"""Standard deviations of a normal variable from its median to its 99th percentile."""
_LEAST = 0.25
"""Share of what the base thinks from which on a difference counts: runs of one policy differ by a sixth."""


def measure_thinking(runs: Sequence[Recorded], base: Sequence[Recorded] = ()) -> dict[str, Decide]:
    """Return how much longer each policy thinks than that of the runs that measured the host's overheads.

    What that policy thinks is in `dispatch_s` already: a batch's time of dispatch is when its policy was asked. So the
    median of `think_s`, less that of the `base` runs; its scatter by the 99th percentile, as of a log-normal. Medians
    over runs; policies that think less than a quarter longer are left out.

    Args:
        runs: Live runs of any policies, that are not to be judged with it.
        base: Those that `dispatch_s` was measured in.
    """
    known = median(found) if (found := [each["median"] for run in base for each in _thoughts(run)]) else 0.0
    by_policy: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        by_policy.setdefault(run.policy.partition("(")[0], []).extend(_thoughts(run))
    found_by: dict[str, Decide] = {}
    for policy, thoughts in by_policy.items():
        if not thoughts:
            continue
        middle_s, late_s = (median(each[name] for each in thoughts) - known for name in ("median", "p99"))
        if middle_s > _LEAST * known:
            found_by[policy] = Decide(middle_s, log(max(late_s / middle_s, 1.0)) / _P99)
    return found_by


def with_thinking(profile: Profile, runs: Sequence[Recorded], base: Sequence[Recorded] = ()) -> Profile:
    """Return a copy of the profile whose host holds what policies think: `truth.host.decide_s`.

    Args:
        profile: The device, with the overheads of its host.
        runs: As of `measure_thinking`.
        base: The same.
    """
    found = measure_thinking(runs, base)
    if not found:
        return profile
    host = profile.truth.host or Host()
    made = replace(host, decide_s={**host.decide_s, **found})
    source = "; ".join(f"live run {run.directory.name} of {run.policy!r}, batches sha256 {run.digest}" for run in runs)
    note = "; ".join(f"{name}: {1e6 * each.median_s:.0f} us, sigma {each.sigma:.2f}" for name, each in found.items())
    provenance = {**profile.provenance, "truth.host.decide_s": Provenance("measured", source, note=note)}
    return replace(profile, truth=replace(profile.truth, host=made), provenance=provenance)


def _thoughts(run: Recorded) -> Iterator[dict[str, float]]:
    """Yield what a run's manifest says of its policy's thinking, if it says anything."""
    live: Any = run.manifest.get("live", {})
    for each in live.get("runs", ()):
        spread = each.get("host", {}).get("think_s") if each.get("policy") == run.policy else None
        if isinstance(spread, dict) and spread.get("median") is not None and spread.get("p99") is not None:
            yield spread
