"""Arrivals that make every model execute alone at every batch size, so that it can be seen how long that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.rng import Streams
from stratsim.run.saturation import equal_mix
from stratsim.run.spec import make_spec

if TYPE_CHECKING:
    from stratsim.fidelity.spec import Grid
    from stratsim.model.profile import Profile, SchedulerProfile

__all__ = ["check_budget", "kinds_of", "one_by_one", "span_s"]

_SPACING = 1.25
"""Time from one batch to the next, in multiples of the first one's latency: the device rests little, as in service."""
_MARGIN_S = 0.002
"""And so much more: what the host adds varies by less, and a batch of a millisecond must be alone too."""


def kinds_of(grid: Grid, profile: Profile) -> list[tuple[str, int]]:
    """Return the models of the grid, each with every batch size that a policy may form.

    Those between the profile's sizes too: what is measured need not be interpolated.
    """
    limit, known = make_spec(grid.settings).max_batch, profile.for_scheduler()
    models = equal_mix(profile, grid.workload.models.mix)
    return [(name, size) for name in models for size in range(1, min(limit, known.models[name].max_batch) + 1)]


def span_s(grid: Grid, profile: Profile) -> float:
    """Return how long these arrivals take, seconds."""
    known = profile.for_scheduler()
    return grid.served * sum(_spacing_s(known, *kind) for kind in kinds_of(grid, profile))


def check_budget(grid: Grid, profile: Profile) -> None:
    """Refuse arrivals that take longer than `served_s`.

    Raises:
        SpecError: says how long they would take.
    """
    needed_s = span_s(grid, profile)
    if needed_s > grid.served_s:
        raise SpecError(
            f"serving {len(kinds_of(grid, profile))} batches, all models at all sizes, {grid.served} times each takes "
            f"{needed_s:.0f} s by the profile, more than served_s = {grid.served_s:g}: allow more, lower served or "
            "settings.max_batch, or leave the profile's latencies with served = 0"
        )


def one_by_one(grid: Grid, profile: Profile) -> Workload:
    """Return groups of requests that arrive together and make a batch each, in random order over all models and sizes.

    The next group comes a little after the last one is done, by the profile. An execution that takes so much longer
    that it meets the next one is not alone, and does not count; on one slot the next one waits.
    """
    known, kinds = profile.for_scheduler(), kinds_of(grid, profile)
    order = Streams(grid.seed).get("fidelity", "alone").permutation(np.repeat(np.arange(len(kinds)), grid.served))
    sizes = np.array([kinds[kind][1] for kind in order])
    spans_s = np.array([_spacing_s(known, *kinds[kind]) for kind in order])
    names = tuple(dict.fromkeys(name for name, _ in kinds))
    models = [known.models[kinds[kind][0]] for kind in order]
    count = int(sizes.sum())
    return Workload(
        models=names,
        arrival_s=np.repeat(np.cumsum(spans_s) - spans_s, sizes),
        model=np.repeat([names.index(kinds[kind][0]) for kind in order], sizes).astype(np.int32),
        priority=np.full(count, Priority.LOW, np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.repeat([model.bytes_in for model in models], sizes),
        bytes_out=np.repeat([model.bytes_out for model in models], sizes),
        client=np.full(count, -1, np.int32),
    )


def _spacing_s(known: SchedulerProfile, model: str, size: int) -> float:
    return _SPACING * known.end_to_end_s(model, size) + _MARGIN_S
