"""`stratsim fidelity DIR`, in full `stratsim fidelity report DIR`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["report"]


_EXAMPLES = """\b
Examples:
  stratsim fidelity results/live                                       `report` may be left out
  stratsim fidelity report results/live --profile calibrated.json --figures results/live-figures
  stratsim fidelity report results/fidelity-cpu --json --check
"""


@click.command("report", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--profile", metavar="NAME|FILE", help="The device. [default: the run's own, or the grid's calibrated one]"
)
@click.option(
    "--figures", metavar="FOLDER", type=click.Path(path_type=Path), help="Write figures and their data there."
)
@click.option("--allow-code", is_flag=True, help="Run what the runs and the profile name as FILE.py:NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object, and nothing else.")
@click.option("--check", is_flag=True, help="Exit status 1 if a cell fails.")
def report(
    directory: Path, profile: str | None, figures: Path | None, allow_code: bool, as_json: bool, check: bool
) -> int:
    """Compare the live run in DIR, or all those of a grid, with the simulator.

    Every run is replayed twice: with its own batches at their own times (stages), and by the policy alone on the same
    arrivals (latencies, violations). A run that was interrupted counts as far as it got.
    """
    from stratsim.cli.allow import allow_profile
    from stratsim.cli.fidelity.output import show_report
    from stratsim.fidelity import assess, profile_of, read_calibration, read_cells, replay_cells
    from stratsim.fidelity.figures import draw
    from stratsim.plugins import allow_code as allow

    cells, notes = read_cells(directory)
    if allow_code:
        runs = [run for cell in cells for run in cell.runs]
        allow([[run.policy, run.spec.device_model] for run in runs])
        for source in {profile or profile_of(directory) or run.spec.profile for run in runs}:
            allow_profile(source)
    replayed = replay_cells(cells, profile or profile_of(directory))
    found = assess(replayed, notes, read_calibration(directory))
    if figures is not None:
        found["notes"] += draw(figures, replayed, found)
    if as_json:
        echo(json.dumps(found, allow_nan=False))
    else:
        show_report(found)
    return int(check and any(cell["verdict"] == "fail" for cell in found["cells"]))
