"""When batches in flight, candidates and requests that wait are expected to be done, as Strait estimates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.copy_times import CopyTimes
from stratsim.policy.forecast import Forecast, Planned
from stratsim.policy.strait.caution import CautiousRates
from stratsim.policy.strait.margins import Margins
from stratsim.policy.strait.newcomers import Behind, Newcomers
from stratsim.policy.strait.pending_copies import PendingCopies
from stratsim.predict import Observation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.request import Request
    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, View
    from stratsim.predict import Active, Predictor, TransferPredictor

__all__ = ["Estimates"]

_CLEARLY = 1e-9
"""Share of a time by which one is later than another beyond all rounding."""
_FORGET_AFTER = 128
"""Ended batches after which the intervals that nobody needs any more are cleared away."""


class Estimates:
    """Forecasts of all GPUs, with what makes them: beliefs, margins, and the log of what was started.

    Args:
        setting: The run's.
        belief: About interference, fitted.
        transfers: About copies, fitted.
        margin: Quantile of recent errors that estimates allow for; 0 for none.
        floor: See `Forecast`.
        refresh: The belief learns from so many ended batches at a time. In between it stays as it is, whatever it is
            asked and when, so that answers can be kept.
    """

    def __init__(
        self,
        setting: Setting,
        belief: Predictor,
        transfers: TransferPredictor,
        margin: float,
        floor: float,
        refresh: int,
    ) -> None:
        profile = setting.profile
        self._slots = setting.max_concurrency
        self._places = setting.max_concurrency + setting.prefetch
        self._belief = belief
        self._copies = PendingCopies(setting, transfers)
        self.latency_s = {name: model.latency_s for name, model in profile.models.items()}
        self._margins = Margins(profile.models, margin)
        self.stretch = self._margins.stretch
        self._refresh = refresh
        self._floor = floor
        self.in_s, self.out_s = CopyTimes(profile.h2d), CopyTimes(profile.d2h)
        """What a copy takes alone, by its size."""
        self.refreshes = 0
        """How often the belief has changed."""
        self._caution = CautiousRates(belief, margin)
        self._has_margin = margin > 0
        self.rates = self._caution.predict
        self._to_learn: list[Observation] = []
        self.newcomers = Newcomers(self._caution, self.latency_s, self._slots)
        self.forecasts = [Forecast(self._slots, self.rates, floor) for _ in range(setting.gpus)]
        """Those where nothing has happened catch up when they are asked."""
        self.in_flight = [0] * setting.gpus
        """Batches executing or staged on each GPU, as followed."""
        self._members: list[Active | None] = [()] * setting.gpus
        """Who executes on each GPU; None where others are staged as well."""
        self._moved: set[int] = set()
        """GPUs of several that may hold other numbers of batches than at the last update."""
        self._staging: set[int] = set()
        """GPUs that have staged batches: only there can any start."""
        self.ended = 0
        """Batches ended so far: what was refused may be admitted once this has changed."""
        self._forget_at = 0
        """How many shall have ended when forecasts forget what nobody needs."""

    # What has happened ----------------------------------------------------------------------------------------------

    def update(self, view: View) -> None:
        """Bring the forecasts up to now, and learn from the batches that have ended, in that order."""
        now_s = view.now_s
        ended: list[Ended] = []
        for gpu in self._changed(view):
            forecast = self.forecasts[gpu]
            self._copies.update(gpu)
            ended += [
                (planned.batch.execution_end_s, planned.batch.id, planned, forecast)  # type: ignore[union-attr]
                for planned in forecast.update(now_s)
            ]
            self.in_flight[gpu] = len(forecast.executing) + len(forecast.staged)
            if not forecast.staged:
                self._staging.discard(gpu)
                self._members[gpu] = tuple([planned.key for planned in forecast.executing])
        if ended:
            self._note_ends(ended, now_s)

    def _changed(self, view: View) -> Sequence[int]:
        """Return the GPUs where anything can have happened: batches are missing, or wait to start."""
        before = self.in_flight
        if len(before) == 1:  # looked at whenever there is something in flight
            return (0,) if before[0] else ()
        self._moved.update(view.take_changed())
        gpus, staging = view.gpus, self._staging
        changed = sorted(staging.union([gpu for gpu in self._moved if gpus[gpu].in_flight != before[gpu]]))
        self._moved.clear()
        return changed

    def has_ended(self, view: View) -> bool:
        """Whether a batch has ended since the last update."""
        if len(self.in_flight) == 1:
            return view.gpus[0].in_flight != self.in_flight[0]
        self._moved.update(view.take_changed())
        gpus, before = view.gpus, self.in_flight
        self._moved = {gpu for gpu in self._moved if gpus[gpu].in_flight != before[gpu]}
        return len(self._moved) > 0

    def _note_ends(self, ended: list[Ended], now_s: float) -> None:
        """Learn from batches that have ended, in that order."""
        self.ended += len(ended)
        if len(ended) > 1:
            ended.sort(key=_time_and_id)
        for end_s, _, planned, forecast in ended:
            self._note(planned, forecast, end_s)
        if self.ended >= self._forget_at:
            self._forget_at = self.ended + _FORGET_AFTER
            for forecast in self.forecasts:
                forecast.forget()
        if len(self._to_learn) >= self._refresh:
            self._learn(now_s)

    def _note(self, planned: Planned, forecast: Forecast, end_s: float) -> None:
        """Take over how a batch turned out: for the margins at once, for the belief later."""
        if self._belief.adapts or self._has_margin:
            duration_s = end_s - planned.batch.execution_start_s  # type: ignore[union-attr]
            intervals = forecast.intervals(planned)
            if not any(others for _, others in intervals):
                self._margins.learn(planned.key[0], planned.solo_s, duration_s)
            self._to_learn.append(Observation(planned.key, planned.solo_s, duration_s, intervals, end_s))

    def _learn(self, now_s: float) -> None:
        """Let the belief learn from what has happened since it last did."""
        for forecast in self.forecasts:  # what was done until now was done at the rates believed until now
            if len(forecast.executing) > 1:
                forecast.catch_up(now_s)
        self._caution.learn_from(self._to_learn)
        for observation in self._to_learn:
            self._belief.observe(observation)
        self._to_learn.clear()
        self.newcomers.forget()
        self.refreshes += 1

    def started(self, gpu: GpuView, planned: Planned, now_s: float) -> None:
        """Follow a batch that was dispatched just now."""
        batch = gpu.newest
        assert batch is not None  # noqa: S101 (it has just been started)
        number = gpu.id
        self._copies.started(gpu, planned, now_s)
        forecast = self.forecasts[number]
        if forecast.walked is not planned:
            forecast.walk(now_s, planned)
        self.in_flight[number] += 1
        self._staging.add(number)
        self._members[number] = None
        forecast.start(planned, batch)
        forecast.commit(now_s)

    # What may happen ------------------------------------------------------------------------------------------------

    def alone_s(self, request: Request) -> float:
        """Return the latency of a request that is alone on an idle GPU."""
        copies_s = self.in_s[request.bytes_in] + self.out_s[request.bytes_out]
        return copies_s + self.latency_s[request.model][1]

    def latest_start_s(self, request: Request) -> float:
        """Return when a request must start, alone and with the margin, to be in time."""
        return request.deadline_s - self.alone_s(request) * self.stretch[request.model]

    def plan(self, gpu: int, requests: Sequence[Request], now_s: float) -> Planned:
        """Return a candidate: these requests as one batch, started now on this GPU. Its class is that of the first."""
        first, size = requests[0], len(requests)
        model = first.model
        bytes_in = sum([request.bytes_in for request in requests]) + self._copies.load_bytes(gpu, model)
        bytes_out = sum([request.bytes_out for request in requests])
        return Planned(
            (model, size),
            self.latency_s[model][size],
            self._copies.ready_s(gpu, bytes_in, now_s) if bytes_in else now_s,
            self.out_s[bytes_out],
            latest_finish_s(first.deadline_s),
            bytes_in,
            high=first.priority is Priority.HIGH,
        )

    def rivals(self, gpus: Sequence[GpuView], planned: Planned, now_s: float) -> Sequence[GpuView]:
        """Return those on which a batch may end no later than on an idle one; the others need no walk.

        Args:
            gpus: All in question, with the idle one.
            planned: The batch, as a walked candidate there.
            now_s: The time.
        """
        if self._copies.share or self._copies.loads:  # its copy may take longer there than elsewhere
            return gpus
        members = [self._members[gpu.id] for gpu in gpus]
        later = {beside for beside in set(members) if beside and self._surely_later(beside, planned, now_s)}
        return [gpu for gpu, beside in zip(gpus, members, strict=True) if beside not in later]

    def _surely_later(self, beside: Active, planned: Planned, now_s: float) -> bool:
        """Whether a batch would end later beside these than alone, however far they have got.

        Each of them has at least its floor left. While all are there the batch progresses at its rate beside them, or
        not at all where they have all slots; after that it cannot be faster than alone.
        """
        least_s = min([self._floor * self.latency_s[model][size] for model, size in beside])
        overlap_s = least_s - max(planned.ready_s - now_s, 0.0)
        rate = self.rates((*beside, planned.key))[-1] if len(beside) < self._slots else 0.0
        return (1.0 - rate) * min(overlap_s, planned.solo_s) > _CLEARLY * planned.end_s

    def finish_s(self, planned: Planned, now_s: float) -> float:
        """Return when a walked batch's outputs are back, with the margin."""
        return now_s + (planned.end_s - now_s) * self.stretch[planned.key[0]] + planned.out_s

    def is_late(self, planned: Planned, now_s: float) -> bool:
        """Whether a walked batch misses its deadline, with the margin."""
        return self.finish_s(planned, now_s) > planned.due_s

    def late(self, batches: Sequence[Planned], now_s: float, *, high: bool) -> list[Planned]:
        """Return which walked batches in flight, of one class, miss their deadlines."""
        found = [planned for planned in batches if planned.high is high and planned.batch is not None]
        return [planned for planned in found if self.is_late(planned, now_s)]

    def behind(self, gpu: int, batches: Sequence[Planned], now_s: float) -> Behind:
        """Return the situation behind walked batches: those in flight, or those and a candidate, which comes last."""
        copy_free_s, count = self._copies.free_s[gpu], len(batches)
        if count and batches[-1].batch is None and batches[-1].bytes_in:
            copy_free_s = batches[-1].ready_s
        if count < self._slots:
            dispatch_s = slot_s = now_s
            still = batches
        else:
            ends_s = sorted([planned.end_s for planned in batches])
            slot_s = ends_s[count - self._slots]
            dispatch_s = ends_s[count - self._places] if count >= self._places else now_s
            still = [planned for planned in batches if planned.end_s > slot_s]
        still = sorted(still, key=_end)
        keys = tuple([planned.key for planned in still])
        return Behind(dispatch_s, slot_s, copy_free_s, keys, tuple([planned.end_s for planned in still]))

    def follows_in_time(self, behind: Behind, request: Request, now_s: float) -> bool:
        """Whether a waiting request would still be in time, dispatched as soon as there is a place for it."""
        in_s, out_s = self.in_s[request.bytes_in], self.out_s[request.bytes_out]
        longest_s = (latest_finish_s(request.deadline_s) - now_s - out_s) / self.stretch[request.model]
        start_s = behind.start_s(in_s)
        return self.newcomers.fits(behind, request.model, start_s, now_s + longest_s - start_s)


Ended = tuple[float, int, Planned, Forecast]
"""When, the number of the batch, the batch, and where."""


def _end(planned: Planned) -> float:
    return planned.end_s


def _time_and_id(item: Ended) -> tuple[float, int]:
    return item[0], item[1]
