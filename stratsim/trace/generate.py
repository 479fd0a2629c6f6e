"""Arrival processes: endless streams of arrival times, each from a random stream of its own.

A process yields increasing times in blocks whose size does not depend on how many are wanted, so the first n arrivals
are the same whatever n is; and as each model has its own stream, another model moves nobody's arrivals.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stratsim.errors import SpecError
from stratsim.limits import check_memory
from stratsim.trace.schema import ClientSpec, Names, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from stratsim.rng import Streams

__all__ = [
    "Diurnal",
    "Gamma",
    "OnOff",
    "Periodic",
    "Poisson",
    "Process",
    "Recorded",
    "closed_loop",
    "generate",
    "superpose",
]

_BLOCK = 4096
_LARGEST_CV = 100.0
_RATES = (1e-6, 1e9)
_SHORTEST_PERIODS = 1e-3
_REQUEST_BYTES = 64
"""Memory of a request while it is drawn."""
_CLIENT_BYTES = 512
"""Memory of a client."""


class Process(Protocol):
    """An arrival process with a mean rate."""

    @property
    def rate(self) -> float:
        """Mean arrivals per unit of time."""
        ...

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield increasing arrival times after 0, block by block, without end."""
        ...


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise SpecError(f"{name} must be > 0 and finite, got {value!r}")


