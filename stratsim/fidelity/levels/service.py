"""Service bias: whether the device works slower than the simulator, and what queueing makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["elasticity", "service_bias"]


def service_bias(
    pairs: Sequence[tuple[Floats, Floats]],
    load: float | None,
    live_mean_s: float | None,
    simulated_mean_s: float | None,
) -> dict[str, float | None]:
    """Return the bias of the service and how much of it arrives at the mean latency.

    Args:
        pairs: Durations of the executions of the same batches, live and simulated, seconds; one pair per repeat.
        load: Offered load as a share of saturation; None if it is not known.
        live_mean_s: Mean latency, live.
        simulated_mean_s: Mean latency of the simulator left to itself.

    Returns:
        `bias`: slope of the regression of live on simulated execution times through the origin, less 1: positive where
        the device is slower. `latency`: live over simulated mean latency, less 1. `amplification`: the latter over the
        former. `expected`: what an M/D/1 queue makes of it at this load (`elasticity`); `pole`: 1 / (1 - load).
    """
    live, simulated = (np.concatenate([pair[which] for pair in pairs] or [np.empty(0)]) for which in (0, 1))
    known = ~np.isnan(live) & ~np.isnan(simulated)
    square = float((simulated[known] ** 2).sum())
    bias = float((live[known] * simulated[known]).sum()) / square - 1 if square else None
    latency = live_mean_s / simulated_mean_s - 1 if live_mean_s and simulated_mean_s else None
    below = load is not None and load < 1
    return {
        "load": load,
        "bias": bias,
        "latency": latency,
        "amplification": latency / bias if latency is not None and bias else None,
        "expected": elasticity(load) if load is not None and below else None,
        "pole": 1 / (1 - load) if load is not None and below else None,
    }


def elasticity(load: float) -> float:
    """Return by how many per cent the mean latency of an M/D/1 queue grows if its service takes 1 % longer.

    T = S (2 - rho) / (2 (1 - rho)) with rho proportional to S, so d ln T / d ln S is
    1 - rho / (2 - rho) + rho / (1 - rho); at a load of 0.85 it is 5.9.

    Args:
        load: Within [0, 1).

    Source: Pollaczek-Khinchine; Kleinrock, "Queueing Systems", volume 1, 1975.
    """
    return 1 - load / (2 - load) + load / (1 - load)
