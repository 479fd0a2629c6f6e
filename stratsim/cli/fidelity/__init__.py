"""`stratsim fidelity`: one module per command; a folder alone means `report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stratsim.cli.lazy import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fidelity"]

_COMMANDS = {
    "report": "Compare live runs with the simulator (what `stratsim fidelity DIR` does).",
    "run": "Make a grid of live runs, or what is missing of it, and compare.",
    "again": "Judge a grid by its report, with a profile that another grid taught.",
    "observe": "Say what the log of a server holds, and what cannot be identified from it.",
    "replay": "Replay the arrivals of a server's log, and say how far the simulator is from it.",
    "calibrate": "Measure what a server adds, from its log or from a live run; write a profile with it.",
}


class _ReportByDefault(LazyGroup):
    """A group in which whatever is no command is an argument of `report`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Like the group's, with `report` put in where no command is named."""
        return super().parse_args(ctx, _with_command(args))


def _with_command(args: Sequence[str]) -> list[str]:
    if not args or args[0] in _COMMANDS or args[0] in ("-h", "--help"):
        return list(args)
    return ["report", *args]


@click.group(
    cls=_ReportByDefault,
    package="stratsim.cli.fidelity",
    commands=_COMMANDS,
    epilog="""\b
Examples:
  stratsim fidelity results/live --profile my-gpu.json     one live run
  stratsim fidelity results/fidelity-cpu --json            a grid
  stratsim fidelity run experiments/fidelity-cpu.toml --profile results/cpu.json --out results/fidelity-cpu
  stratsim fidelity observe trace.json                     the log of a server that is not ours
  stratsim fidelity again results/fidelity-h200 --learn-from results/other-card

\b
docs/explanation/fidelity.md says what is compared, and what passes.
""",
)
def fidelity() -> None:
    """Say how far the simulator is from live runs of the same policies on a real device."""
