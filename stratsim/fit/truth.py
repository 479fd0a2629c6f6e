"""What a profile says of loads that contention models are fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fit.cells import Load
from stratsim.model.interpolate import dense, interpolate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.model.profile import Pair, Profile

__all__ = ["kernel_lengths"]


def kernel_lengths(profile: Profile, pairs: Iterable[Pair]) -> dict[Load, float] | None:
    """Return the mean duration of a kernel of every load of the pairs, launch gaps included, seconds.

    `truth.kernel_queue.length_s` where the profile has it, else the time alone over the number of kernels at batch 1: a
    batch changes how long kernels are, hardly how many. None where a model has neither.
    """
    queue, found = profile.truth.kernel_queue, {}
    for load in sorted({Load(*side) for p in pairs for side in ((p.target, p.target_batch), (p.other, p.other_batch))}):
        table = {} if queue is None else queue.length_s.get(load.model, {})
        model = profile.observable.models[load.model]
        if table:
            found[load] = interpolate(table, min(max(load.batch, min(table)), max(table)), "linear")
        elif model.kernels is not None:
            found[load] = dense(model.latency_s, profile.observable.interpolation)[load.batch] / model.kernels.count
        else:
            return None
    return found
