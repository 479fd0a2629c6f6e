"""Beliefs about copies: when each of a scheduler's own pending copies will be done.

The scheduler knows which copies it has asked for, and which of them have ended; it does not see how far one has got.
So it gives all that have not ended, each with the earliest time at which it can have started: when it was asked for,
or, if that is later, the end of the last copy known to have ended on the same engine.

    belief.fit(profile)
    ends_s = belief.predict(copies)
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from stratsim.errors import NotFittedError, SpecError
from stratsim.predict.base import get_params, parameter, shown
from stratsim.solve import max_min

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.parts import Link
    from stratsim.model.profile import SchedulerProfile

__all__ = ["Alone", "Contended", "Copy", "Direction", "NoTransfers", "TransferPredictor"]

Direction = Literal["h2d", "d2h"]


class Copy(NamedTuple):
    """One pending copy of the scheduler's own."""

    gpu: int
    direction: Direction
    size_bytes: float
    """Copying nothing takes no time and no engine."""
    ready_s: float
    """Earliest time at which it can have started, seconds."""


class TransferPredictor:
    """A belief about copies. Subclass it and define `predict`."""

    profile_: SchedulerProfile | None = None
    """What is known of the links; set by `fit`."""
    shares: bool = True
    """Whether GPUs can hold up each other's copies, or differ in their links. If not, those of one GPU are all that a
    caller need tell of."""

    def fit(self, profile: SchedulerProfile) -> Self:
        """Start a run: forget everything, take over what is known of the links."""
        self.profile_ = profile
        return self

    def predict(self, copies: Sequence[Copy]) -> list[float]:
        """Return when each copy ends, seconds.

        Args:
            copies: All pending copies, in the order in which they were asked for.

        Raises:
            NotFittedError: `fit` comes first.
        """
        raise NotImplementedError

    def get_params(self) -> dict[str, Any]:
        """Return the constructor's arguments by name."""
        return get_params(self)

    def __repr__(self) -> str:
        return shown(self)

    def link(self, direction: Direction) -> Link:
        """Return what is known of a GPU's own link."""
        if self.profile_ is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted yet: call fit(profile) first")
        if direction not in ("h2d", "d2h"):
            raise SpecError(f"a copy's direction must be 'h2d' or 'd2h', got {direction!r}")
        return self.profile_.h2d if direction == "h2d" else self.profile_.d2h


class NoTransfers(TransferPredictor):
    """Copies take no time.

    Source: the usual assumption of schedulers that look at execution only.
    """

    shares = False

    def predict(self, copies: Sequence[Copy]) -> list[float]:
        """Return when each copy can have started."""
        return [copy.ready_s for copy in copies]


class Alone(TransferPredictor):
    """Every copy takes alpha + bytes / rate, as if it had engine and link to itself.

    Source: the linear model of a single copy, as in iGniter; no contention.
    """

    shares = False

    def predict(self, copies: Sequence[Copy]) -> list[float]:
        """Return the start plus the solo duration of each copy."""
        return [copy.ready_s + self.link(copy.direction).copy_s(copy.size_bytes) for copy in copies]


class Contended(TransferPredictor):
    """Copies queue for the engine of their GPU and direction, and share an uplink max-min fairly.

    Per GPU and direction one engine, first in, first out. A copy holds its engine for alpha, then for its bytes at the
    rate of its GPU's own link, or at its fair share of the uplink's capacity in that direction.

    Args:
        uplink_bytes_per_s: Assumed capacity, per direction, of one uplink that all GPUs share; inf for none.

    Source: our choice; engines that serve one copy at a time as measured in CUDA forum thread 365145.
    """

    def __init__(self, *, uplink_bytes_per_s: float = inf) -> None:
        parameter("uplink_bytes_per_s", uplink_bytes_per_s, 0, inf, closed="high")
        self.uplink_bytes_per_s = uplink_bytes_per_s
        self.shares = uplink_bytes_per_s < inf

    def predict(self, copies: Sequence[Copy]) -> list[float]:
        """Return the ends of all copies under contention."""
        return self._in_order(copies) if self.uplink_bytes_per_s == inf else self._shared(copies)

    def _in_order(self, copies: Sequence[Copy]) -> list[float]:
        """Engines that nothing holds up: each copy starts when it is ready and the one before it has ended."""
        free_s: dict[tuple[int, Direction], float] = {}
        ends_s = []
        for gpu, direction, size_bytes, end_s in copies:
            if size_bytes:
                link = self.link(direction)
                start_s = max(end_s, free_s.get((gpu, direction), end_s))
                end_s = free_s[gpu, direction] = start_s + link.alpha_s + size_bytes / link.bytes_per_s  # noqa: PLW2901
            ends_s.append(end_s)
        return ends_s

    def _shared(self, copies: Sequence[Copy]) -> list[float]:
        """Engines behind one uplink."""
        ends_s = [copy.ready_s for copy in copies]
        queues: dict[tuple[Direction, int], list[int]] = {}
        for index, copy in enumerate(copies):
            if copy.size_bytes:
                queues.setdefault((copy.direction, copy.gpu), []).append(index)
        for direction in ("h2d", "d2h"):
            of_direction = [queue for (way, _), queue in queues.items() if way == direction]
            if of_direction:
                _share(copies, of_direction, self.link(direction), self.uplink_bytes_per_s, ends_s)
        return ends_s


def _share(
    copies: Sequence[Copy], queues: Sequence[Sequence[int]], link: Link, uplink: float, ends_s: list[float]
) -> None:
    """Serve engines that share an uplink, from one start or end of a copy's bytes to the next."""
    ahead = [list(reversed(queue)) for queue in queues]
    joins_s = [copies[queue[-1]].ready_s + link.alpha_s for queue in ahead]
    left = [float(copies[queue[-1]].size_bytes) for queue in ahead]
    now_s = min(joins_s)
    while any(ahead):
        active = [i for i, queue in enumerate(ahead) if queue and joins_s[i] <= now_s]
        coming_s = min([joins_s[i] for i, queue in enumerate(ahead) if queue and joins_s[i] > now_s], default=inf)
        # Link 0 is the uplink; each active copy has its GPU's own link besides.
        capacity = [uplink] + [link.bytes_per_s] * len(active)
        rates = max_min([(0, 1 + position) for position in range(len(active))], capacity)
        done_s = [now_s + left[i] / rate for i, rate in zip(active, rates, strict=True)]
        next_s = min([*done_s, coming_s])
        for i, rate, end_s in zip(active, rates, done_s, strict=True):
            if end_s > next_s:
                left[i] -= (next_s - now_s) * rate
                continue
            ends_s[ahead[i].pop()] = end_s
            if ahead[i]:
                following = copies[ahead[i][-1]]
                joins_s[i] = max(end_s, following.ready_s) + link.alpha_s
                left[i] = float(following.size_bytes)
        now_s = next_s
