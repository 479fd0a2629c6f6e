"""`stratsim fidelity calibrate`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["calibrate"]


_EXAMPLES = """\b
Examples:
  stratsim fidelity calibrate results/live-fifo --profile my-gpu.json --out my-gpu-calibrated.json
  stratsim fidelity calibrate results/alone --profile my-gpu.json --latencies --out my-gpu-served.json
  stratsim fidelity results/live --profile my-gpu-calibrated.json
"""


@click.command("calibrate", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--profile", metavar="NAME|FILE", help="The device's profile. [default: the run's own]")
@click.option("--out", metavar="FILE", required=True, type=click.Path(path_type=Path), help="Where the profile goes.")
@click.option("--latencies", is_flag=True, help="Take latencies and their variation, of batches that executed alone.")
@click.option("--overwrite", is_flag=True, help="Replace an older file.")
def calibrate(directory: Path, profile: str | None, out: Path, latencies: bool, overwrite: bool) -> None:
    """Measure what the host adds, what corrects the contention of the device model, and the scatter that is left.

    A copy of the profile has them: `truth.host`, `truth.kernel_queue.served`, `truth.noise_cv` and `truth.noise_cvs`.

    Or, with --latencies, how long executions take where they are served: each model and batch size of which at least
    20 batches executed alone.

    The live run in DIR is then spent: a profile refuses to be judged by the run that it was calibrated with.
    """
    from stratsim.cli.fidelity.output import describe_executions, show_overheads, show_served
    from stratsim.errors import SpecError
    from stratsim.fidelity.calibrate import calibrated, measure_drift, with_served
    from stratsim.fidelity.record import read_runs
    from stratsim.model.codec import load_profile
    from stratsim.model.write import check_out, write_profile

    check_out(out, overwrite=overwrite)
    runs = read_runs(directory)
    if len(runs) > 1:
        raise SpecError(f"{directory}: holds runs of {len(runs)} policies; calibrate with a run of one")
    known = load_profile(profile or runs[0].spec.profile)
    if latencies:
        made, rows = with_served(known, runs[0])
        write_profile(made, out, overwrite=overwrite)
        show_served(rows, measure_drift(runs[0].result))
    else:
        found = calibrated(known, runs)
        write_profile(found.profile, out, overwrite=overwrite)
        show_overheads([each._asdict() for each in found.overheads])
        for line in describe_executions(found):
            echo(line)
    echo(f"written to {out}")
