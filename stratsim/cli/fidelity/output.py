"""What the commands of `stratsim fidelity` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.cli.text import echo, heading, number, table
from stratsim.fidelity.levels.judge import JUDGED_STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.fidelity.calibrate import Calibrated, Drift, Learned, Served

__all__ = ["describe_executions", "milli", "percent", "show_overheads", "show_report", "show_served", "signed"]

_FEW = 12
"""Co-locations that are printed; all of them are in the JSON."""


def show_report(report: Mapping[str, Any]) -> None:
    """Print a report: every cell at every level, then what they have in common."""
    cells = report["cells"]
    _stages(cells)
    _latencies(report["served"])
    _end_to_end(cells)
    _classes(cells)
    _device(cells)
    _rankings(report["rankings"])
    _slowdowns(cells)
    _service(cells)
    _executor(cells)
    median = report["median"]
    echo()
    echo(
        f"median over {len(cells)} cells: p50 {percent(median['p50_err'])}, p95 {percent(median['p95_err'])}, "
        f"p99 {percent(median['p99_err'])}, violations {_points(median['violation_diff_pp'])} pp, "
        f"execution {percent(median['execution_err'])}"
    )
    for note in report["notes"]:
        echo(f"note: {note}", err=True)


def _executor(cells: Sequence[Mapping[str, Any]]) -> None:
    """Print what was measured of the host in each cell: overheads by columns, and what the executor says of itself."""
    heading("The host, live (us): overheads, medians of the first repeat; the executor itself, median and p99")
    rows = [
        (
            *_name(cell),
            *(_micro(each["value_s"]) for each in cell["overheads"]),
            *(f"{_micro(spread['median'])}/{_micro(spread['p99'])}" for spread in cell["executor"].values()),
        )
        for cell in cells
    ]
    columns = ("load", "policy", "dispatch", "launch", "notice", "collect")
    table((*columns, "admitted late", "decide", "submit", "seen after"), rows, left=2)


def show_overheads(overheads: Sequence[Mapping[str, Any]]) -> None:
    """Print what the host adds."""
    rows = [
        (each["name"], each["source"], *(_micro(each[key]) for key in ("value_s", "low_s", "high_s")), str(each["n"]))
        for each in overheads
    ]
    table(("overhead", "from", "median us", "low", "high", "batches"), rows, left=2)


def describe_executions(found: Calibrated | Learned) -> list[str]:
    """Return a line each for what was learned of contention and of the scatter of executions."""
    lines = []
    if found.contention is not None:
        (before, after), served = found.contention.error, found.contention.served
        lines.append(
            f"contention: median error of {found.contention.n} executions {before:.1%}, {after:.1%} with factors by "
            f"model and size and {1e6 * served.start_s:.0f} us for every start"
        )
    if found.scatter is not None:
        own = ", ".join(f"{name} {cv:.1%}" for name, cv in found.scatter.by_model.items())
        lines.append(f"executions scatter by {found.scatter.cv:.1%} about that ({own})")
    return lines


def show_served(rows: Sequence[Served], drift: Drift | None) -> None:
    """Print how long executions take where they are served, and how steady the device was."""
    cells = [
        (
            row.model,
            str(row.size),
            str(row.n),
            milli(row.profile_s),
            *(milli(value) for value in (row.mean_s, row.low_s, row.high_s, row.median_s)),
            *(percent(value) for value in (row.cv, row.drift)),
        )
        for row in rows
    ]
    titles = ("model", "batch", "alone", "profile ms", "served ms", "low", "high", "median", "variation", "drift")
    table(titles, cells, left=1)
    if drift is not None:
        echo(_drift(drift._asdict()))


def _latencies(served: Mapping[str, Any]) -> None:
    """Print the latencies by the profile, by the calibration, and in the runs judged."""
    heading("Executions alone (ms): the profile as it was, the calibration, what judges, and the runs judged; 95 %")
    rows = [
        (
            f"{row['model']} x{row['size']}",
            milli(row["profile_s"]),
            *_alone(row["calibration"], row["profile_s"]),
            milli(row["judged_by_s"]),
            *_alone(row["runs"], row["judged_by_s"]),
        )
        for row in served["rows"]
    ]
    columns = ("n", "mean", "low", "high", "median", "variation", "off")
    table(("batch", "profile", *columns, "judged by", *columns), rows, left=1)
    if served["calibration"] is not None and served["calibration"]["drift"] is not None:
        echo(f"calibration: {_drift(served['calibration']['drift'])}")


def _alone(found: Mapping[str, Any] | None, against_s: float) -> tuple[str, ...]:
    if found is None:
        return ("0", *["-"] * 6)
    mean_s = found["mean_s"]
    return (
        str(found["n"]),
        *(milli(found[name]) for name in ("mean_s", "low_s", "high_s", "median_s")),
        percent(found["cv"]),
        signed(None if mean_s is None else mean_s / against_s - 1),
    )


def _drift(drift: Mapping[str, Any]) -> str:
    change, low, high = (signed(drift[name]) for name in ("change", "low", "high"))
    return f"drift, second half over first: {change} [{low}, {high}], {drift['n']} executions"


def _stages(cells: Sequence[Mapping[str, Any]]) -> None:
    heading("Level 1: the live run's own batches, one step ahead; accumulated: a forced replay's error, not judged")
    rows = [
        (
            *_name(cell),
            stage,
            cell["verdicts"]["stages"][stage],
            str(found["n"]),
            percent(found["share"]),
            percent(found["off"]),
            milli(found["live_s"]),
            milli(found["simulated_s"]),
            *(percent(found[key]) for key in ("error", "error_p90", "median", "bias")),
            percent(cell["accumulated"][stage]["error"]),
        )
        for cell in cells
        for stage, found in cell["stages"].items()
        if stage in JUDGED_STAGES
    ]
    columns = ("load", "policy", "stage", "verdict", "batches", "share", "off", "live ms", "simulated", "error", "p90")
    table((*columns, "median", "bias", "accumulated"), rows, left=4)


def _end_to_end(cells: Sequence[Mapping[str, Any]]) -> None:
    heading("Level 2: the simulator left to itself on the same arrivals")
    rows = []
    for cell in cells:
        difference, floor = cell["differences"]["all"], cell["floor"]["all"]
        figures = [text for name in ("p50", "p95", "p99") for text in (signed(difference[name]), percent(floor[name]))]
        requests = (percent(cell["request_err_median"]), percent(cell["request_err_p90"]), str(cell["one_sided"]))
        rows.append((*_name(cell), cell["verdict"], str(cell["repeats"]), *figures, *requests))
    columns = ("load", "policy", "verdict", "repeats", "p50", "floor", "p95", "floor", "p99", "floor")
    table((*columns, "request", "p90", "one-sided"), rows, left=3)


def _classes(cells: Sequence[Mapping[str, Any]]) -> None:
    heading("By class")
    rows = [
        (
            *_name(cell),
            label,
            ", ".join(f"{name} {verdict}" for name, verdict in cell["verdicts"]["end_to_end"][label].items()),
            signed(found["p50"]),
            signed(found["p95"]),
            percent(cell["live"][label]["violation"]),
            percent(cell["simulated"][label]["violation"]),
            _points(found["violation_pp"]),
            _points(cell["floor"][label]["violation_pp"]),
        )
        for cell in cells
        for label, found in cell["differences"].items()
    ]
    columns = ("load", "policy", "class", "verdicts", "p50", "p95", "viol live", "simulated", "diff pp", "floor pp")
    table(columns, rows, left=4)


def _device(cells: Sequence[Mapping[str, Any]]) -> None:
    heading("The device")
    rows = [
        (
            *_name(cell),
            *(number(cell[way]["busy_s"]) for way in ("live", "simulated")),
            *(number(cell[way]["mean_batch_size"]) for way in ("live", "simulated")),
        )
        for cell in cells
    ]
    table(("load", "policy", "busy s live", "simulated", "batch size live", "simulated"), rows, left=2)


def _rankings(rankings: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            number(ranking["load"]),
            metric["metric"],
            " < ".join(metric["live"]),
            " < ".join(metric["simulated"]),
            f"{pair['policies'][0]} - {pair['policies'][1]}",
            _kept(pair),
            *(_difference(pair[key], metric["metric"]) for key in ("live", "low", "high", "simulated")),
        )
        for ranking in rankings
        for metric in ranking["metrics"]
        for pair in metric["pairs"]
    ]
    if rows:
        heading("Level 3: policies against each other (latency ms, violations pp; per request, 95 % interval)")
        columns = ("load", "figure", "live rank", "simulated rank", "difference", "preserved", "live", "low", "high")
        table((*columns, "simulated"), rows, left=6)


def _kept(pair: Mapping[str, Any]) -> str:
    if not pair["preserved"]:
        return "no"
    return "yes" if pair["significant"] else "alike live"


def _slowdowns(cells: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (
            *_name(cell),
            f"{row['model']} x{row['size']}",
            row["company"],
            str(row["n"]),
            number(row["measured"]),
            number(row["predicted"]),
            signed(row["error"]),
        )
        for cell in cells
        for row in cell["slowdowns"]
        if row["company"] != "alone"
    ]
    if rows:
        heading(f"Slowdowns by co-location (the {min(len(rows), _FEW)} most frequent of {len(rows)})")
        rows = sorted(rows, key=lambda row: -int(row[4]))[:_FEW]
        table(("load", "policy", "batch", "beside", "n", "measured", "predicted", "error"), rows, left=4)


def _service(cells: Sequence[Mapping[str, Any]]) -> None:
    heading("Service bias, and what queueing makes of it (live over simulated)")
    rows = [
        (
            *_name(cell),
            signed(cell["service"]["bias"]),
            signed(cell["service"]["latency"]),
            *(number(cell["service"][key], 3) for key in ("amplification", "expected", "pole")),
        )
        for cell in cells
    ]
    table(("load", "policy", "service", "mean latency", "amplification", "M/D/1", "1/(1-load)"), rows, left=2)


def _name(cell: Mapping[str, Any]) -> tuple[str, str]:
    return number(cell["load"]), cell["policy"]


def percent(value: float | None) -> str:
    """Return a share in per cent; a dash where it is not known."""
    return "-" if value is None else f"{100 * value:.1f} %"


def signed(value: float | None) -> str:
    """Return a relative difference in per cent, with its sign; a dash where it is not known."""
    return "-" if value is None else f"{100 * value:+.1f} %"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def milli(value: float | None) -> str:
    """Return a time in milliseconds; a dash where it is not known."""
    return "-" if value is None else number(1e3 * value)


def _micro(value: float | None) -> str:
    return "-" if value is None else f"{1e6 * value:.0f}"


def _difference(value: float, metric: str) -> str:
    return f"{1e3 * value:+.2f}" if metric == "latency" else f"{100 * value:+.2f}"
