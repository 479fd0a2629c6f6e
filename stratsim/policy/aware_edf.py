"""Priority-EDF that expects interference: the same batches and drops, with estimates from any belief."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import number, one_of, whole
from stratsim.policy.base import Decision, Setting, Start
from stratsim.policy.queueing import PriorityEdf
from stratsim.policy.strait.estimates import Estimates
from stratsim.predict import make_predictor, make_transfer_predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, View

__all__ = ["AwareEdf"]


class AwareEdf(PriorityEdf):
    """Priority-EDF whose estimates expect interference, by any predictor; no harm check, no guard, not preemptive.

    Order, batch former and drop rule are those of `priority-edf`. What differs is the estimate of when a batch would be
    done: a forecast that walks through who executes beside whom (`stratsim.policy.forecast`), the one that `strait`
    uses. With `predictor=solo`, no margin and no copies the decisions are those of `priority-edf`; with
    `predictor=constant(slowdown=2)` a co-located batch is expected to take twice as long.

    Source: our choice, the rivals that a reconstruction of Strait has to beat; gpulet (ATC 2022) for a static belief.

    Args:
        predictor: The belief about interference (`stratsim predictor list`).
        transfers: The belief about copies: `contended`, `alone` or `no-transfers`.
        margin: Quantile of recent errors that estimates allow for, by company of models; 0 for none.
        infeasible: A request is late `here`, if started now beside those that execute, and given up for it; or only if
            it would be late even `alone` on an idle GPU, as in `strait`: until then it is started, without company in
            its batch that would make it later.
        order: `priority` serves the classes one after the other, each by deadline; `deadline` knows no classes.
        floor: Least share of its solo work that an overdue batch is believed to have left.
        refresh: The belief learns from so many ended batches at a time; 1 is exact, and slower.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`, by this policy's estimates; the run's setting by default.
    """

    def __init__(
        self,
        *,
        predictor: str = "rls",
        transfers: str = "contended",
        margin: float = 0.0,
        infeasible: str = "here",
        order: str = "priority",
        floor: float = 0.0,
        refresh: int = 8,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(max_batch=max_batch, drop=drop)
        one_of("infeasible", infeasible, ("here", "alone"))
        one_of("order", order, ("priority", "deadline"))
        number("margin", margin, 0, 1)
        number("floor", floor, 0, 1)
        whole("refresh", refresh, 1)
        self.belief = make_predictor(predictor)
        self._transfers = make_transfer_predictor(transfers)
        self._margin = margin
        self._floor = floor
        self._refresh = refresh
        self._tries = infeasible == "alone"
        self._by_class = order == "priority"

    def key(self, request: Request) -> tuple[float, ...]:
        """Class, unless the order is by deadline alone, then absolute deadline."""
        return (request.priority if self._by_class else 0, request.deadline_s)

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        belief, transfers = self.belief.fit(setting.profile), self._transfers.fit(setting.profile)
        self._believed = Estimates(setting, belief, transfers, self._margin, self._floor, self._refresh)

    def decide(self, view: View) -> Iterable[Decision]:
        """Do as `priority-edf` does, and follow what is started."""
        if self._estimates and view.least_loaded() is not None:
            return self._decide(view)
        return super().decide(view)

    def _decide(self, view: View) -> Iterator[Decision]:
        now_s, believed = view.now_s, self._believed
        believed.update(view)
        for decision in super().decide(view):
            yield decision
            if type(decision) is Start:
                planned = believed.plan(decision.gpu, decision.requests, now_s)
                believed.started(view.gpus[decision.gpu], planned, now_s)

    def _estimate(self, gpu: GpuView, now_s: float) -> Callable[[Sequence[Request]], float]:
        """Return the function that says when requests of one model, started now as one batch, would be done."""
        believed, forecast = self._believed, self._believed.forecasts[gpu.id]

        def finish_s(requests: Sequence[Request]) -> float:
            candidate = believed.plan(gpu.id, requests, now_s)
            forecast.walk(now_s, candidate)
            return believed.finish_s(candidate, now_s)

        return finish_s

    def _is_worth_trying(self, request: Request, now_s: float) -> bool:
        """Whether a request that is believed to be late here would be in time alone on an idle GPU."""
        return self._tries and now_s + self._believed.alone_s(request) <= latest_finish_s(request.deadline_s)

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:
        """Return how long a batch started now is believed to wait for a slot."""
        batches = self._believed.forecasts[gpu.id].walk(now_s)
        return self._believed.behind(gpu.id, batches, now_s).slot_s - now_s
