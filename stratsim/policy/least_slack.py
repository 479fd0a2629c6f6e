"""Policies that rank by slack: how long a request can still wait. Least slack first, and promotion in time."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from stratsim.model.request import Priority
from stratsim.model.tolerance import RANK_DIGITS, latest_finish_s
from stratsim.policy.arguments import number, one_of
from stratsim.policy.aware_edf import AwareEdf
from stratsim.policy.queueing import PriorityEdf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.model.profile import SchedulerProfile
    from stratsim.model.request import Request
    from stratsim.policy.base import Decision, Setting
    from stratsim.policy.queueing import Entry
    from stratsim.policy.view import GpuView, View

__all__ = ["Lax", "LeastSlack"]


class LeastSlack(AwareEdf):
    """Least slack first: deadline less the estimated finish if started now; not preemptive.

    The slack of the first request of every model is computed anew at each decision, on the GPU that would serve it,
    by the predictor's estimate (solo by default) with copies. Within a model, requests go by deadline less what they
    take alone. Where all work is equal this is EDF. Batches and drops are those of `priority-edf`.

    Source: textbook least-laxity-first, at decision points only; the batching rule is our choice.

    Args:
        predictor: The belief about interference (`stratsim predictor list`).
        transfers: The belief about copies: `contended`, `alone` or `no-transfers`.
        margin: Quantile of recent errors that estimates allow for, by company of models; 0 for none.
        order: `slack` knows no classes; `priority` serves the classes one after the other, each by slack.
        floor: Least share of its solo work that an overdue batch is believed to have left.
        refresh: The belief learns from so many ended batches at a time; 1 is exact, and slower.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`, by this policy's estimates; the run's setting by default.
    """

    def __init__(
        self,
        *,
        predictor: str = "solo",
        transfers: str = "contended",
        margin: float = 0.0,
        order: str = "slack",
        floor: float = 0.0,
        refresh: int = 8,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(
            predictor=predictor,
            transfers=transfers,
            margin=margin,
            floor=floor,
            refresh=refresh,
            max_batch=max_batch,
            drop=drop,
        )
        one_of("order", order, ("slack", "priority"))
        self._by_class = order == "priority"

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._estimates = True  # the order itself depends on them

    def key(self, request: Request) -> tuple[float, ...]:
        """Order within a model: class, unless the order is by slack alone, then the latest start alone."""
        return (
            request.priority if self._by_class else 0,
            round(request.deadline_s - alone_s(self.profile, request), RANK_DIGITS),
        )

    def _next_queue(self, gpu: GpuView, now_s: float) -> list[Entry]:
        """Return the queue whose first request has the least slack now."""
        finish_s = self._estimate(gpu, now_s)

        def rank(queue: list[Entry]) -> tuple[float, ...]:
            key, request_id, request = queue[0]
            return key[0], round(request.deadline_s - finish_s((request,)), RANK_DIGITS), request_id

        return min([queue for queue in self._queues.values() if queue], key=rank)


class Lax(PriorityEdf):
    """Priority-EDF that promotes a low-priority request when its time gets short; not preemptive.

    Until `deadline - reserve * (its latency alone)` a low-priority request ranks behind all high-priority ones; from
    then on before them (`critical=above`) or among them by deadline (`equal`). XSched suspends whatever has not the
    highest rank; here ranks only order the queue, so nothing is preempted and no timer is needed: a promotion matters
    at the next decision with a free place. Batches and drops are those of `priority-edf`.

    Source: the promotion rule of XSched's LAX (OSDI 2025), XpuOS/xsched sched/src/policy/lax.cpp; there the time of
    promotion is a constant of each queue, deriving it from the deadline is our choice.

    Args:
        reserve: Time kept for a low-priority request, as a multiple of its latency alone with copies.
        critical: Rank of a promoted request against high priority: `above` or `equal`.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    def __init__(
        self, *, reserve: float = 2.0, critical: str = "above", max_batch: int | None = None, drop: str | None = None
    ) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        number("reserve", reserve, 0, inf, closed="low")
        one_of("critical", critical, ("above", "equal"))
        self._reserve = reserve
        self._critical = -1 if critical == "above" else Priority.HIGH

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._promotions: list[tuple[float, int, Request]] = []
        """When each low-priority request is due to be promoted: a heap; some have been served meanwhile."""

    def on_arrival(self, request: Request, view: View) -> None:
        """Queue the request, and note when it is to be promoted."""
        super().on_arrival(request, view)
        if request.priority is Priority.LOW:
            heappush(self._promotions, (self._laxity_point_s(request), request.id, request))

    def decide(self, view: View) -> Iterable[Decision]:
        """Promote whose time has come, then serve."""
        if view.least_loaded() is None:
            return ()
        self._promote_due(view.now_s)
        return super().decide(view)

    def _promote_due(self, now_s: float) -> None:
        """Give the waiting requests whose time has come their new rank."""
        due: dict[str, set[int]] = {}
        until_s = latest_finish_s(now_s)
        while self._promotions and self._promotions[0][0] <= until_s:
            _, request_id, request = heappop(self._promotions)
            due.setdefault(request.model, set()).add(request_id)
        for model, ids in due.items():
            self._promote(self._queues[model], ids)

    def _laxity_point_s(self, request: Request) -> float:
        """Return when a low-priority request is promoted."""
        return request.deadline_s - self._reserve * alone_s(self.profile, request)

    def _promote(self, queue: list[Entry], ids: set[int]) -> None:
        """Give the requests among `ids` that still wait in a queue their new rank."""
        if not any(request_id in ids for _, request_id, _ in queue):
            return
        queue[:] = [
            ((self._critical, key[1]), request_id, request) if request_id in ids else (key, request_id, request)
            for key, request_id, request in queue
        ]
        heapify(queue)


def alone_s(profile: SchedulerProfile, request: Request) -> float:
    """Return the latency of a request that is alone on an idle GPU, copies included, seconds."""
    copies_s = profile.h2d.copy_s(request.bytes_in) + profile.d2h.copy_s(request.bytes_out)
    return copies_s + profile.latency_s(request.model)
