"""`stratsim fidelity replay`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.fidelity.log_options import load_log, named, run_of, scheduled
from stratsim.cli.text import echo

__all__ = ["replay"]

_EXAMPLES = """\b
Examples:
  stratsim fidelity replay trace.json --profile my-gpu.json --policy triton
  stratsim fidelity replay trace.json --profile my-gpu.json --policy 'triton(max_batch=4)' --set max_concurrency=1
  stratsim fidelity replay profile_export.jsonl --model resnet50 --profile my-gpu.json --policy fifo
"""


@click.command("replay", epilog=_EXAMPLES)
@click.argument("log", metavar="LOG", type=click.Path(path_type=Path))
@named
@scheduled
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--check", is_flag=True, help="Exit status 1 if p50 or p95, or a stage, is off by more than 10 %.")
def replay(
    log: Path,
    model: str | None,
    names: dict[str, str],
    profile: str | None,
    policy: str | None,
    config: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    check: bool,
) -> int:
    """Replay the arrivals of a server's log, and say how far the simulator is from what the log has.

    LOG is what `stratsim fidelity observe` reads. How the server scheduled is not in it: --policy says what comes
    nearest.
    """
    from stratsim.cli.fidelity.log_output import show_judged
    from stratsim.fidelity.held_out import judge_run

    found = judge_run(*run_of(load_log(log, model, names), profile, policy, config, settings))
    if as_json:
        echo(json.dumps(found, allow_nan=False))
    else:
        show_judged({"": found})
    return int(check and "fail" in found["verdicts"].values())
