"""`python -m stratsim_profiler`: the commands on a machine that has torch but not all of stratsim's own dependencies.

PYTHONPATH=.:profiler python -m stratsim_profiler run --device cuda:0 --out FILE.json
"""

from __future__ import annotations

import os
import sys

import click

from stratsim.errors import StratsimError
from stratsim_profiler.cli import run
from stratsim_profiler.fit_command import fit

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Measure devices and fit their profiles: `stratsim profile`, without the simulator."""


cli.add_command(run)
cli.add_command(fit)


def main() -> int:
    """Run the command line; return 2 for bad input, 130 for Ctrl-C, with one line on stderr."""
    try:
        cli.main(prog_name="stratsim_profiler", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (StratsimError, OSError) as error:
        return _fail(str(error), 2)
    return 0


def _fail(message: str, status: int) -> int:
    if os.environ.get("STRATSIM_DEBUG"):
        raise  # noqa: PLE0704 (called from an except clause only)
    click.echo(f"stratsim_profiler: {' '.join(message.split())}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
