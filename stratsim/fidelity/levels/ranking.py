"""Level 3: whether policies compare in the simulator as they do live."""

from __future__ import annotations

from itertools import combinations
from math import nan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from stratsim.model.request import Status
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result

__all__ = ["METRICS", "Compared", "compare_policies", "paired_difference"]

METRICS = ("latency", "violation")
"""Per request: seconds of those answered under both policies; 1 for a violated deadline, else 0."""
_BLOCKS = 20
_RESAMPLES = 2000
"""Of the bootstrap over blocks of neighbouring requests, used where there is one repeat only."""

_WAYS: tuple[Literal["live"], Literal["simulated"]] = ("live", "simulated")


class Compared(NamedTuple):
    """A live run, the simulator left to itself, and which requests count."""

    live: Result
    simulated: Result
    chosen: NDArray[np.bool_]


def compare_policies(cells: Mapping[str, Sequence[Compared]]) -> list[dict[str, Any]]:
    """Return for each metric how policies rank live and simulated, and each pair of policies.

    Args:
        cells: By policy: its repeats, in the same order for all policies; all of the same requests.

    Returns:
        Per metric: `live` and `simulated`, the policies from the best to the worst by their means; `preserved`, whether
        every pair is; `significant`, how many of the pairs differ live; `pairs`, from `paired_difference`.
    """
    found = []
    for metric in METRICS:
        live, simulated = ({policy: _mean(repeats, way, metric) for policy, repeats in cells.items()} for way in _WAYS)
        if len(live) < 2 or not np.isfinite([*live.values(), *simulated.values()]).all():
            continue
        pairs = [
            {"policies": [one, other], **difference}
            for one, other in combinations(cells, 2)
            if (difference := paired_difference(cells[one], cells[other], metric)) is not None
        ]
        found.append(
            {
                "metric": metric,
                "live": sorted(live, key=live.__getitem__),
                "simulated": sorted(simulated, key=simulated.__getitem__),
                "preserved": all(pair["preserved"] for pair in pairs),
                "significant": sum(pair["significant"] for pair in pairs),
                "pairs": pairs,
            }
        )
    return found


def paired_difference(one: Sequence[Compared], other: Sequence[Compared], metric: str) -> dict[str, Any] | None:
    """Return the mean difference of two policies over the same requests, live and simulated.

    The 95 % interval is Student's over repeats, or with one repeat that of a bootstrap over blocks of neighbouring
    requests, whose latencies depend on each other. A difference is preserved if the simulated one has the sign of a
    live one that is significant, or lies within the interval of a live one that is not.

    Args:
        one: A policy's repeats.
        other: The other's, of the same requests.
        metric: One of `METRICS`.

    Returns:
        `live`, `low`, `high`, `simulated`, `interval` (`repeats` or `blocks`), `significant`, `preserved`; None where
        there is nothing to compare.
    """
    live, simulated = ([_difference(a, b, way, metric) for a, b in zip(one, other, strict=False)] for way in _WAYS)
    if not live or not all(len(each) for each in (*live, *simulated)):
        return None
    if len(live) > 1:
        mean, low, high, *_ = mean_interval([float(each.mean()) for each in live])
    else:
        mean, (low, high) = float(live[0].mean()), _block_interval(live[0])
    predicted = float(np.mean([each.mean() for each in simulated]))
    significant = low > 0 or high < 0
    preserved = predicted * mean > 0 if significant else low <= predicted <= high
    return {
        "live": mean,
        "low": low,
        "high": high,
        "simulated": predicted,
        "interval": "repeats" if len(live) > 1 else "blocks",
        "significant": bool(significant),
        "preserved": bool(preserved),
    }


def _difference(one: Compared, other: Compared, way: str, metric: str) -> NDArray[np.float64]:
    """Return one policy's figure less the other's for each request that counts in both and has both."""
    first, second = (_figures(getattr(each, way), metric) for each in (one, other))
    if len(first) != len(second):
        return np.empty(0)
    difference = (first - second)[one.chosen & other.chosen]
    return difference[~np.isnan(difference)]


def _figures(result: Result, metric: str) -> NDArray[np.float64]:
    requests = result.requests
    if metric == "latency":
        return requests.finish_s - requests.arrival_s
    return np.where(requests.status == Status.MET, 0.0, 1.0)


def _mean(repeats: Sequence[Compared], way: str, metric: str) -> float:
    """Return the mean over the requests of all repeats; NaN if nothing is known."""
    values = np.concatenate([_figures(getattr(each, way), metric)[each.chosen] for each in repeats])
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else nan


def _block_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    blocks = [block for block in np.array_split(values, _BLOCKS) if len(block)]
    sums, counts = np.array([block.sum() for block in blocks]), np.array([len(block) for block in blocks])
    drawn = Streams(0).get("fidelity", "bootstrap").integers(len(blocks), size=(_RESAMPLES, len(blocks)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
