"""`stratsim fidelity run`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["run"]


_EXAMPLES = """\b
Examples:
  stratsim profile run --device cpu --out results/cpu.json           measure the device first, in the same hour
  stratsim fidelity run experiments/fidelity-cpu.toml --profile results/cpu.json --out results/fidelity-cpu
  stratsim fidelity run experiments/fidelity-cpu.toml --profile results/cpu.json --out results/quick --quick
  stratsim fidelity run experiments/fidelity-h200.toml --out results/fidelity-h200 --dry-run
"""


@click.command("run", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Where runs and report go.")
@click.option("--profile", metavar="NAME|FILE", help="The device's profile. [default: the file's]")
@click.option("--device", metavar="NAME", help="What serves: cuda:N, cpu or cpu:CORES. [default: the file's]")
@click.option("--quick", is_flag=True, help="One cell, in under a minute: the file's [quick] table.")
@click.option("--fresh", is_flag=True, help="Forget the runs in DIR.")
@click.option("--dry-run", is_flag=True, help="Say what would be run, and how long it takes; nothing is.")
@click.option("--runs-only", is_flag=True, help="Make the runs and stop; `stratsim fidelity DIR` compares, anywhere.")
@click.option("--allow-code", is_flag=True, help="Run what the profile names as FILE.py:NAME.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as one JSON object on stdout, and nothing else."
)
@click.option("--quiet", is_flag=True, help="Nothing on stderr about what is being done.")
def run(
    file: Path,
    out: Path,
    profile: str | None,
    device: str | None,
    quick: bool,
    fresh: bool,
    dry_run: bool,
    runs_only: bool,
    allow_code: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make the live runs that the grid in FILE asks for, and compare them with the simulator.

    Load 1 is measured first, then the latencies as they are served (each model at each batch size, one batch at a time
    and in random order) and the host's overheads; all runs, live and simulated, use the profile corrected by these.
    Runs that are in DIR are not repeated, so a grid that was interrupted goes on where it was. Exit status 1 if a run
    failed; the others count.
    """
    from stratsim.cli.allow import allow_profile
    from stratsim.cli.fidelity.output import show_report
    from stratsim.fidelity import assess, profile_of, read_calibration, read_cells, replay_cells
    from stratsim.fidelity.executor import LiveExecutor
    from stratsim.fidelity.figures import draw
    from stratsim.fidelity.grid import run_grid
    from stratsim.fidelity.plan import describe_plan
    from stratsim.fidelity.spec import load_grid
    from stratsim.model.write import write_text

    _, data = load_grid(file, quick=quick)
    data |= {name: value for name, value in (("profile", profile), ("device", device)) if value is not None}
    if allow_code:
        allow_profile(data["profile"])
    if dry_run:
        for line in describe_plan(data, None if fresh else out):
            echo(line)
        return 0
    say = (lambda _: None) if quiet else (lambda line: echo(line, err=True))
    with LiveExecutor(say) as execute:
        failures = run_grid(data, out, execute=execute, say=say, fresh=fresh)
    if runs_only:
        echo(f"written to {out}; {len(failures)} runs failed")
        return 1 if failures else 0
    cells, notes = read_cells(out)
    replayed = replay_cells(cells, profile_of(out))
    notes += [f"failed: {failure}" for failure in failures]
    found = assess(replayed, notes, read_calibration(out))
    found["notes"] += draw(out / "figures", replayed, found)
    write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", out / "report.json", overwrite=True)
    if as_json:
        echo(json.dumps(found, allow_nan=False))
    else:
        show_report(found)
        echo(f"written to {out}")
    return 1 if failures else 0
