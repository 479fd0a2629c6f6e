"""`stratsim fidelity observe`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.fidelity.log_options import load_log, named
from stratsim.cli.text import echo

__all__ = ["observe"]

_EXAMPLES = """\b
Examples:
  stratsim fidelity observe trace.json                          what Triton traced
  stratsim fidelity observe profile_export.jsonl --model resnet50
  stratsim fidelity observe requests.csv --json

\b
docs/how-to/calibrate-from-a-log.md goes from a log to a calibrated profile.
"""


@click.command("observe", epilog=_EXAMPLES)
@click.argument("log", metavar="LOG", type=click.Path(path_type=Path))
@named
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def observe(log: Path, model: str | None, names: dict[str, str], as_json: bool) -> None:
    """Say what the log of a server holds, and what cannot be identified from it.

    LOG is Triton's trace file with time stamps, aiperf's profile_export.jsonl, or a CSV with the columns arrival_s,
    latency_s (seconds) and model. It may be packed.
    """
    from stratsim.cli.fidelity.log_output import show_log
    from stratsim.fidelity.logs import observed

    found = observed(load_log(log, model, names))
    if as_json:
        echo(json.dumps(found, allow_nan=False))
    else:
        show_log(found)
