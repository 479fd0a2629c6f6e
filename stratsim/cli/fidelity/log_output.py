"""What the commands that read the log of a server print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.cli.fidelity.output import describe_executions, milli, percent, show_overheads, signed
from stratsim.cli.text import echo, heading, number, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.fidelity.calibrate import Learned
    from stratsim.fidelity.calibrate.trips import Trips

__all__ = ["show_judged", "show_learned", "show_log"]


def show_log(found: Mapping[str, Any]) -> None:
    """Print what a log holds."""
    rate = "" if found["rate_per_s"] is None else f", {number(found['rate_per_s'])} per second"
    echo(f"{found['kind']}: {found['requests']} requests in {number(found['span_s'])} s{rate}")
    echo(f"answered: {found['answered']}")
    rows = [
        (name, str(own["requests"]), *(milli(own[key]) for key in ("p50", "p95", "p99")))
        for name, own in found["models"].items()
    ]
    table(("model", "requests", "p50 ms", "p95", "p99"), rows, left=1)
    batches = found["batches"]
    if batches is None:
        echo("batches: none in the log")
    else:
        sizes = ", ".join(f"{size}: {count}" for size, count in batches["sizes"].items())
        echo(f"batches: {batches['n']}, of {number(batches['mean_size'])} requests on average ({sizes})")
        table(
            ("median ms", *batches["median_s"]),
            [("", *(milli(value) for value in batches["median_s"].values()))],
            left=1,
        )
    for text in found["cannot"]:
        echo(f"not in it: {text}")
    for note in found["notes"]:
        echo(f"note: {note}", err=True)


def show_judged(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print how far replays are from a run, a column for each of them.

    Args:
        found: Of `judge_run`, by what stands above the column.
    """
    first = next(iter(found.values()))
    rows = [
        (
            f"{name} latency, ms",
            milli(first["live"][name]),
            *(text for own in found.values() for text in _latency(own, name)),
        )
        for name in ("p50", "p95", "p99", "mean")
    ]
    rows.append(("single requests, median", "", *(text for own in found.values() for text in _single(own))))
    if first["stages"] is not None:
        rows += [
            (
                f"{stage.replace('_', '-')}, ms",
                milli(first["stages"][stage]["live_s"]),
                *(text for own in found.values() for text in _stage(own, stage)),
            )
            for stage in first["stages"]
        ]
    columns = [text for name in found for text in (name or "simulated", "error")]
    table((f"{first['n']} requests", "log", *columns), rows, left=1)


def _latency(own: Mapping[str, Any], name: str) -> tuple[str, str]:
    return milli(own["simulated"][name]), _judged(signed(own["differences"][name]), own, name)


def _single(own: Mapping[str, Any]) -> tuple[str, str]:
    return "", percent(own["request_err_median"])


def _stage(own: Mapping[str, Any], stage: str) -> tuple[str, str]:
    found = own["stages"][stage]
    return milli(found["simulated_s"]), _judged(percent(found["error"]), own, stage)


def _judged(error: str, own: Mapping[str, Any], name: str) -> str:
    verdict = own["verdicts"].get(name)
    return error if verdict is None else f"{error}, {verdict}"


def show_learned(learned: Learned) -> None:
    """Print what a log said of the device."""
    if learned.trips is not None:
        _show_trips(learned.trips)
        return
    heading("Executions, over what the profile has")
    rows = [
        (
            each.model,
            str(each.size),
            milli(each.profile_s),
            str(each.n),
            "alone" if each.alone else "any",
            *(f"{value:.3f}" for value in (each.value, each.low, each.high)),
        )
        for each in learned.factors
    ]
    table(("model", "batch", "profile ms", "n", "of", "factor", "low", "high"), rows, left=1)
    heading("Copies")
    rows = [
        (
            each.direction,
            str(each.n),
            *(_link(link) for link in (each.before, each.link)),
        )
        for each in learned.copies
    ]
    table(("direction", "copies", "before", "measured"), rows, left=1)
    heading("The host")
    show_overheads([each._asdict() for each in learned.overheads])
    for line in describe_executions(learned):
        echo(line)


def _link(link: Any) -> str:
    return "-" if link is None else f"{1e6 * link.alpha_s:.1f} us + bytes / {link.bytes_per_s / 1e9:.3g} GB/s"


def _show_trips(trips: Trips) -> None:
    rows = []
    for name, factor in trips.factors.items():
        low, high = trips.intervals.get(name, (None, None))
        rows.append((name, f"{factor:.3f}", *("-" if each is None else f"{each:.3f}" for each in (low, high))))
    table(("model", "solo times x", "low", "high"), rows, left=1)
    if trips.constant_interval_s is None:
        echo(
            "constant of every latency: 0, as it cannot be told from the factors: requests hardly waited for each other"
        )
    else:
        low_s, high_s = trips.constant_interval_s
        echo(f"constant of every latency: {milli(trips.constant_s)} ms [{milli(low_s)}, {milli(high_s)}]")
    for text in ("single batch sizes", "copies", "co-location and scatter", "what the host takes between batches"):
        echo(f"not in latencies, left as it was: {text}")
