"""A fit in plain text, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.fit.identify import Interval
    from stratsim.fit.queue import QueueFit
    from stratsim.fit.scores import Score
    from stratsim_profiler.fit import FitResult
    from stratsim_profiler.fit.summary import Sharing
    from stratsim_profiler.fit.transfers import TransferFit

__all__ = ["columns", "error_rows", "lines", "link_rows", "parameter_tables", "percent"]


def lines(result: FitResult) -> Iterator[str]:
    """Yield the lines of the summary: verdict, links, parameters, errors, warnings."""
    summary = result.summary
    yield summary.verdict
    yield from _section(
        "Copies alone: fixed cost and rate, with 95 % confidence intervals", link_rows(summary.transfers)
    )
    yield from _copies(summary.transfers)
    if summary.sharing is not None:
        for title, rows in parameter_tables(summary.sharing):
            yield from _section(title, rows)
        yield from _section("Errors of the execution time, and of what co-location costs", error_rows(summary.sharing))
    if result.warnings:
        yield ""
        yield "Beware"
        yield from (f"  - {warning}" for warning in result.warnings)


def _section(title: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if len(rows) > 1:
        yield ""
        yield title
        yield from columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows of cells as aligned lines; the first column is text, the others are figures."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(cells).rstrip()


def percent(value: float | None) -> str:
    """Return a share as a percentage, a dash where it is not known."""
    return "-" if value is None or value != value else f"{value:.1%}"


def link_rows(transfers: TransferFit) -> list[tuple[str, ...]]:
    """Return a table of the fitted links, its head first."""
    rows: list[tuple[str, ...]] = [("link", "alpha us", "interval", "GB/s", "interval", "median error", "sizes")]
    for memory, links in (("pinned", transfers.pinned), ("pageable", transfers.pageable)):
        for direction, fit in links.items():
            low, high = fit.alpha_s_interval
            slow, fast = fit.bytes_per_s_interval
            rows.append(
                (
                    f"{direction} {memory}",
                    f"{fit.alpha_s * 1e6:.2f}",
                    f"{low * 1e6:.2f}..{high * 1e6:.2f}",
                    f"{fit.bytes_per_s / 1e9:.2f}",
                    f"{slow / 1e9:.2f}..{fast / 1e9:.2f}",
                    percent(fit.median_error),
                    str(len(fit.seconds)),
                )
            )
    return rows


def _copies(transfers: TransferFit) -> Iterator[str]:
    for direction, engines in transfers.engines.items():
        most = max(engines.makespan)
        yield (
            f"  {most} copies {direction} at once: {engines.sharing}, "
            f"{engines.makespan[most] * most:.2f} times the time of one"
        )
    if transfers.duplex is not None:
        together = f"{transfers.duplex:.2f} of the sum of their rates, H2D {transfers.h2d_share:.2f} of it"
        yield f"  both directions at once: {together}"
    for found in transfers.beside:
        kernel = "" if found.kernel_slowdown is None else f", kernel {found.kernel_slowdown:.2f}"
        yield f"  {found.direction} copy beside {found.stressor}: copy {found.copy_slowdown:.2f}{kernel} times as long"


def parameter_tables(sharing: Sharing) -> list[tuple[str, list[tuple[str, ...]]]]:
    """Return (title, table with its head first) of the parameters of each rule, the profile's own rule first."""
    tables = [("streams", "`streams`, with 95 % profile-likelihood intervals", _streams_rows(sharing))]
    if sharing.queue is not None:
        title = "`kernel-queue`, with 95 % profile-likelihood intervals"
        tables.append(("kernel-queue", title, _queue_rows(sharing.queue, sharing.queue_intervals)))
    tables.sort(key=lambda table: table[0] != sharing.rule)
    return [(title, rows) for _, title, rows in tables]


def _queue_rows(fit: QueueFit, intervals: Sequence[Interval]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("model", "kernel us", "hold", "interval", "not identified")]
    for found in intervals:
        name = f"all: {found.kind}{', us' if found.kind == 'gap' else ''}" if found.load is None else str(found.load)
        length = "" if found.load is None else f"{fit.queue.length_s[found.load] * 1e6:.2f}"
        span = f"{found.low:.3f}..{found.high:.3f}"
        rows.append((name, length, f"{found.value:.3f}", span, "" if found.identified else found.kind))
    return rows


def _streams_rows(sharing: Sharing) -> list[tuple[str, ...]]:
    found = {(interval.kind, interval.load): interval for interval in sharing.intervals}
    rows: list[tuple[str, ...]] = [("model", "demand", "interval", "weight", "interval", "not identified")]
    for load in sharing.fit.loads:
        demand, weight = found["demand", load], found.get(("weight", load))
        unknown = [found.kind for found in (demand, weight) if found is not None and not found.identified]
        rows.append(
            (
                str(load),
                f"{demand.value:.3f}",
                f"{demand.low:.3f}..{demand.high:.3f}",
                "1 (anchor)" if weight is None else f"{weight.value:.3g}",
                "" if weight is None else f"{weight.low:.2g}..{weight.high:.2g}",
                ", ".join(unknown),
            )
        )
    return rows


def error_rows(sharing: Sharing) -> list[tuple[str, ...]]:
    """Return a table of the errors, its head first."""
    rows: list[tuple[str, ...]] = [("judged on: model", "slowdowns", "mean", "median", "worst", "of slowdown - 1")]
    rows += [(f"{row.split}: {row.predictor}", *_cells(row.score)) for row in sharing.rows]
    rows += [(f"batch size left out: {law}", *_cells(found)) for law, found in sharing.law_scores.items()]
    return rows


def _cells(found: Score | None) -> tuple[str, ...]:
    if found is None:
        return ("0", "-", "-", "-", "-")
    return (str(found.count), *(percent(value) for value in (found.mean, found.median, found.worst, found.excess)))
