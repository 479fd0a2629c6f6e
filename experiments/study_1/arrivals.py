"""What arrives in study 1: Poisson requests whose mix stays, or shifts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.policy.queueing import Fifo
from stratsim.trace.generate import Poisson, superpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.rng import Streams
    from study_1.sets import ModelSet

__all__ = ["Mix", "machine", "mixes", "saturation_per_s", "two_workloads", "workload"]

Mix = dict[str, float]
"""Share of the requests by model."""

_MAJOR = 0.9
"""Share of the requests that are for the models that dominate, in a mix that shifts."""
_SLOTS = (2, 3, 4)
_BACKLOG = 400
"""Requests by which saturation is measured."""


def mixes(chosen: ModelSet, *, shifting: bool) -> tuple[Mix, Mix]:
    """Return the mix of the first half and that of the second."""
    if not shifting:
        names = (*chosen.before, *chosen.after)
        equal = dict.fromkeys(names, 1 / len(names))
        return equal, equal
    return _dominated(chosen.before, chosen.after), _dominated(chosen.after, chosen.before)


def _dominated(major: tuple[str, ...], minor: tuple[str, ...]) -> Mix:
    return dict.fromkeys(major, _MAJOR / len(major)) | dict.fromkeys(minor, (1 - _MAJOR) / len(minor))


def saturation_per_s(chosen: ModelSet, mix: Mix, streams: Streams) -> float:
    """Return the rate that counts as load 1: requests per second from a backlog, FIFO in full batches, at the best C.

    The best of C = 2, 3, 4.
    """
    models = streams.get("backlog").choice(len(mix), _BACKLOG, p=list(mix.values()))
    backlog = _columns(tuple(mix), np.zeros(_BACKLOG), models)
    runs = [
        simulate(backlog, chosen.profile, Fifo(drop="never"), cluster=machine(slots), max_batch=chosen.max_batch)
        for slots in _SLOTS
    ]
    return _BACKLOG / min(run.simulated_s for run in runs)


def machine(slots: int) -> Cluster:
    """Return the machine: one GPU without copies, so that a batch executes as soon as it is dispatched."""
    return Cluster(max_concurrency=slots, prefetch=0, transfers=False)


def workload(chosen: ModelSet, halves: tuple[Mix, Mix], load: float, count: int, streams: Streams) -> Workload:
    """Return `count` requests of each half's mix, each half at the same share of its own saturation.

    The second half starts with the last arrival of the first.
    """
    first, second = two_workloads(chosen, halves, load, count, streams)
    arrival_s = np.concatenate([first.arrival_s, float(first.arrival_s[-1]) + second.arrival_s])
    return _columns(first.models, arrival_s, np.concatenate([first.model, second.model]))


def two_workloads(
    chosen: ModelSet, halves: tuple[Mix, Mix], load: float, count: int, streams: Streams
) -> tuple[Workload, Workload]:
    """Return the two halves by themselves, each from time 0."""
    found, names = [], tuple(halves[0])
    for half, mix in zip(("first", "second"), halves, strict=True):
        rate = load * saturation_per_s(chosen, mix, streams)
        processes = {name: Poisson(rate * mix[name]) for name in names}
        found.append(_columns(names, *superpose(processes, count, streams.child("arrivals", half))))
    return found[0], found[1]


def _columns(names: tuple[str, ...], arrival_s: NDArray[np.float64], model: NDArray[np.integer]) -> Workload:
    count = len(arrival_s)
    return Workload(
        models=names,
        arrival_s=arrival_s,
        model=model.astype(np.int32),
        priority=np.full(count, Priority.LOW, dtype=np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.zeros(count, dtype=np.int64),
        bytes_out=np.zeros(count, dtype=np.int64),
        client=np.full(count, -1, dtype=np.int32),
    )
