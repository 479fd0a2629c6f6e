"""Guards: may a low-priority batch start, for the sake of high-priority requests that have not come yet?"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Protocol

from stratsim.model.tolerance import latest_finish_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.model.request import Request
    from stratsim.policy.forecast import Planned
    from stratsim.policy.strait.estimates import Estimates

__all__ = ["GUARDS", "Guard", "Hypothetical", "Off", "SlackQuantile"]


class Guard(Protocol):
    """Decides for those who cannot speak yet."""

    def __init__(self, profile: SchedulerProfile, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """A high-priority request has arrived."""
        ...

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether the last of `batches`, all walked, may start: it is a candidate on this GPU behind the others."""
        ...


class Off:
    """No guard: only requests that are there count."""

    def __init__(self, profile: SchedulerProfile, estimates: Estimates, confidence: float) -> None: ...

    def note(self, request: Request) -> None:
        """Nothing to note."""

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:  # noqa: ARG002
        """Always."""
        return True


class _Traffic:
    """What was seen of one model's high-priority requests."""

    __slots__ = ("count", "in_s", "out_s", "slo_s")

    def __init__(self) -> None:
        self.count = 0
        self.slo_s = inf
        self.in_s = self.out_s = 0.0


class Hypothetical:
    """A high-priority request that arrived now, of any model seen so far, would still be in time.

    Models count by how many of their requests have come; deadline and bytes are those of their last one. Requests that
    would be late without the candidate as well do not count. Among the others, a share of at least `confidence` must
    stay in time: in a free slot, or after the first believed end.
    """

    def __init__(self, profile: SchedulerProfile, estimates: Estimates, confidence: float) -> None:
        self._profile = profile
        self._estimates = estimates
        self._confidence = confidence
        self._seen: dict[str, _Traffic] = {}

    def note(self, request: Request) -> None:
        """Remember what the model's requests look like."""
        traffic = self._seen.get(request.model)
        if traffic is None:
            traffic = self._seen[request.model] = _Traffic()
        traffic.count += 1
        traffic.slo_s = request.deadline_s - request.arrival_s
        traffic.in_s = self._profile.h2d.copy_s(request.bytes_in)
        traffic.out_s = self._profile.d2h.copy_s(request.bytes_out)

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Compare the share in time with and without the candidate."""
        newcomer_s = self._estimates.newcomer_s
        behind = self._estimates.behind(gpu, batches, now_s)
        kept, harmed = 0, []
        for model, traffic in self._seen.items():
            done_s = newcomer_s(behind, model, traffic.in_s, traffic.out_s, now_s)
            if done_s <= latest_finish_s(now_s + traffic.slo_s):
                kept += traffic.count
            else:
                harmed.append((model, traffic))
        if not harmed:
            return True
        without = self._estimates.behind(gpu, batches[:-1], now_s)
        lost = 0
        for model, traffic in harmed:
            done_s = newcomer_s(without, model, traffic.in_s, traffic.out_s, now_s)
            if done_s <= latest_finish_s(now_s + traffic.slo_s):
                lost += traffic.count
        return kept >= self._confidence * (kept + lost)


class SlackQuantile:
    """A newcomer would not wait for a slot longer than high-priority requests lately could afford.

    The slack is deadline less arrival less the latency alone; of the last 200, a share of `confidence` had more.
    """

    def __init__(self, profile: SchedulerProfile, estimates: Estimates, confidence: float) -> None:  # noqa: ARG002
        self._estimates = estimates
        self._confidence = confidence
        self._slack_s: deque[float] = deque(maxlen=200)

    def note(self, request: Request) -> None:
        """Remember the request's slack."""
        self._slack_s.append(request.deadline_s - request.arrival_s - self._estimates.alone_s(request))

    def admits(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Compare the wait with the usual slack."""
        if not self._slack_s:
            return True
        ordered = sorted(self._slack_s)
        usual_s = ordered[int((1.0 - self._confidence) * (len(ordered) - 1))]
        return self._estimates.behind(gpu, batches, now_s).slot_s - now_s <= usual_s


GUARDS: dict[str, type[Guard]] = {"hypothetical": Hypothetical, "slack-quantile": SlackQuantile, "off": Off}
