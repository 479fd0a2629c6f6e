"""Replays with other values of what was fitted, as sure as that is: whether a ranking of policies holds under them.

A calibrated profile says how well its corrections of contention are known (`truth.kernel_queue.served.spread` and
`start_spread_s`). A draw replaces each factor by a log-normal one about it, and the cost of a start by a normal one.
Only the truth is drawn: policies believe what they believed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import exp
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.results import summarize
from stratsim.rng import Streams
from stratsim.run.replay import run_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.model.profile import Profile
    from stratsim.run.inputs import Inputs

__all__ = ["FIGURES", "Held", "described_draws", "drawn_profile", "held", "run_draws"]

FIGURES = ("violation", "p50", "p95", "mean")
"""Of each class, of which a ranking is looked at: less is better."""


class Held(NamedTuple):
    """How two policies compare by a figure under the draws.

    `better` is better with the profile as it is; `held` of `draws` draws say so too.
    """

    label: str
    figure: str
    better: str
    worse: str
    held: int
    draws: int


def drawn_profile(profile: Profile, draw: int, seed: int = 0) -> Profile:
    """Return a copy of the profile with other values of what corrects its contention.

    Args:
        profile: Calibrated.
        draw: Which: the same number gives the same values.
        seed: Of all draws.

    Raises:
        SpecError: the profile does not say how well anything is known.
    """
    queue = profile.truth.kernel_queue
    served = None if queue is None else queue.served
    if queue is None or served is None or not (served.spread or served.start_spread_s):
        raise SpecError(
            f"profile {profile.name!r} does not say how well its contention is known, so there is nothing to draw: "
            "stratsim fidelity calibrate measures it from live runs (truth.kernel_queue.served)"
        )
    streams = Streams(seed).child("draws", str(draw))
    factors = {
        name: {
            size: factor * exp(served.spread.get(name, {}).get(size, 0.0) * _normal(streams, name, str(size)))
            for size, factor in table.items()
        }
        for name, table in served.factors.items()
    }
    start_s = max(0.0, served.start_s + served.start_spread_s * _normal(streams, "start"))
    drawn = replace(queue, served=replace(served, factors=factors, start_s=start_s))
    return replace(profile, truth=replace(profile.truth, kernel_queue=drawn))


def _normal(streams: Streams, *name: str) -> float:
    return float(streams.get(*name).standard_normal())


def run_draws(
    inputs: Inputs, draws: int, said: Callable[[int], None] = lambda _: None
) -> list[tuple[str, dict[str, Any]]]:
    """Return (policy, summary) of every policy under every draw.

    Args:
        inputs: From `prepare`.
        draws: How many.
        said: Called with the number of each draw, before it.

    Raises:
        SpecError: the profile does not say how well anything is known.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    for draw in range(draws):
        said(draw)
        own = replace(inputs, profile=drawn_profile(inputs.profile, draw, inputs.spec.seed))
        results = ((call.text, run_policy(own, call)) for call in own.policies)
        found += [(policy, summarize(result, warmup_s=inputs.spec.warmup_s)) for policy, result in results]
    return found


def described_draws(
    inputs: Inputs, summaries: Sequence[Mapping[str, Any]], draws: int, said: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Return draws.json: what holds in how many draws, and the summary of every run, as plain JSON values.

    Args:
        inputs: From `prepare`.
        summaries: Of the policies with the profile as it is.
        draws: How many.
        said: Called with the number of each draw, before it.

    Raises:
        SpecError: the profile does not say how well anything is known.
    """
    found = run_draws(inputs, draws, said)
    return {
        "draws": draws,
        "held": [each._asdict() for each in held(summaries, found)],
        "runs": [{"draw": at // len(inputs.policies), **summary} for at, (_, summary) in enumerate(found)],
    }


def held(summaries: Sequence[Mapping[str, Any]], draws: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Held]:
    """Return for each class, figure and pair of policies in how many draws they compare as they do without.

    Pairs that are equal without are left out, and figures that a class has not.

    Args:
        summaries: Of the policies with the profile as it is.
        draws: From `run_draws`.
    """
    by_policy: dict[str, list[Mapping[str, Any]]] = {}
    for policy, summary in draws:
        by_policy.setdefault(policy, []).append(summary)
    found = []
    for one, other in combinations(summaries, 2):
        for label in one["classes"]:
            for figure in FIGURES:
                first, second = _figure(one, label, figure), _figure(other, label, figure)
                if first is None or second is None or first == second:
                    continue
                better, worse = (one, other) if first < second else (other, one)
                pairs = zip(by_policy[better["policy"]], by_policy[worse["policy"]], strict=True)
                same = sum(_less(good, bad, label, figure) for good, bad in pairs)
                count = len(by_policy[better["policy"]])
                found.append(Held(label, figure, better["policy"], worse["policy"], same, count))
    return found


def _less(one: Mapping[str, Any], other: Mapping[str, Any], label: str, figure: str) -> bool:
    first, second = _figure(one, label, figure), _figure(other, label, figure)
    return first is not None and second is not None and first < second


def _figure(summary: Mapping[str, Any], label: str, figure: str) -> float | None:
    own = summary["classes"].get(label)
    if own is None:
        return None
    value: float | None = own["violation"] if figure == "violation" else own["latency_s"][figure]
    return value
