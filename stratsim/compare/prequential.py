"""How well beliefs predict, each judged on the same log before it is told: prequential evaluation.

What happened does not depend on the beliefs: the log comes from a policy that has none. Every belief is replayed
through it with a forecast of its own (`stratsim.policy.forecast`), as a scheduler would have it. At a dispatch it says
when the batch, and all others, will end; when a batch has ended it is judged, and only then told what happened.

Four predictions of the execution time of a batch, which differ in what was known:

    snapshot    at dispatch: solo time at the rate beside those who execute then, taken to stay all the time
    dispatch    at dispatch: a walk through who is expected to overlap whom, for how long (E2)
    last        the same, at the last dispatch on its GPU before it ended (E3): what a safety margin has to cover
    realised    told afterwards who was there, for how long (E1): the error of the rates alone

Of beliefs that say how sure they are, quantiles of `realised` can be asked for besides: `quantile_kind`.

Source: Dawid, "Statistical theory: the prequential approach", JRSS A 1984; the four kinds are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, nan
from typing import TYPE_CHECKING, NamedTuple

from stratsim.model.request import Priority, Request
from stratsim.policy.forecast import Forecast, Planned
from stratsim.policy.state import InFlight, Log

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from stratsim.compare.log import RunLog
    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict import Predictor

__all__ = ["KINDS", "Prediction", "Scores", "quantile_kind", "score"]

KINDS = ("snapshot", "dispatch", "last", "realised")
"""What predictions are told apart by."""
_WALKED = frozenset(("dispatch", "last"))
"""Those that a forecast makes."""


class Prediction(NamedTuple):
    """One prediction of one batch's execution time, and what came of it."""

    predictor: str
    kind: str
    batch: int
    """Position in the order of dispatch."""
    order: int
    """How many batches had been judged before."""
    model: str
    size: int
    beside: str
    """The model that overlapped it longest."""
    predicted_s: float
    """Execution time that was predicted: from the start of the execution to its predicted end."""
    actual_s: float
    """Execution time."""
    solo_s: float
    """Execution time alone, as the scheduler knows it."""
    asked_s: float
    """When the prediction was made, counted from the start of the execution, negative before it; NaN: afterwards."""
    end_s: float
    """When the batch ended."""

    @property
    def error(self) -> float:
        """Relative error of the execution time; negative: it was underestimated."""
        return self.predicted_s / self.actual_s - 1.0


@dataclass(slots=True)
class Scores:
    """What the judging of several beliefs on one log gave."""

    predictions: list[Prediction] = field(default_factory=list)
    alone: int = 0
    """Batches that overlapped nobody: their rate is 1 by definition, so they are not judged."""
    censored: int = 0
    """Batches that were still in flight when the judging ended."""
    judged: int = 0
    """Batches judged."""


def quantile_kind(probability: float) -> str:
    """Return the kind of predictions that are this quantile of `realised`: `q05` of 0.05, `q97.5` of 0.975."""
    percent = round(100 * probability, 9)
    return f"q{percent:02.0f}" if percent.is_integer() else f"q{percent:.12g}"


def score(
    log: RunLog,
    profile: SchedulerProfile,
    predictors: Mapping[str, Predictor],
    slots: int,
    until_s: float = inf,
    quantiles: Sequence[float] = (),
    kinds: Collection[str] = KINDS,
) -> Scores:
    """Judge beliefs on a log, each by itself.

    Copies are taken as they turned out: this is about execution alone.

    Args:
        log: Of a run.
        profile: What each belief is fitted to.
        predictors: By name; an oracle must have been told the truth.
        slots: Batches that may execute at once on a GPU.
        until_s: Judge batches that have ended by then, simulated seconds.
        quantiles: Probabilities with which the execution time is not to exceed the prediction: further kinds, of the
            beliefs that have quantiles.
        kinds: Of `KINDS`; `dispatch` and `last` need a forecast, and so most of the time.
    """
    ended = [step.batch for step in log.steps if not step.is_dispatch and step.at_s <= until_s]
    started = sum([step.is_dispatch and step.at_s <= until_s for step in log.steps])
    alone = sum([log.ran_alone(batch) for batch in ended])
    scores = Scores(alone=alone, censored=started - len(ended), judged=len(ended) - alone)
    for name, predictor in predictors.items():
        scores.predictions += _Judge(name, predictor.fit(profile), log, slots, quantiles, kinds).judge(until_s)
    return scores


