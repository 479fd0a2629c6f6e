"""By how much executions are longer than a profile has them, by model and batch size, from however few there are.

A log has hundreds of executions of one model and size, and three of another. Each is set against what the device model
expects of it, beside those that it met; the mean ratio of a model and size is drawn towards that of its model, and that
towards the device's, by how much evidence there is (`stratsim.stats.shrinkage`). A size that was never served has what
its model is expected to have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.fidelity.calibrate.latency import served_alone
from stratsim.fidelity.progress import expected_executions, solo_times
from stratsim.model.parts import Provenance
from stratsim.model.provenance import replaced
from stratsim.stats.shrinkage import shrink

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Factor", "check_factor", "learn_factors", "odd_executions", "with_factors", "with_one_factor"]

_LEAST = 20
"""Executions alone of a model from which on those beside others are left out."""
_RANGE = (0.02, 50.0)
"""Of a factor; beyond it a unit is wrong, or the device is another. Our choice."""
_ODD = 10.0
"""Times the median of its model and size from which on an execution says nothing of the others: the clock jumped, the
process was stopped, or the first execution made things ready. Our choice."""
_SERVED = "executions over what the profile has"


class Factor(NamedTuple):
    """How many times as long as by the profile a model's executions take at a batch size.

    `n` is how many executions it is of, `alone` whether they were alone; of none it is the model's. `low` and `high`
    are two standard deviations of the estimate around it.
    """

    model: str
    size: int
    profile_s: float
    n: int
    alone: bool
    value: float
    low: float
    high: float


def learn_factors(run: Recorded, profile: Profile) -> list[Factor]:
    """Return the factors of each served model, at the profile's batch sizes and those that were served.

    Of a model that was alone 20 times only executions alone count: how others slow it does not matter then. Else those
    beside others count too, where the device model says what is expected of them.

    Args:
        run: With batches.
        profile: The device before.

    Raises:
        SpecError: a model's executions are so far from the profile that a unit, or the device, is another.
    """
    batches, known = run.result.batches, profile.for_scheduler()
    took_s = batches.execution_end_s - batches.execution_start_s
    alone = served_alone(batches)
    expected_s = np.where(alone, solo_times(run.result, profile), expected_executions(run, profile))
    ratios = np.asarray(took_s / expected_s)
    groups: dict[tuple[str, int], list[float]] = {}
    only_alone = {}
    for code, name in enumerate(run.result.models):
        own = run.counts & (batches.model == code) & np.isfinite(ratios)
        only_alone[name] = bool(np.count_nonzero(own & alone) >= _LEAST)
        for row in np.flatnonzero(own & alone if only_alone[name] else own).tolist():
            groups.setdefault((name, int(batches.size[row])), []).append(float(ratios[row]))
    for (name, size), found in groups.items():
        check_factor(f"{run.directory}: executions of {name!r} at batch size {size}", float(np.median(found)))
    if not any(len(found) > 1 for found in groups.values()):
        return []
    shrunk = shrink(groups)
    rows = []
    for name in dict.fromkeys(name for name, _ in groups):
        sizes = {*profile.observable.models[name].latency_s, *(size for model, size in groups if model == name)}
        for size in sorted(sizes):
            mean, sd = shrunk.of(name, size)
            n = len(groups.get((name, size), ()))
            bounds = max(mean - 2 * sd, 0.0), mean + 2 * sd
            rows.append(Factor(name, size, known.latency_s(name, size), n, only_alone[name], mean, *bounds))
    return rows


def odd_executions(run: Recorded) -> NDArray[np.bool_]:
    """Return which executions took more than ten times the median of their model and size, shape (batches,)."""
    batches = run.result.batches
    took_s = np.asarray(batches.execution_end_s - batches.execution_start_s)
    odd = np.zeros(len(took_s), np.bool_)
    for model, size in set(zip(batches.model.tolist(), batches.size.tolist(), strict=True)):
        own = (batches.model == model) & (batches.size == size) & np.isfinite(took_s)
        if own.any():
            odd |= own & (took_s > _ODD * np.median(took_s[own]))
    return odd


def check_factor(what: str, factor: float) -> None:
    """Refuse a factor on the solo times that no device explains.

    Raises:
        SpecError: it is one.
    """
    if not _RANGE[0] <= factor <= _RANGE[1]:
        raise SpecError(
            f"{what} take {factor:.3g} times what the profile has: is the log in other units than it should be, or the "
            "profile of another device?"
        )


def with_factors(profile: Profile, factors: Sequence[Factor], source: str) -> Profile:
    """Return a copy of the profile with solo times by these factors; sizes that it lacks are added.

    Args:
        profile: The device.
        factors: From `learn_factors`.
        source: What they were learned from.
    """
    models, provenance = dict(profile.observable.models), dict(profile.provenance)
    for name in dict.fromkeys(each.model for each in factors):
        own = [each for each in factors if each.model == name]
        models[name] = replace(models[name], latency_s={each.size: each.value * each.profile_s for each in own})
        path = f"observable.models.{name}.latency_s"
        note = f"{_SERVED}, batch sizes drawn towards their model: {'; '.join(_described(own))}"
        provenance = replaced(provenance, path, Provenance("measured", source, note=note))
        for each in own:
            if not each.n:
                entry = Provenance("synthetic", source, note=f"was not served: the model's factor, {each.value:.4g}")
                provenance[f"{path}.{each.size}"] = entry
    return replace(profile, observable=replace(profile.observable, models=models), provenance=provenance)


def with_one_factor(profile: Profile, name: str, factor: float, note: str, source: str) -> Profile:
    """Return a copy of the profile in which a model's solo times, at all batch sizes, are so many times as long."""
    models = dict(profile.observable.models)
    scaled = {size: factor * time_s for size, time_s in models[name].latency_s.items()}
    models[name] = replace(models[name], latency_s=scaled)
    entry = Provenance("synthetic", source, note=f"all batch sizes times {factor:.4g}: {note}")
    provenance = replaced(profile.provenance, f"observable.models.{name}.latency_s", entry)
    return replace(profile, observable=replace(profile.observable, models=models), provenance=provenance)


def _described(factors: Iterable[Factor]) -> list[str]:
    return [f"batch {each.size}: {each.value:.4g} [{each.low:.4g}, {each.high:.4g}], {each.n}" for each in factors]
