"""`stratsim fidelity calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.cli.fidelity.log_options import load_log, named, run_of, scheduled
from stratsim.cli.text import echo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.fidelity.held_out import HeldOut
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["calibrate"]


_EXAMPLES = """\b
Examples:
  stratsim fidelity calibrate trace.json --profile my-gpu.json --policy triton --out calibrated.json
  stratsim fidelity calibrate profile_export.jsonl --model resnet50 --profile my-gpu.json --policy fifo --out c.json
  stratsim fidelity calibrate results/live-fifo --profile my-gpu.json --out my-gpu-calibrated.json
  stratsim fidelity calibrate results/live-fifo --learn 0.5 --out my-gpu-calibrated.json
  stratsim fidelity calibrate results/alone --profile my-gpu.json --latencies --out my-gpu-served.json
  stratsim fidelity results/live --profile my-gpu-calibrated.json
"""


@click.command("calibrate", epilog=_EXAMPLES)
@click.argument("source", metavar="LOG|DIR", type=click.Path(path_type=Path))
@click.option("--out", metavar="FILE", required=True, type=click.Path(path_type=Path), help="Where the profile goes.")
@named
@scheduled
@click.option(
    "--learn",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Learn from so much of the requests, judge on the rest. [default: 0.5 of a log, all of a live run]",
)
@click.option("--latencies", is_flag=True, help="Take latencies and their variation, of batches that executed alone.")
@click.option("--json", "as_json", is_flag=True, help="Print what is judged as one JSON object, and nothing else.")
@click.option("--overwrite", is_flag=True, help="Replace an older file.")
def calibrate(
    source: Path,
    out: Path,
    model: str | None,
    names: dict[str, str],
    profile: str | None,
    policy: str | None,
    config: str | None,
    settings: tuple[str, ...],
    learn: float | None,
    latencies: bool,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Measure what a server adds to a profile's figures, and write a copy of the profile with it.

    LOG is what `stratsim fidelity observe` reads; how its server scheduled is not in it, and --policy says what comes
    nearest. From its first half come solo times, copies and what the host adds, or, where it knows no batches, a factor
    per model and a constant; with both profiles the second half is replayed and compared.

    DIR is a live run. All of it, or with --learn a part, gives what the host adds, what corrects the contention of the
    device model, and the scatter that is left: `truth.host`, `truth.kernel_queue.served`, `truth.noise_cv` and
    `truth.noise_cvs`. Or, with --latencies, how long executions take where they are served: each model and batch size
    of which at least 20 batches executed alone.

    What was calibrated with is spent: a profile refuses to be judged by it.
    """
    from stratsim.errors import SpecError
    from stratsim.fidelity.held_out import calibrate_run
    from stratsim.model.codec import load_profile
    from stratsim.model.write import check_out, write_profile

    check_out(out, overwrite=overwrite)
    if source.is_dir() or source.with_name(source.name + ".partial").is_dir():
        given = {"--policy": policy, "--config": config, "--set": settings, "--model": model, "--name": names}
        _refuse(given, "belongs to the log of a server that is not ours: a live run says itself how it was run")
        run = _only_run(source)
        known = load_profile(profile or run.spec.profile)
        if learn is None or latencies:
            if latencies and learn is not None:
                raise SpecError("--latencies takes all of a live run: leave --learn out")
            _refuse({"--json": as_json}, "says what is judged: with --learn, as else all of a live run is learned from")
            _whole(run, known, out, latencies=latencies, overwrite=overwrite)
            return
        log = None
    else:
        _refuse({"--latencies": latencies}, "belongs to a live run: of a log latencies are taken wherever they can be")
        log = load_log(source, model, names)
        run, known = run_of(log, profile, policy, config, settings)
    found = calibrate_run(run, known, learn or 0.5, log)
    notes = [] if log is None else [*log.notes, *_odd(run)]
    for note in notes:
        echo(f"note: {note}", err=True)
    write_profile(found.learned.profile, out, overwrite=overwrite)
    _show(found, out, as_json=as_json)


def _odd(run: Recorded) -> list[str]:
    """Return a note on executions that are left out, if there are any."""
    from stratsim.fidelity.calibrate.factors import odd_executions

    count = int(odd_executions(run).sum())
    why = "over ten times the median of their model and size: nothing is learned from them (did the clock jump?)"
    return [f"{count} executions of {len(run.result.batches)} took {why}"] if count else []


def _refuse(given: Mapping[str, object], why: str) -> None:
    from stratsim.errors import SpecError

    for name, value in given.items():
        if value:
            raise SpecError(f"{name} {why}")


def _only_run(directory: Path) -> Recorded:
    from stratsim.errors import SpecError
    from stratsim.fidelity.record import read_runs

    runs = read_runs(directory)
    if len(runs) > 1:
        raise SpecError(f"{directory}: holds runs of {len(runs)} policies; calibrate with a run of one")
    return runs[0]


def _whole(run: Recorded, known: Profile, out: Path, *, latencies: bool, overwrite: bool) -> None:
    """Calibrate with all of a live run."""
    from stratsim.cli.fidelity.output import describe_executions, show_overheads, show_served
    from stratsim.fidelity.calibrate import calibrated, measure_drift, with_served
    from stratsim.model.write import write_profile

    if latencies:
        made, rows = with_served(known, run)
        write_profile(made, out, overwrite=overwrite)
        show_served(rows, measure_drift(run.result))
    else:
        found = calibrated(known, [run])
        write_profile(found.profile, out, overwrite=overwrite)
        show_overheads([each._asdict() for each in found.overheads])
        for line in describe_executions(found):
            echo(line)
    echo(f"written to {out}")


def _show(found: HeldOut, out: Path, *, as_json: bool) -> None:
    from stratsim.cli.fidelity.log_output import show_judged, show_learned
    from stratsim.cli.text import heading

    if as_json:
        document = {"learned_from": found.requests[0], "judged_by": found.requests[1], "until_s": found.until_s}
        echo(json.dumps(document | {"before": found.before, "after": found.after}, allow_nan=False))
        return
    echo(f"learned from the first {found.requests[0]} requests")
    show_learned(found.learned)
    heading(f"Judged on the other {found.requests[1]} requests")
    show_judged({"before": found.before, "after": found.after})
    echo(f"written to {out}")
