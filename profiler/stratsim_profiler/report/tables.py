"""The tables of a report as rows of text, the head first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim_profiler.fit.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stratsim_profiler.fit.assumptions import MeanTest
    from stratsim_profiler.fit.summary import Sharing, Summary
    from stratsim_profiler.fit.transfers import TransferFit
    from stratsim_profiler.samples import Header

__all__ = ["assumption_rows", "copy_rows", "discarded_rows", "environment_rows", "solo_rows", "stressor_rows"]

Rows = list[tuple[str, ...]]


def environment_rows(header: Header) -> Rows:
    """Return the device, the software and the settings, nested entries with dots in their names."""
    rows: Rows = [("what", "value")]
    for section in (header.device, header.environment, header.settings):
        rows += [(name, value) for name, value in _flat(section) if value]
    return rows


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{prefix}{key}", str(value)


def solo_rows(summary: Summary) -> Rows:
    """Return each load alone: time, spread, tail, and who sets the pace."""
    rows: Rows = [
        ("load", "median ms", "p99 ms", "CV (robust)", "CV (all)", "samples", "enqueue / time", "launch-bound")
    ]
    for load, found in summary.measured.solo.items():
        enqueue = "-" if found.enqueue_s is None else f"{found.enqueue_s / found.seconds:.2f}"
        times = (f"{found.seconds * 1e3:.4g}", f"{found.p99_s * 1e3:.4g}", percent(found.cv), percent(found.cv_all))
        rows.append((str(load), *times, str(found.count), enqueue, "yes" if found.launch_bound else ""))
    return rows


def copy_rows(transfers: TransferFit) -> Rows:
    """Return what copies do to each other and to kernels."""
    rows: Rows = [("copies together", "finding")]
    for direction, engines in transfers.engines.items():
        spans = ", ".join(f"{count}: {count * ratio:.2f}" for count, ratio in engines.makespan.items())
        firsts = ", ".join(f"{count}: {ratio:.2f}" for count, ratio in engines.first.items())
        text = f"{engines.sharing}; until the last ends, in times of one, by number: {spans}; until the first: {firsts}"
        rows.append((f"{direction}, same direction", text))
    if transfers.duplex is not None:
        each = ", ".join(f"{side} keeps {share:.0%}" for side, share in transfers.duplex_by_direction.items())
        rows.append(("both directions", f"{transfers.duplex:.2f} of the sum of the rates alone; {each}"))
    for found in transfers.beside:
        kernel = "" if found.kernel_slowdown is None else f", the kernel {found.kernel_slowdown:.2f} times"
        text = f"the copy takes {found.copy_slowdown:.2f} times as long{kernel}"
        rows.append((f"{found.direction} beside {found.stressor}", text))
    return rows


def assumption_rows(sharing: Sharing) -> Rows:
    """Return the tests of what the model assumes."""
    rows: Rows = [("assumption", "finding", "cells", "verdict")]
    rows += [
        _test_row(f"device fully used when saturated, {count} streams", test)
        for count, test in sharing.saturated.items()
    ]
    if sharing.below is not None:
        rows.append(_test_row("full speed below saturation", sharing.below))
    if sharing.terms is not None:
        terms = sharing.terms
        found = (
            f"sub-saturation {terms.terms.sub_saturation:.3g}, thrash {terms.terms.thrash:.3g}, p = {terms.p_value:.2g}"
        )
        rows.append(("no global term needed", found, "", "violated" if terms.needed else "holds"))
    if sharing.clock is not None:
        found = f"exponent {sharing.clock[0]:.2f}, p = {sharing.clock[1]:.2g}"
        rows.append(
            ("slowdown independent of the clock", found, "", "violated" if sharing.clock[1] < 0.01 else "holds")
        )
    if sharing.uncapped is not None:
        found = f"mean error of a fit without the power-capped cells: {percent(sharing.uncapped.mean)}"
        rows.append(("power-capped cells kept", found, str(sharing.capped_cells), ""))
    values = ", ".join(f"{value:.3g}" for value in sharing.singular_values)
    rows.append(("singular values of the Jacobian, in residual deviations", values, "", ""))
    return rows


def _test_row(name: str, test: MeanTest) -> tuple[str, ...]:
    low, high = test.interval
    found = f"mean deviation {test.mean:+.1%}, 95 % interval {low:+.1%} to {high:+.1%}"
    return name, found, str(test.count), "violated" if test.violated else "holds"


def stressor_rows(summary: Summary) -> Rows:
    """Return each load with each stressor."""
    rows: Rows = [("load", "stressor", "level", "sensitivity", "pressure")]
    rows += [
        (str(r.load), r.kind, f"{r.level:g}", f"{r.sensitivity:.2f}", percent(r.pressure)) for r in summary.responses
    ]
    return rows


def discarded_rows(summary: Summary) -> Rows:
    """Return what was thrown away while measuring, and why."""
    rows: Rows = [("cell", "reason", "what was seen", "attempt")]
    rows += [(record.cell, record.reason, record.detail, str(record.attempt)) for record in summary.measured.discarded]
    return rows