class _Judge:
    """One belief on its way through a log."""

    def __init__(
        self,
        name: str,
        predictor: Predictor,
        log: RunLog,
        slots: int,
        quantiles: Sequence[float],
        kinds: Collection[str],
    ) -> None:
        gpus = range(max(log.gpu, default=0) + 1)
        self._name = name
        self._predictor = predictor
        self._quantiles = tuple(quantiles) if predictor.has_quantiles else ()
        self._kinds = kinds
        self._walks = not _WALKED.isdisjoint(kinds)
        self._run = log
        self._server = Log()
        self._server.grow(len(log.observations))
        self._forecasts = [Forecast(slots, predictor.predict) for _ in gpus]
        self._planned: dict[int, Planned] = {}
        self._in_flight: list[list[int]] = [[] for _ in gpus]
        self._at_dispatch: dict[int, dict[str, float]] = {}
        self._found: list[Prediction] = []
        self._judged = 0

    def judge(self, until_s: float) -> list[Prediction]:
        """Go through the log; return the predictions of all batches that have ended."""
        for at_s, is_dispatch, batch in self._run.steps:
            if at_s > until_s:
                break
            self._server.now_s = at_s
            if is_dispatch:
                self._dispatch(at_s, batch)
            else:
                self._end(at_s, batch)
        return self._found

    def _dispatch(self, now_s: float, batch: int) -> None:
        """Predict a batch."""
        run, in_flight = self._run, self._in_flight[self._run.gpu[batch]]
        seen = run.observations[batch]
        beside = tuple([run.observations[other].target for other in in_flight if run.start_s[other] <= now_s])
        snapshot_s = seen.solo_s / self._predictor.predict((seen.target, *beside))[0]
        self._at_dispatch[batch] = {"asked": now_s, "snapshot": snapshot_s}
        in_flight.append(batch)
        if self._walks:
            self._follow(now_s, batch)

    def _follow(self, now_s: float, batch: int) -> None:
        """Walk through who is expected to overlap whom: predict a batch and, anew, all others on its GPU."""
        run, forecast = self._run, self._forecasts[self._run.gpu[batch]]
        forecast.update(now_s)
        seen = run.observations[batch]
        planned = Planned(seen.target, seen.solo_s, max(run.ready_s[batch], now_s), 0.0, inf, high=False)
        forecast.walk(now_s, planned)
        self._enter(batch)
        forecast.start(planned, InFlight(self._server, batch, _requests(seen.target), run.gpu[batch]))
        forecast.commit(now_s)
        self._planned[batch] = planned
        self._at_dispatch[batch]["dispatch"] = planned.expected_s - run.start_s[batch]

    def _enter(self, batch: int) -> None:
        """Write a dispatched batch into the server's log, which shows times only once they have come."""
        server = self._server
        server.dispatch_s[batch] = server.now_s
        server.copy_in_start_s[batch] = server.copy_in_end_s[batch] = self._run.ready_s[batch]
        server.execution_start_s[batch] = self._run.start_s[batch]
        server.execution_end_s[batch] = nan

    def _end(self, now_s: float, batch: int) -> None:
        """Judge a batch, then let the belief learn from it."""
        seen, predicted = self._run.observations[batch], self._at_dispatch.pop(batch)
        start_s = self._run.start_s[batch]
        self._in_flight[self._run.gpu[batch]].remove(batch)
        asked_s = dict.fromkeys(KINDS[:2], predicted.pop("asked") - start_s)
        if self._walks:
            planned = self._ended(now_s, batch)
            predicted["last"], asked_s["last"] = planned.expected_s - start_s, planned.asked_s - start_s
        if not self._run.ran_alone(batch):
            predicted["realised"] = self._predictor.expected_duration_s(seen)
            for kind in KINDS:
                if kind in self._kinds:
                    self._note(batch, kind, predicted[kind], asked_s.get(kind, nan))
            for each in self._quantiles:
                self._note(batch, quantile_kind(each), self._predictor.duration_quantile_s(seen, each), nan)
            self._judged += 1
        self._predictor.observe(seen)

    def _ended(self, now_s: float, batch: int) -> Planned:
        """Tell the forecast that a batch has ended; return what it last expected."""
        self._server.execution_end_s[batch] = now_s
        forecast = self._forecasts[self._run.gpu[batch]]
        forecast.update(now_s)
        forecast.forget()
        return self._planned.pop(batch)

    def _note(self, batch: int, kind: str, predicted_s: float, asked_s: float) -> None:
        target, solo_s, duration_s, _, end_s = self._run.observations[batch]
        self._found.append(
            Prediction(
                self._name,
                kind,
                batch,
                self._judged,
                *target,
                self._run.longest_beside[batch],
                predicted_s,
                duration_s,
                solo_s,
                asked_s,
                end_s,
            )
        )


def _requests(member: tuple[str, int]) -> tuple[Request, ...]:
    """Return requests that stand for a batch's: nobody asks anything of them but their model and number."""
    model, size = member
    return (Request(0, model, Priority.LOW, 0.0, inf, 0, 0),) * size
