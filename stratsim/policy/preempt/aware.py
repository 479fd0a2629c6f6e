"""K-EDF whose batches and drops expect interference."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import whole
from stratsim.policy.base import Decision, Start, Wake
from stratsim.policy.book import Book
from stratsim.policy.preempt.deadline import KEdf
from stratsim.predict import make_predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.base import Setting
    from stratsim.policy.view import GpuView, View

__all__ = ["AwareKEdf"]


class AwareKEdf(KEdf):
    """K-EDF whose batches and drops expect interference, by any predictor; who runs and who is stopped is K-EDF's.

    A batch is expected to take its latency alone, slowed by those that would run beside it as long as it runs. It takes
    as many requests as are then in time. A request that is late by that, even alone in its batch, is tried all the same
    as long as it would be in time on an idle GPU. With `predictor=solo` the decisions are those of `k-edf`, but for
    such requests, which that drops.

    Source: our choice, the rival that has what `fewest-late` has but its plan: the same belief, learned in the same
    way, and the same stops. `k-edf` for the rest.

    Args:
        predictor: The belief about interference (`stratsim predictor list`).
        k: Batches that run at once on a GPU: the run's number of execution slots by default, and at most that.
        mechanism: How a batch is stopped: `gated`, `kernel`, `reset`, `context` (40 us) or `ideal` (at no cost).
        gate: Kernels in flight at most, where launches are gated.
        refresh: The belief learns from so many ended batches at a time.
        max_batch: Largest batch size; the run's setting by default.
        drop: `never`, `expired` or `infeasible`, by this policy's estimates; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.COPY_IN_END, Wake.EXECUTION_END, Wake.STOP})

    def __init__(
        self,
        *,
        predictor: str = "rls(form=additive)",
        k: int | None = None,
        mechanism: str = "gated",
        gate: int = 16,
        refresh: int = 8,
        max_batch: int | None = None,
        drop: str | None = None,
    ) -> None:
        super().__init__(k=k, mechanism=mechanism, gate=gate, max_batch=max_batch, drop=drop)
        whole("refresh", refresh, 1)
        self.belief = make_predictor(predictor)
        self._refresh = refresh

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        super().prepare(setting)
        self._rates = self.belief.fit(setting.profile).predict
        self._book = Book(self.belief, self._refresh, setting.gpus)

    def decide(self, view: View) -> Iterator[Decision]:
        """Do as `k-edf` does, and follow what is started."""
        self._book.update(view.now_s)
        for decision in super().decide(view):
            yield decision
            if type(decision) is Start:
                batch = view.gpus[decision.gpu].newest
                assert batch is not None  # noqa: S101 (it has just been started)
                self._book.started(batch, self._latency_s[batch.model][batch.size])
        self._book.look(view)

    def _estimate(self, gpu: GpuView, now_s: float) -> Callable[[Sequence[Request]], float]:
        """Return the function that says when requests of one model, started now as one batch, would be done."""
        beside = sorted((*gpu.executing, *gpu.staged), key=lambda batch: (batch.requests[0].deadline_s, batch.id))
        others = tuple([(batch.model, batch.size) for batch in beside[: self._run - 1]])
        rates: dict[int, float] = {}  # by size: all that is asked about here is of one model

        def finish_s(requests: Sequence[Request]) -> float:
            model, size = requests[0].model, len(requests)
            if size not in rates:
                rates[size] = self._rates(((model, size), *others))[0] if others else 1.0
            execute_s = now_s + self._copy_in_s[sum([request.bytes_in for request in requests])]
            execute_s += self._latency_s[model][size] / rates[size]
            return execute_s + self._copy_out_s[sum([request.bytes_out for request in requests])]

        return finish_s

    def _is_worth_trying(self, request: Request, now_s: float) -> bool:
        """Whether a request that is believed to be late here would be in time alone on an idle GPU."""
        copies_s = self._copy_in_s[request.bytes_in] + self._copy_out_s[request.bytes_out]
        return now_s + copies_s + self._latency_s[request.model][1] <= latest_finish_s(request.deadline_s)
