"""The table of one or several policies' runs, as `stratsim replay` and `stratsim live` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.cli.text import echo, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["print_draws", "print_summaries"]

_COLUMNS = (
    "policy",
    "class",
    "arrived",
    "late",
    "dropped",
    "unfinished",
    "viol %",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "completed p99",
)
_OF_THE_RUN = ("policy", "met/s", "GPU %", "batch size", "PCIe %")
_FEW_DROPPED = 0.01
"""From this share of a class on, a line says what the percentiles are of."""


def print_summaries(summaries: Sequence[dict[str, Any]], more: Mapping[str, Sequence[str]]) -> None:
    """Print one row per policy and class about its requests, then one per policy about its machine.

    Args:
        summaries: `stratsim.results.summarize` of each run.
        more: Further columns of the second table by name, with a cell per run.
    """
    columns, rows = [*_COLUMNS], [row for summary in summaries for row in _rows(summary)]
    unfinished = columns.index("unfinished")
    if all(row[unfinished] == "0" for row in rows):  # as it should be
        for row in (columns, *rows):
            del row[unfinished]
    table(columns, rows, left=2)
    lost = [each["dropped"] + each["unfinished"] > _FEW_DROPPED * each["arrived"] for each in _classes(summaries)]
    if any(lost):
        echo(
            "p50, p95, p99: of all requests that arrived; one dropped or unfinished counts as infinitely late.\n"
            "completed p99: without those, so it falls as more are dropped (docs/reference/metrics.md)."
        )
    echo()
    machines = zip(summaries, *more.values(), strict=True)
    table((*_OF_THE_RUN, *more), [[*_machine(summary), *extra] for summary, *extra in machines])


def print_draws(drawn: Mapping[str, Any]) -> None:
    """Print in how many draws of the fitted parameters policies compare as they do with the profile as it is."""
    rows = [
        (each["label"], each["figure"], f"{each['better']} < {each['worse']}", f"{each['held']} of {each['draws']}")
        for each in drawn["held"]
    ]
    echo()
    if not rows:
        echo("draws: no two policies differ")
        return
    echo(f"under {drawn['draws']} draws of the contention as calibrated: does the order hold? (latencies: of answers)")
    table(("class", "figure", "better", "holds in"), rows, left=3)


def _classes(summaries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [figures for summary in summaries for figures in summary["classes"].values()]


def _rows(summary: dict[str, Any]) -> Iterator[list[str]]:
    for label, figures in summary["classes"].items():
        latency = figures["latency_arrived_s"]
        yield [
            summary["policy"] if label == "high" else "",
            label,
            *(str(figures[key]) for key in ("arrived", "late", "dropped", "unfinished")),
            _figure(figures["violation"], 100.0, 2),
            *(latency["beyond"] or "-" if latency[key] is None else _ms(latency[key]) for key in ("p50", "p95", "p99")),
            _ms(figures["latency_s"]["p99"]),
        ]


def _machine(summary: dict[str, Any]) -> list[str]:
    """Return the policy, and what the classes have in common: goodput, utilisations, batches."""
    met = [figures["goodput_per_s"] for figures in summary["classes"].values()]
    gpu = _mean([entry["utilization"] for entry in summary["gpu"]])
    # The busier direction of each link; nothing is known of a run without a span (all dropped at one instant, say).
    links = [(entry["h2d_utilization"], entry["d2h_utilization"]) for entry in summary["pcie"]]
    pcie = _mean([None if None in link else max(link) for link in links])
    return [
        summary["policy"],
        _figure(None if None in met else sum(met), 1.0, 1),
        _figure(gpu, 100.0, 1),
        _figure(_batch_size(summary["gpu"]), 1.0, 2),
        _figure(pcie, 100.0, 1),
    ]


def _batch_size(gpus: Sequence[dict[str, Any]]) -> float | None:
    """Return the mean size of all batches."""
    batches = sum(entry["batches"] for entry in gpus)
    return sum(entry["batches"] * (entry["mean_batch_size"] or 0.0) for entry in gpus) / batches if batches else None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ms(value: float | None) -> str:
    return _figure(value, 1e3, 2)


def _figure(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{value * scale:.{digits}f}"
