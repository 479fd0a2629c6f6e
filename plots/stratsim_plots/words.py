"""What figures call metrics and axes: words with units, in one table for all kinds."""

from __future__ import annotations

from typing import NamedTuple

from stratsim_plots.series import CLASSES

__all__ = ["Word", "axis_title", "word"]


class Word(NamedTuple):
    """What a metric is called.

    Args:
        title: In words, without its class.
        unit: What it is shown in; empty for a plain number.
        factor: From the unit of the tables to that one.
        level: The class whose metric it is: `high` or `low`; empty where it is of no class.
        most: The largest value that can be, in the unit of the tables; None: there is none.
    """

    title: str
    unit: str = ""
    factor: float = 1.0
    level: str = ""
    most: float | None = None

    def axis(self, title: str | None = None) -> str:
        """Return the title of an axis, with the unit."""
        return f"{title or self.title}{f' ({self.unit})' if self.unit else ''}"


_SHARE = ("%", 100.0, "", 1.0)
_METRICS = {
    "arrived": Word("Requests that arrived"),
    "late": Word("Late requests"),
    "dropped": Word("Dropped requests"),
    "dropped_voluntary": Word("Dropped, could still have met their deadline"),
    "unfinished": Word("Unfinished requests"),
    "violation": Word("Violations", *_SHARE),
    "violation_completed": Word("Violations of completed requests", *_SHARE),
    "goodput_per_s": Word("Goodput", "requests/s"),
    "jain_models": Word("Jain's index of models", most=1.0),
    "jain_classes": Word("Jain's index of classes", most=1.0),
    "min_model_satisfaction": Word("Met, worst model", *_SHARE),
    "mean_slowdown": Word("Mean slowdown"),
    "max_slowdown": Word("Largest slowdown"),
    "progress": Word("Mean normalised progress"),
    "starvation_s": Word("Longest wait for a completion", "s"),
    "utilization": Word("GPU utilisation", *_SHARE),
    "h2d_utilization": Word("Utilisation of the link to the GPU", *_SHARE),
    "d2h_utilization": Word("Utilisation of the link to the host", *_SHARE),
    "mean_batch_size": Word("Mean batch size", "requests"),
    "mean_concurrency": Word("Mean batches at once"),
    **{f"p{q}_s": Word(f"p{q} latency of completed requests", "ms", 1e3) for q in (50, 95, 99)},
    **{f"p{q}_arrived_s": Word(f"p{q} latency of all arrived requests", "ms", 1e3) for q in (50, 95, 99)},
}
"""By name in the tables, without the class; docs/reference/metrics.md defines each."""
_AXES = {
    "load": "Offered load",
    "max_concurrency": "Batches at once on a GPU (C)",
    "max_batch": "Largest batch (requests)",
    "gpus": "GPUs",
    "cv": "Coefficient of variation of the gaps",
    "policy": "Policy",
    "workload.priority.high_share": "Share of high-priority requests",
    "uplink_bytes_per_s": "Uplink (bytes/s)",
}
_LOADS = {
    "load": "Offered load (share of batch-1 saturation)",
    "batch-1": "Offered load (share of batch-1 saturation)",
    "saturation": "Offered load (share of the saturation at the best batch)",
    "requests/s": "Arrival rate (requests/s)",
}


def word(metric: str) -> Word:
    """Return what a metric of the tables is called, such as `high_p99_s`; one without words is called by its name."""
    level = next((name for name in CLASSES if metric.startswith(f"{name}_")), "")
    base = metric.removeprefix(f"{level}_") if level else metric
    found = _METRICS.get(base) or Word(_spelled(base))
    return found._replace(level=level)


def axis_title(name: str, unit: str | None = None) -> str:
    """Return the title of an axis that is a setting of the runs; of a load with the unit that is known."""
    if name == "load" and unit:
        return _LOADS.get(unit, _AXES["load"])
    return _AXES.get(name) or _spelled(name.rpartition(".")[2])


def _spelled(name: str) -> str:
    """Return a name as words: `per_s` and `_s` at its end are units."""
    for end, unit in (("_bytes_per_s", " (bytes/s)"), ("_per_s", " (1/s)"), ("_s", " (s)")):
        if name.endswith(end):
            return _spelled(name.removesuffix(end)) + unit
    return (name[:1].upper() + name[1:]).replace("_", " ")
