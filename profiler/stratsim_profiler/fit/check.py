"""Holds a profile against samples that it was not fitted to: another day's, another card's.

Nothing is fitted here. The profile predicts the slowdown of every co-location in the samples by each execution model
that it has the parameters of, and its solo times and links are listed next to the measured ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim.fit.queue import Queue
from stratsim.fit.scores import Score, score
from stratsim.fit.sharing import Shares
from stratsim.model.contention import phases_at
from stratsim.model.interpolate import dense, interpolate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim.fit.cells import Load
    from stratsim.model.profile import Profile
    from stratsim_profiler.fit.extract import Measured

__all__ = ["Check", "CheckedCell", "check_profile", "rules_of"]


@dataclass(frozen=True, slots=True)
class CheckedCell:
    """One co-location.

    Args:
        name: As the samples call it.
        measured: Slowdown of each stream.
        predicted: Likewise, by execution model.
    """

    name: str
    measured: tuple[float, ...]
    predicted: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Check:
    """What came out.

    Args:
        rule: The profile's own execution model.
        cells: The co-locations, in the order of the samples.
        scores: Errors of the execution time by execution model; None where there is no co-location.
        solo: Measured over the profile's solo time, by load.
        copies: Measured over the profile's time of a pinned copy, median over sizes, by direction.
    """

    rule: str
    cells: tuple[CheckedCell, ...]
    scores: Mapping[str, Score | None]
    solo: Mapping[Load, float]
    copies: Mapping[str, float]


def check_profile(profile: Profile, measured: Measured) -> Check:
    """Hold a profile against samples; see the module.

    Raises:
        ProfileError: none of the samples' models is in the profile.
    """
    known = {
        load
        for load in measured.solo
        if load.model in profile.observable.models
        and load.batch <= max(profile.observable.models[load.model].latency_s)
    }
    if not known:
        models = ", ".join(sorted({load.model for load in measured.solo}))
        raise ProfileError(f"profile {profile.name!r} has none of the samples' models and batch sizes: {models}")
    cells = [cell for cell in measured.cells if set(cell.loads) <= known]
    loads = {load for cell in cells for load in cell.loads}
    guesses = {name: rule.slowdowns(cells) for name, rule in rules_of(profile, loads).items()}
    return Check(
        rule=profile.default_device_model,
        cells=tuple(
            CheckedCell(cell.name, cell.slowdowns, {name: rows[at] for name, rows in guesses.items()})
            for at, cell in enumerate(cells)
        ),
        scores={name: score(_flat(rows), _flat(cell.slowdowns for cell in cells)) for name, rows in guesses.items()},
        solo={load: measured.solo[load].seconds / _latency_s(profile, load) for load in sorted(known)},
        copies=dict(_copies(profile, measured)),
    )


def _flat(rows: Iterable[Sequence[float]]) -> list[float]:
    return [value for row in rows for value in row]


def rules_of(profile: Profile, loads: Iterable[Load]) -> dict[str, Queue | Shares]:
    """Return the execution models of which the profile has parameters for all loads."""
    found: dict[str, Queue | Shares] = {}
    loads, queue, sharing = sorted(loads), profile.truth.kernel_queue, profile.truth.sharing
    if queue is not None and all(load.model in queue.length_s for load in loads):
        length = {load: _at(queue.length_s[load.model], load.batch) for load in loads}
        hold = {load: _at(queue.holds.get(load.model, {1: queue.hold}), load.batch) for load in loads}
        found["kernel-queue"] = Queue(length, hold, queue.residual, queue.gap_s)
    if all(load.model in sharing and not any(e.phases for e in sharing[load.model].values()) for load in loads):
        both = {
            load: phases_at({size: entry.as_phases() for size, entry in sharing[load.model].items()}, load.batch)[0]
            for load in loads
        }
        found["streams"] = Shares({k: v.demand for k, v in both.items()}, {k: v.weight for k, v in both.items()})
    return found


def _at(table: Mapping[int, float], batch: int) -> float:
    return interpolate(table, min(max(batch, min(table)), max(table)), "linear")


def _latency_s(profile: Profile, load: Load) -> float:
    return dense(profile.observable.models[load.model].latency_s, profile.observable.interpolation)[load.batch]


def _copies(profile: Profile, measured: Measured) -> Iterable[tuple[str, float]]:
    pinned = any(record.pinned for record in measured.transfers)  # a CPU has no such thing
    for direction, link in (("h2d", profile.observable.pcie.h2d), ("d2h", profile.observable.pcie.d2h)):
        plain = [
            median(record.seconds) / (link.alpha_s + record.size_bytes / link.bytes_per_s)
            for record in measured.transfers
            if (record.direction, record.concurrent, record.bidirectional, record.beside) == (direction, 1, False, None)
            and record.pinned == pinned
            and record.devices == 1
            and record.seconds
        ]
        if plain:
            yield direction, median(plain)
