"""Guards: may a low-priority batch start, for the sake of high-priority requests that have not come yet?"""

from __future__ import annotations

from bisect import bisect_left
from math import inf
from typing import TYPE_CHECKING, Protocol

from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.request import Request
    from stratsim.policy.forecast import Planned
    from stratsim.policy.strait.estimates import Estimates
    from stratsim.policy.strait.newcomers import Behind
    from stratsim.predict import Active

_Table = tuple[list[float], list[float]]

_BEYOND_ROUNDING = 1.0 + 1e-9

__all__ = ["GUARDS", "Guard", "Hypothetical", "Off"]


class Guard(Protocol):
    """Decides for those who cannot speak yet."""

    def __init__(self, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """A high-priority request has arrived."""
        ...

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether the last of `batches`, all walked, may start: it is a candidate on this GPU behind the others."""
        ...


class Off:
    """No guard: only requests that are there count."""

    def __init__(self, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """Nothing to note."""

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:  # noqa: ARG002
        """Always."""
        return True


class _Traffic:
    """What was seen of one model's high-priority requests."""

    __slots__ = ("count", "out_s", "slo_s")

    def __init__(self) -> None:
        self.count = 0
        self.slo_s = inf
        self.out_s = 0.0


class Hypothetical:
    """A high-priority request that arrived now, of any model seen so far, would still be in time.

    Models count by how many of their requests have come; deadline and bytes are those of their last one. Requests that
    would be late without the candidate as well do not count. Among the others, a share of at least `confidence` must
    stay in time: in a free slot, or after the first believed end.

    How late the start of a model's request may be if those beside it stayed all the way through depends on who they are
    and on nothing else, so these allowances are kept, in order of size, until the belief or the traffic has changed.
    Where they do not suffice, each model's request is walked through to its end (`Newcomers.lasts_s`). Inputs are taken
    to copy as long as the largest seen.
    """

    def __init__(self, estimates: Estimates, confidence: float) -> None:
        self._estimates = estimates
        self._confidence = confidence
        self._seen: dict[str, _Traffic] = {}
        self._copy_s = 0.0
        self._tables: dict[Active, _Table] = {}
        self._tables_of = -1
        """The refresh of the estimates that the tables were made after."""
        self._arrived = 0
        self._renew_at = 0
        """Number of arrivals at which the shares of the models are counted anew."""

    def note(self, request: Request) -> None:
        """Remember what the model's requests look like."""
        self._arrived += 1
        traffic = self._seen.get(request.model)
        if traffic is None:
            traffic = self._seen[request.model] = _Traffic()
            self._tables.clear()
        traffic.count += 1
        slo_s = request.deadline_s - request.arrival_s
        if abs(slo_s - traffic.slo_s) > TIME_RTOL * request.deadline_s:
            traffic.slo_s = slo_s
            self._tables.clear()
        traffic.out_s = self._estimates.out_s[request.bytes_out]
        copy_s = self._estimates.in_s[request.bytes_in]
        if copy_s > self._copy_s:
            self._copy_s = copy_s

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Compare the share in time with and without the candidate."""
        if not self._seen:
            return True
        if self._tables_of != self._estimates.refreshes or self._arrived >= self._renew_at:
            self._tables.clear()
            self._tables_of = self._estimates.refreshes
            self._renew_at = self._arrived + self._arrived // 4 + 1
        behind = self._estimates.behind(gpu, batches, now_s)
        if self._surely_in_time(behind, now_s) >= self._confidence:
            return True
        kept = self._in_time(behind, now_s)
        if kept >= self._confidence:
            return True
        without = self._estimates.behind(gpu, batches[:-1], now_s)
        return kept >= self._confidence * self._in_time(without, now_s, more_than=kept)

    def _in_time(self, behind: Behind, now_s: float, more_than: float = inf) -> float:
        """Return the share of hypothetical requests that would be in time in this situation.

        Args:
            behind: The situation.
            now_s: The time.
            more_than: Counting stops where `confidence` times the share exceeds this.
        """
        estimates, start_s = self._estimates, behind.start_s(self._copy_s)
        wait_s, beside, stretch = start_s - now_s, behind.beside, estimates.stretch
        stays_s, alone_s = estimates.newcomers.execute_s(beside), estimates.newcomers.execute_s(())
        met = 0
        for model, traffic in self._seen.items():
            longest_s = (traffic.slo_s - traffic.out_s) / stretch[model] * (1.0 + TIME_RTOL) - wait_s
            if stays_s[model] > longest_s:
                if not beside or alone_s[model] > longest_s * _BEYOND_ROUNDING:  # no walk can help
                    continue
                if estimates.newcomers.lasts_s(behind, model, start_s) > longest_s:
                    continue
            met += traffic.count
            if self._confidence * (met / self._arrived) > more_than:
                break
        return met / self._arrived

    def _longest_s(self, model: str, traffic: _Traffic) -> float:
        """Return how long a request may wait for its start and execute, by the forecast, so that it is in time."""
        return (traffic.slo_s - traffic.out_s) / self._estimates.stretch[model]

    def _surely_in_time(self, behind: Behind, now_s: float) -> float:
        """Return the share that would be in time even if those beside them stayed all the way through."""
        table = self._tables.get(behind.beside)
        if table is None:
            table = self._tables[behind.beside] = self._table(behind.beside)
        allowances_s, shares = table
        # Comparing with a little less: a start planned exactly at the latest one is in time.
        return shares[bisect_left(allowances_s, behind.start_s(self._copy_s) - now_s - TIME_RTOL * now_s)]

    def _table(self, beside: Active) -> _Table:
        """Return by how much a start may be delayed, ascending, and the share of requests that may be delayed more."""
        rows = []
        execute_s = self._estimates.newcomers.execute_s(beside)
        for model, traffic in self._seen.items():
            rows.append((self._longest_s(model, traffic) - execute_s[model], traffic.count))
        rows.sort()
        total = sum([count for _, count in rows])
        shares = [1.0]
        for _, count in rows:
            shares.append(shares[-1] - count / total)
        return [allowance_s for allowance_s, _ in rows], shares


GUARDS: dict[str, type[Guard]] = {"hypothetical": Hypothetical, "off": Off}
