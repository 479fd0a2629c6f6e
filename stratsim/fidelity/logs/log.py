"""What a server logged: requests, and, where it says, in which batches it served them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError, suggest
from stratsim.limits import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int32]

__all__ = ["LEAST", "Log", "Naming", "Stages", "Trip", "in_order"]

LEAST = 40
"""Answered requests from which on a log says anything. Our choice."""
_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Naming:
    """How a log's models are called.

    Args:
        model: Of all requests, where the log names none.
        names: The profile's name of a model by the log's, where they differ.
        seen: Names of the log that were asked for.
    """

    model: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set, compare=False)

    def of(self, name: str | None, where: str) -> str:
        """Return what the profile calls a model.

        Raises:
            SpecError: neither the log nor `model` names one.
        """
        found = name or self.model
        if found is None:
            raise SpecError(f"{where}: names no model: --model NAME")
        self.seen.add(found)
        return self.names.get(found, found)

    def check(self, path: Path) -> None:
        """Refuse a name that a log, now read, does not have.

        Raises:
            SpecError: there is one.
        """
        for name in self.names:
            if name not in self.seen:
                raise SpecError(
                    f"{path}: --name {name}={self.names[name]}: no model {name!r}; {suggest(name, self.seen)}"
                )


class Stages(NamedTuple):
    """When batches went through their stages; shapes (m,), seconds, in the order in which they were begun.

    A batch holds its execution slot from `begin_s` to `done_s`. Copies are where a server says that they are.
    """

    model: Codes
    size: Codes
    begin_s: Floats
    """The slot takes it: the copy of the inputs begins."""
    inputs_s: Floats
    """The inputs are there: the execution begins."""
    executed_s: Floats
    """The execution has ended: the copy of the outputs begins."""
    done_s: Floats
    """The outputs are there."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a server logged of n requests, in the order of arrival.

    Args:
        path: The file.
        kind: Which kind of log, as `KINDS` calls it.
        digest: SHA-256 of the file.
        models: Names, as the profile has them.
        model: Index into them, shape (n,).
        arrival_s: From the first arrival, seconds, shape (n,).
        finish_s: When it was answered; NaN: it was not.
        queued_s: When it stood in the server's queue; NaN: the log does not say.
        batch: Row of its batch in `stages`; -1: not known.
        stages: Of the batches; None: the log knows no batches.
        notes: What was left out or assumed, a line each.
    """

    path: Path
    kind: str
    digest: str
    models: tuple[str, ...]
    model: Codes
    arrival_s: Floats
    finish_s: Floats
    queued_s: Floats
    batch: Codes
    stages: Stages | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        answered = int(np.count_nonzero(~np.isnan(self.finish_s)))
        if answered < LEAST:
            raise SpecError(f"{self.path}: {answered} requests were answered, and {LEAST} are needed to say anything")

    @property
    def latency_s(self) -> Floats:
        """From arrival to answer, seconds, shape (n,); NaN: not answered."""
        latency_s: Floats = self.finish_s - self.arrival_s
        return latency_s


class Trip(NamedTuple):
    """A request of a log, nanoseconds of any one clock; None: not known, or not answered."""

    model: str
    arrived: int
    answered: int | None
    queued: int | None = None
    batch: int = -1


def in_order(path: Path, trips: Sequence[Trip]) -> tuple[tuple[str, ...], int, dict[str, NDArray[np.generic]]]:
    """Return the models, when the first request arrived (ns), and the columns of a `Log`, by arrival.

    Times are subtracted as whole numbers: a float of nanoseconds since 1970 has steps of 256 of them.

    Raises:
        SpecError: there is none, one was answered before it came, or they lie too far apart.
    """
    ordered = sorted(trips, key=lambda trip: trip.arrived)
    if not ordered:
        raise SpecError(f"{path}: has no request")
    first = ordered[0].arrived
    if seconds(max(trip.answered or trip.arrived for trip in ordered), first) > LONGEST_S:
        raise SpecError(f"{path}: its times lie more than {LONGEST_S:g} s apart: other units, or several clocks")
    names = tuple(dict.fromkeys(trip.model for trip in ordered))
    place = {name: code for code, name in enumerate(names)}
    for trip in ordered:
        if trip.answered is not None and trip.answered <= trip.arrived:
            raise SpecError(f"{path}: a request came at {trip.arrived} ns and was answered at {trip.answered} ns")
    return (
        names,
        first,
        {
            "model": np.array([place[trip.model] for trip in ordered], np.int32),
            "arrival_s": np.array([seconds(trip.arrived, first) for trip in ordered]),
            "finish_s": np.array([seconds(trip.answered, first) for trip in ordered]),
            "queued_s": np.array([seconds(trip.queued, first) for trip in ordered]),
            "batch": np.array([trip.batch for trip in ordered], np.int32),
        },
    )


def seconds(time_ns: int | None, first_ns: int) -> float:
    """Return a time from the first arrival on, seconds; NaN for none."""
    return float("nan") if time_ns is None else (time_ns - first_ns) * _NS
