"""The figures of one run, as `stratsim replay --json` and `summary.json` give them.

docs/reference/metrics.md defines each. A figure that does not exist (no request completed, no deadline) is None,
never NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.rows import blocks, by_code, pieces
from stratsim.model.request import Priority, Status
from stratsim.results.clients import client_figures
from stratsim.results.equity import class_equity, run_equity
from stratsim.stats.deadlines import measuring_window, ratio, violation, violation_completed
from stratsim.stats.fairness import jain_index, normalised_progress, slowdown_figures
from stratsim.stats.latency import arrived_latency, latency_figures
from stratsim.stats.occupancy import busy_s, clip, total_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.profile import SchedulerProfile

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]
    Rows = slice | NDArray[np.intp]

__all__ = ["summarize"]


def summarize(
    result: Result, *, warmup_s: float | None = None, profile: SchedulerProfile | None = None
) -> dict[str, Any]:
    """Return the figures of one run: one element of `runs` in `--json`, of plain Python values only.

    Args:
        result: The run.
        warmup_s: None counts every arrival over the whole simulated span. A length in seconds restricts every figure
            to the measuring window (`stratsim.stats.deadlines.measuring_window`): the class figures to requests that
            arrived inside it, GPU and PCIe figures to what happened inside it.
        profile: Solo times; with them come slowdowns of requests and voluntary drops, and figures per client, if the
            requests have clients.

    Raises:
        SpecError: the warm-up leaves nothing to measure.
    """
    requests = result.requests
    if warmup_s is None:
        window = None
        span = (result.start_s, result.end_s)
        counted = np.ones(len(requests), dtype=bool)
    else:
        window = span = measuring_window(requests.arrival_s, requests.deadline_s, warmup_s)
        counted = (requests.arrival_s >= span[0]) & (requests.arrival_s <= span[1])
    gpus = zip(by_code(result.batches.gpu, result.gpus), result.stretches_by_gpu(), strict=True)
    figures = [(gpu.execution(), gpu.copies()) for gpu in (_Gpu(result, *of, span) for of in gpus)]
    clients = {} if profile is None else client_figures(result, counted, span[1] - span[0], profile)
    classes = {
        p.label: _class(result, counted & (requests.priority == p), span)
        | class_equity(result, p, counted, span, profile)
        for p in Priority
    }
    return {
        "policy": result.policy,
        "classes": classes,
        "equity": run_equity(classes),
        **({"clients": clients} if clients else {}),
        "gpu": [execution for execution, _ in figures],
        "pcie": [copies for _, copies in figures],
        "window_s": None if window is None else list(window),
        "events": int(result.events),
        "simulated_s": float(result.simulated_s),
        "wall_s": float(result.wall_s),
    }


def _class(result: Result, chosen: Mask, span: tuple[float, float]) -> dict[str, Any]:
    """Return the figures of the chosen requests of one class."""
    requests = result.requests
    status = requests.status[chosen]
    count = {s: int(np.count_nonzero(status == s)) for s in Status}
    arrived, met, late = len(status), count[Status.MET], count[Status.LATE]
    judged = bool(np.isfinite(requests.deadline_s[chosen]).any())
    shares = _model_shares(requests.model[chosen], status == Status.MET)
    latency_s = requests.latency_s(chosen)
    return {
        "arrived": arrived,
        "met": met,
        "late": late,
        "dropped": count[Status.DROPPED],
        "unfinished": count[Status.UNFINISHED],
        "violation": violation(met, arrived) if judged else None,
        "violation_completed": violation_completed(met, late) if judged else None,
        "latency_s": dict(latency_figures(latency_s, overwrite=True)),
        "latency_arrived_s": _arrived_latency(latency_s, count),
        "goodput_per_s": ratio(met, span[1] - span[0]),
        "jain_models": jain_index(shares) if judged else None,
        "drop_reasons": _drop_reasons(requests.reason[chosen & (requests.status == Status.DROPPED)], result.reasons),
        "late_share": ratio(late, arrived),
        "dropped_share": ratio(count[Status.DROPPED], arrived),
        "min_model_satisfaction": float(shares.min()) if judged else None,
    }


def _arrived_latency(latency_s: Floats, count: dict[Status, int]) -> dict[str, Any]:
    """Return the quantiles over all requests of a class, and what a quantile that does not exist fell among.

    The latencies are overwritten.
    """
    lost = [status.label for status in (Status.DROPPED, Status.UNFINISHED) if count[status]]
    return {**arrived_latency(latency_s, overwrite=True), "beyond": " or ".join(lost) or None}


def _model_shares(model: NDArray[np.int32], met: Mask) -> NDArray[np.float64]:
    """Return the share of met deadlines of each model that was asked for."""
    count = int(model.max(initial=-1)) + 1
    arrived, in_time = np.zeros(count, np.int64), np.zeros(count)
    for rows in blocks(len(model)):
        arrived += np.bincount(model[rows], minlength=count)
        in_time += np.bincount(model[rows], weights=met[rows], minlength=count)
    seen = arrived > 0
    return in_time[seen] / arrived[seen]


def _drop_reasons(reason: NDArray[np.int16], names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(reason[reason >= 0], minlength=len(names))
    return {name: int(count) for name, count in sorted(zip(names, counts, strict=True)) if count}


class _Gpu:
    """The batches of one GPU and the span that its figures are taken over."""

    def __init__(self, result: Result, rows: Rows, executed: tuple[Floats, Floats], span: tuple[float, float]) -> None:
        self._result = result
        self._rows = rows
        self._executed = executed
        self._span = span

    def _begun(self, start_s: Floats) -> Mask:
        """Return which of this GPU's batches began the stage within the span, both ends included."""
        start = start_s[self._rows]
        return np.asarray((start >= self._span[0]) & (start <= self._span[1]))

    def _utilization(self, start_s: Floats, end_s: Floats) -> float | None:
        return self._share(start_s[self._rows], end_s[self._rows])

    def _share(self, start_s: Floats, end_s: Floats) -> float | None:
        share = ratio(busy_s(start_s, end_s, *self._span), self._span[1] - self._span[0])
        return None if share is None else min(share, 1.0)  # a sum of parts may exceed the whole by rounding

    def execution(self) -> dict[str, Any]:
        batches = self._result.batches
        begun = self._begun(batches.execution_start_s)
        count = int(np.count_nonzero(begun))
        return {
            "utilization": self._share(*self._executed),
            "batches": count,
            "mean_batch_size": float(batches.size[self._rows][begun].mean()) if count else None,
            "mean_concurrency": self._concurrency(),
            **self._slowdown(begun),
        }

    def _concurrency(self) -> float | None:
        within = clip(*self._executed, *self._span)
        return ratio(total_s(*within), self._span[1] - self._span[0])

    def _slowdown(self, begun: Mask) -> dict[str, float | None]:
        batches = self._result.batches
        solo_s, start_s, end_s = (
            column[self._rows] for column in (batches.solo_s, batches.execution_start_s, batches.execution_end_s)
        )
        executed_s = None if self._result.pauses is None else self._result.executed_s[self._rows]
        chosen = begun & ~np.isnan(end_s)  # a live run may have been interrupted
        progress = np.empty(np.count_nonzero(chosen))
        for rows, place in pieces(chosen):
            shared_s = end_s[rows] - start_s[rows] if executed_s is None else executed_s[rows]
            progress[place] = normalised_progress(solo_s[rows], shared_s)
        figures = slowdown_figures(progress)
        return {"mean_slowdown": figures["mean"], "max_slowdown": figures["max"]}

    def copies(self) -> dict[str, Any]:
        batches, requests = self._result.batches, self._result.requests
        return {
            "h2d_utilization": self._h2d_utilization(),
            "d2h_utilization": self._utilization(batches.copy_out_start_s, batches.copy_out_end_s),
            "h2d_bytes": self._bytes(requests.bytes_in, batches.copy_in_start_s),
            "d2h_bytes": self._bytes(requests.bytes_out, batches.copy_out_start_s),
            **self._loads(),
        }

    def _h2d_utilization(self) -> float | None:
        """Return the share of the span during which inputs or weights are copied."""
        batches, loads = self._result.batches, self._result.loads
        if loads is None:
            return self._utilization(batches.copy_in_start_s, batches.copy_in_end_s)
        here = self._here()[loads.batch]
        start_s = np.concatenate([batches.copy_in_start_s[self._rows], loads.start_s[here]])
        end_s = np.concatenate([batches.copy_in_end_s[self._rows], loads.end_s[here]])
        return self._share(start_s, end_s)

    def _here(self) -> Mask:
        """Return which batches are on this GPU."""
        here = np.zeros(len(self._result.batches), dtype=bool)
        here[self._rows] = True
        return here

    def _loads(self) -> dict[str, int]:
        """Return how often weights were loaded, and how many bytes, by loads that began within the span."""
        loads = self._result.loads
        if loads is None:
            return {"loads": 0, "load_bytes": 0}
        within = (loads.start_s >= self._span[0]) & (loads.start_s <= self._span[1])
        here = self._here()[loads.batch] & within
        return {"loads": int(here.sum()), "load_bytes": int(loads.weights_bytes[here].sum())}

    def _bytes(self, size: NDArray[np.integer[Any]], start_s: Floats) -> int:
        """Return the bytes of the batches that began this copy within the span."""
        begun = np.zeros(len(start_s) + 1, dtype=bool)  # the last entry stands for batch -1: never dispatched
        begun[:-1][self._rows] = self._begun(start_s)
        return int(size[begun[self._result.requests.batch]].sum())