def _renewal(gaps: Callable[[], NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Yield the running sums of blocks of gaps."""
    last = 0.0
    while True:
        block = last + np.cumsum(gaps())
        last = float(block[-1])
        yield block


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent exponential gaps."""

    rate: float

    def __post_init__(self) -> None:
        _positive(rate=self.rate)

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times."""
        return _renewal(lambda: rng.exponential(1 / self.rate, _BLOCK))


@dataclass(frozen=True, slots=True)
class Gamma:
    """Independent Gamma gaps: `cv` is their coefficient of variation; 1 is Poisson, above 1 bursty."""

    rate: float
    cv: float

    def __post_init__(self) -> None:
        _positive(rate=self.rate, cv=self.cv)
        if self.cv > _LARGEST_CV:
            raise SpecError(f"cv must be at most {_LARGEST_CV:g}, got {self.cv!r}: hardly a request would ever come")

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times."""
        shape = self.cv**-2
        return _renewal(lambda: rng.gamma(shape, 1 / (shape * self.rate), _BLOCK))


@dataclass(frozen=True, slots=True)
class Periodic:
    """Equal gaps after a random phase."""

    rate: float

    def __post_init__(self) -> None:
        _positive(rate=self.rate)

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times."""
        phase = rng.random()
        for start in itertools.count(0, _BLOCK):
            yield (phase + np.arange(start, start + _BLOCK, dtype=np.float64)) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Gaps that were recorded once, in their order, from a random one on and round and round.

    Args:
        rate: Mean rate, to which they are scaled.
        arrivals: Times of the recording, increasing, shape (n,), n >= 2, in any unit. From the last of them to the
            first it takes as long as from one to the next in the mean.
    """

    rate: float
    arrivals: NDArray[np.float64]

    def __post_init__(self) -> None:
        _positive(rate=self.rate)
        if len(self.arrivals) < 2 or not self.arrivals[-1] > self.arrivals[0]:
            raise SpecError("a recording needs two arrivals at different times")

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times."""
        gaps = np.diff(self.arrivals)
        gaps = np.append(gaps, gaps.mean()) / gaps.mean() / self.rate
        begin = int(rng.integers(len(gaps)))
        return _renewal(lambda: np.roll(gaps, -begin))


@dataclass(frozen=True, slots=True)
class OnOff:
    """Two-state Markov-modulated Poisson process; periods are exponential, the first state is drawn.

    Args:
        rate: Mean rate over both states.
        on_s: Mean duration of an on period, in the same unit of time as the rate.
        off_s: Mean duration of an off period.
        off_share: Rate while off, as a share of the rate while on.
    """

    rate: float
    on_s: float
    off_s: float
    off_share: float = 0.0

    def __post_init__(self) -> None:
        _positive(rate=self.rate, on_s=self.on_s, off_s=self.off_s)
        if (self.on_s + self.off_s) * self.rate < _SHORTEST_PERIODS:
            raise SpecError(
                f"on_s and off_s are too short: fewer than {_SHORTEST_PERIODS:g} requests come in both, "
                "which is no other than poisson"
            )
        if not 0 <= self.off_share < 1:
            raise SpecError(f"off_share must be within [0, 1), got {self.off_share!r}")

    @property
    def on_rate(self) -> float:
        """Rate while on, such that the mean rate is `rate`."""
        return self.rate * (self.on_s + self.off_s) / (self.on_s + self.off_share * self.off_s)

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times: unit-rate Poisson arrivals, read off a clock that runs at the state's rate."""
        first = 0 if rng.random() < self.on_s / (self.on_s + self.off_s) else 1
        means = np.roll([self.on_s, self.off_s], -first)
        rates = np.roll([self.on_rate, self.on_rate * self.off_share], -first)
        start = 0.0
        while True:
            periods = rng.exponential(1.0, (64, 2)) * means
            counts = rng.poisson(periods * rates)
            begins = start + np.concatenate([[0.0], np.cumsum(periods)[:-1]])
            start += float(periods.sum())
            owners = np.repeat(np.arange(periods.size), counts.ravel())
            # Given their number, Poisson arrivals are uniform within the period.
            times = begins[owners] + rng.random(len(owners)) * periods.ravel()[owners]
            if len(times):
                yield np.sort(times)


@dataclass(frozen=True, slots=True)
class Diurnal:
    """Poisson arrivals whose rate follows a sine around the mean, made by thinning.

    Args:
        rate: Mean rate.
        amplitude: Largest deviation as a share of the mean, within [0, 1].
        period_s: Length of a day, in the same unit of time as the rate.
    """

    rate: float
    amplitude: float
    period_s: float

    def __post_init__(self) -> None:
        _positive(rate=self.rate, period_s=self.period_s)
        if not 0 <= self.amplitude <= 1:
            raise SpecError(f"amplitude must be within [0, 1], got {self.amplitude!r}")

    def blocks(self, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
        """Yield arrival times: candidates at the peak rate, kept with probability rate(t) / peak."""
        peak = self.rate * (1 + self.amplitude)
        for candidates in _renewal(lambda: rng.exponential(1 / peak, _BLOCK)):
            wave = 1 + self.amplitude * np.sin(2 * math.pi * candidates / self.period_s)
            yield candidates[rng.random(_BLOCK) * (1 + self.amplitude) < wave]


def superpose(
    processes: Mapping[str, Process], count: int, streams: Streams
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the first `count` arrivals of independent processes, and which process each came from.

    Args:
        processes: By model; `("arrivals", model)` is the random stream of each.
        count: Number of arrivals.
        streams: The random streams.

    Returns:
        Times, sorted, and indices into `processes`, both of shape (count,).
    """
    if count < 1:
        raise SpecError(f"the number of requests must be at least 1, got {count}")
    check_memory(f"{count} requests", count * _REQUEST_BYTES, "ask for fewer")
    feeds = [_Feed(process.blocks(streams.get("arrivals", name))) for name, process in processes.items()]
    horizon = count / sum(process.rate for process in processes.values())
    while sum(feed.extend(horizon) for feed in feeds) < count:
        horizon *= 1.25
    found = [np.concatenate(feed.pieces) for feed in feeds]
    times = np.concatenate(found)
    owner = np.repeat(np.arange(len(found), dtype=np.int32), [len(part) for part in found])
    order = np.argsort(times, kind="stable")[:count]
    return times[order], owner[order]


class _Feed:
    """What is known of one process so far."""

    def __init__(self, blocks: Iterator[NDArray[np.float64]]) -> None:
        self._blocks = blocks
        self._end = 0.0
        self.pieces: list[NDArray[np.float64]] = []

    def extend(self, horizon: float) -> int:
        """Take blocks until all arrivals up to `horizon` are known; return how many there are."""
        while self._end <= horizon:
            block = next(self._blocks)
            self.pieces.append(block)
            self._end = float(block[-1]) if len(block) else self._end
        return sum(int(np.searchsorted(piece, horizon, side="right")) for piece in self.pieces)


def generate(
    process: Callable[[float], Process],
    count: int,
    streams: Streams,
    *,
    rate: float | None = None,
    models: Mapping[str, float] | None = None,
) -> Trace:
    """Return a generated trace.

    Args:
        process: Makes the process of a given mean rate.
        count: Number of requests.
        streams: The random streams.
        rate: Requests per second in all; None for a normalised shape.
        models: Shares by model; each model then has a process of its own. None names no model.
    """
    total = 1.0 if rate is None else rate
    _positive(rate=total)
    if not _RATES[0] <= total <= _RATES[1]:
        raise SpecError(f"rate must lie within {_RATES[0]:g} and {_RATES[1]:g} requests/s, got {total!r}")
    weights = {"": 1.0} if models is None else {name: share for name, share in models.items() if share > 0}
    if not weights:
        raise SpecError("no model has a share above 0")
    scale = total / sum(weights.values())
    times, owner = superpose({name: process(share * scale) for name, share in weights.items()}, count, streams)
    return Trace(
        arrival_s=times,
        normalised=rate is None,
        model=None if models is None else Names(tuple(weights), owner).take(slice(None)),
        source="generated",
        format="generated",
    )


def closed_loop(
    clients: int,
    count: int | None,
    *,
    think_s: float = 0.0,
    stop_s: float = math.inf,
    models: Mapping[str, float] | None = None,
) -> Trace:
    """Return a trace of closed-loop clients: models dealt out in turn, requests evenly.

    Args:
        clients: Number of clients.
        count: Requests in all; None for as many as fit before `stop_s`.
        think_s: Pause between a reply and the next request, seconds.
        stop_s: When the clients stop, seconds.
        models: Models to deal out; None leaves that to the rule.
    """
    if clients < 1:
        raise SpecError(f"the number of clients must be at least 1, got {clients}")
    check_memory(f"{clients} clients", clients * _CLIENT_BYTES, "ask for fewer")
    if count is None and math.isinf(stop_s):
        raise SpecError("closed-loop clients need a number of requests or a time to stop")
    if count is not None and count < clients:
        raise SpecError(f"{count} requests are too few for {clients} clients")
    if not 0 <= think_s < math.inf:
        raise SpecError(f"think time must be >= 0 and finite, got {think_s!r}")
    names = list(models or {})
    shares = [None if count is None else count // clients + (index < count % clients) for index in range(clients)]
    specs = tuple(
        ClientSpec(
            id=f"client-{index}",
            model=names[index % len(names)] if names else None,
            think_s=think_s,
            stop_s=stop_s,
            limit=share,
        )
        for index, share in enumerate(shares)
    )
    return Trace(arrival_s=np.empty(0), closed_loop=specs, source="generated", format="generated")
