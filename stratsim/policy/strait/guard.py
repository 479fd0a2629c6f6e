"""Guards: may a low-priority batch start, for the sake of high-priority requests that have not come yet?"""

from __future__ import annotations

from math import inf, log
from typing import TYPE_CHECKING, Protocol

from stratsim.model.tolerance import TIME_RTOL
from stratsim.policy.strait.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.request import Request
    from stratsim.policy.forecast import Planned
    from stratsim.policy.strait.estimates import Estimates
    from stratsim.policy.strait.newcomers import Behind
    from stratsim.policy.strait.traffic import Usual
    from stratsim.predict import Active

_BEYOND_ROUNDING = 1.0 + 1e-9
_AT_RISK = 0.002
"""Share of high-priority requests that may be put at risk for the sake of low priority that would starve otherwise."""

_LEAST = 1e-12
"""In place of no request at all, for which no time would be long enough."""

__all__ = ["GUARDS", "Guard", "Hypothetical", "Off"]


class Guard(Protocol):
    """Decides for requests that have not come yet."""

    look_again_s: float
    """When what was refused last may be admitted although nothing has happened; inf where only an event can help."""

    def __init__(self, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """A high-priority request has arrived."""
        ...

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether the last of `batches`, all walked, may start: it is a candidate on this GPU behind the others."""
        ...


class Off:
    """No guard: only requests that are there count."""

    look_again_s = inf

    def __init__(self, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """Nothing to note."""

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:  # noqa: ARG002
        """Always."""
        return True


class Hypothetical:
    """High-priority requests that come while the batch is there would still be in time.

    A batch is admitted on any of three grounds.

    A high-priority request that arrived now would be in time: in a free slot, or after the first expected end. Models
    count by their shares of the traffic, deadline and bytes are those of their last request. Requests that would be
    late without the candidate as well do not count. Among the others, a share of at least `confidence` must stay in
    time.

    On an otherwise idle GPU: hardly any will come while it matters. There is nothing to wait for, as a later moment is
    no better than this one, so the batch is weighed against how likely it makes a request late: the rate at which those
    of each model come, times for how long one that comes would be late. The probability must not exceed 1 -
    `confidence`.

    Failing that, on an otherwise idle GPU: it is some time since a batch was started against the guard, so long that
    requests put at risk are no more than 0.2 % of all. So low priority is held back, but never for good.

    How late the start of a model's request may be if those beside it stayed all the way through depends on who they are
    and on nothing else, so these allowances are kept until the belief or the traffic has changed.
    Where they do not suffice, each model's request is walked through to its end (`Newcomers.lasts_s`). Inputs are taken
    to copy as long as the largest seen.
    """

    def __init__(self, estimates: Estimates, confidence: float) -> None:
        self._estimates = estimates
        self._confidence = confidence
        self._traffic = Traffic()
        self._copy_s = 0.0
        self._allowances: dict[Active, list[tuple[float, float]]] = {}
        """By who is beside: by how much the start of each model's request may be delayed, and the model's share."""
        self._allowances_of = (-1, -1)
        """The refresh of the estimates, and the change of the traffic, that these were made after."""
        self._most_late = max(-log(confidence), _LEAST) if confidence > 0.0 else inf
        """Requests that a batch may be expected to make late, so that it makes none late with this probability."""
        self._saved_since_s = inf
        """Since when no batch was started against the guard; since the first refusal, if none was."""
        self.look_again_s = inf

    def note(self, request: Request) -> None:
        """Remember what the model's requests look like."""
        self._traffic.note(request, self._estimates.out_s[request.bytes_out])
        copy_s = self._estimates.in_s[request.bytes_in]
        if copy_s > self._copy_s:
            self._copy_s = copy_s

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Compare the share in time with and without the candidate; on an idle GPU weigh how likely the others are."""
        traffic = self._traffic
        self.look_again_s = inf
        if not traffic.seen:
            return True
        made_after = (self._estimates.refreshes, traffic.renewals)
        if self._allowances_of != made_after:
            self._allowances.clear()
            self._allowances_of = made_after
        behind = self._estimates.behind(gpu, batches, now_s)
        if self._surely_in_time(behind, now_s) >= self._confidence:
            return True
        kept = self._in_time(behind, now_s)
        if kept >= self._confidence:
            return True
        without = self._estimates.behind(gpu, batches[:-1], now_s)
        if kept >= self._confidence * self._in_time(without, now_s, more_than=kept):
            return True
        return len(batches) == 1 and self._is_worth_the_risk(batches[0], now_s)

    # On an idle GPU -------------------------------------------------------------------------------------------------

    def _is_worth_the_risk(self, candidate: Planned, now_s: float) -> bool:
        """Whether a candidate on an idle GPU makes hardly anybody late, or is the exception that may."""
        late_s = self._late_for_s(candidate, now_s)
        self._saved_since_s = min(self._saved_since_s, now_s)
        # Requests come at the rate count / span, and the span grows while nobody comes.
        unlikely_s = self._traffic.since_s + self._traffic.count * late_s / self._most_late
        exception_s = self._saved_since_s + late_s / _AT_RISK
        if now_s >= unlikely_s:
            return True
        if now_s >= exception_s:
            self._saved_since_s = now_s
            return True
        self.look_again_s = min(unlikely_s, exception_s) * _BEYOND_ROUNDING
        return False

    def _late_for_s(self, candidate: Planned, now_s: float) -> float:
        """Return for how long a high-priority request that came would be late behind a candidate on an idle GPU.

        A mean over the models, by their shares.
        """
        newcomers, left_s = self._estimates.newcomers, candidate.end_s - now_s
        return sum(
            [
                usual.share
                * newcomers.late_for_s(candidate.key, left_s, model, self._longest_s(model, usual) - self._copy_s)
                for model, usual in self._traffic.seen.items()
            ]
        )

    # A request that arrived now -------------------------------------------------------------------------------------

    def _in_time(self, behind: Behind, now_s: float, more_than: float = inf) -> float:
        """Return the share of hypothetical requests that would be in time in this situation.

        Args:
            behind: The situation.
            now_s: The time.
            more_than: Adding up stops where `confidence` times the share exceeds this.
        """
        newcomers, start_s = self._estimates.newcomers, behind.start_s(self._copy_s)
        wait_s, beside = start_s - now_s, behind.beside
        stays_s, alone_s = newcomers.execute_s(beside), newcomers.execute_s(())
        met = 0.0
        for model, usual in self._traffic.seen.items():
            longest_s = self._longest_s(model, usual) * (1.0 + TIME_RTOL) - wait_s
            if stays_s[model] > longest_s:
                if not beside or alone_s[model] > longest_s * _BEYOND_ROUNDING:  # no walk can help
                    continue
                if newcomers.lasts_s(behind, model, start_s) > longest_s:
                    continue
            met += usual.share
            if self._confidence * met > more_than:
                break
        return met

    def _longest_s(self, model: str, usual: Usual) -> float:
        """Return how long a request may wait for its start and execute, by the forecast, so that it is in time."""
        return usual.lasts_s / self._estimates.stretch[model]

    def _surely_in_time(self, behind: Behind, now_s: float) -> float:
        """Return the share that would be in time even if those beside them stayed all the way through."""
        allowances = self._allowances.get(behind.beside)
        if allowances is None:
            execute_s, stretch = self._estimates.newcomers.execute_s(behind.beside), self._estimates.stretch
            allowances = self._allowances[behind.beside] = [
                (usual.lasts_s / stretch[model] - execute_s[model], usual.share)
                for model, usual in self._traffic.seen.items()
            ]
        # Comparing with a little less: a start planned exactly at the latest one is in time.
        delay_s = behind.start_s(self._copy_s) - now_s - TIME_RTOL * now_s
        share = 1.0
        for _, late in sorted([allowance for allowance in allowances if allowance[0] < delay_s]):
            share -= late
        return share


GUARDS: dict[str, type[Guard]] = {"hypothetical": Hypothetical, "off": Off}
