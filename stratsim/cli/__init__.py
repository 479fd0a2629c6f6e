"""The command line. One module per command, the command tree is the folder tree, everything is imported lazily.

`main` turns every expected failure into one line on stderr: exit status 2 for bad input (usage errors too), 130 for
Ctrl-C, 143 for SIGTERM, 1 for a check that failed. Set STRATSIM_DEBUG=1 to see the traceback behind the line.
"""

from __future__ import annotations

import os
import sys
from contextvars import copy_context
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from stratsim.cli.lazy import COMPLETING, LazyGroup
from stratsim.errors import StratsimError
from stratsim.signals import Terminated, terminable
from stratsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli",
    commands={
        "replay": "Replay a trace through one or more policies.",
        "live": "Serve a trace on a real device through one or more policies.",
        "fidelity": "Say how far the simulator is from live runs.",
        "sweep": "Run many policies under many conditions, with a table of runs that goes on where it was.",
        "compare": "Say by how much runs of the same requests differ, and how sure that is.",
        "capacity": "Find the highest rate, or the fewest GPUs, that meet a target.",
        "explain": "Say where requests' time went, and what made them late.",
        "trace": "Inspect, convert, generate and fetch traces.",
        "policy": "List the policies and show what they do.",
        "predictor": "List the predictors and show what they estimate.",
        "profile": "List, show and extend device profiles.",
        "device": "List the device models and show how they work.",
        "topology": "List and show the links between GPUs and host.",
        "validate": "Check the simulator against closed forms and published measurements.",
        "compile": "Compile the fast engine, once per machine.",
    },
    elsewhere={"plot": "Draw figures from results.", "report": "Write one HTML page about results."},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="stratsim", message="%(prog)s %(version)s")
def cli() -> None:
    """Simulate how GPU inference servers schedule work.

    Try `stratsim replay` first: it replays a bundled workload through four policies and prints a table.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        argv: Arguments without the program's name; the process's own by default.
    """
    # A context of its own: the code that one command may import (stratsim.plugins.allow_code), the next one may not.
    return copy_context().run(_main, list(sys.argv[1:] if argv is None else argv))


def _main(argv: list[str]) -> int:
    _show_everything()
    try:
        with terminable():
            status = _invoke(argv)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except Terminated:
        return _fail("terminated", 143)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): keep Python from complaining while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (StratsimError, OSError) as error:
        return _fail(str(error), 2)
    except MemoryError as error:
        return _fail(f"out of memory: {error}" if str(error) else "out of memory", 2)
    except RecursionError:
        return _fail("something in the input is nested too deep", 2)
    except OverflowError as error:
        return _fail(f"a number in the input is too large: {error}", 2)
    except UnicodeEncodeError as error:
        return _fail(f"{error.object[error.start : error.end]!r} cannot be written as {error.encoding}", 2)
    return status if isinstance(status, int) else 0


def _invoke(args: list[str]) -> object:
    """Run the command.

    Not by `cli.main`, which has answers of its own to Ctrl-C (an empty line) and to a closed pipe (exit status 1).
    """
    if COMPLETING in os.environ:
        cli.main(prog_name="stratsim")  # shell completion; does not return
    with cli.make_context("stratsim", args) as context:
        return cli.invoke(context)


def _show_everything() -> None:
    """Print what the terminal's encoding lacks as an escape, instead of failing at it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str, status: int) -> int:
    if os.environ.get("STRATSIM_DEBUG"):
        raise  # noqa: PLE0704 (called from an except clause only)
    from stratsim.cli.text import echo

    first, *others = [" ".join(line.split()) for line in message.splitlines() if line.strip()] or [""]
    echo(f"stratsim: {first}", err=True)
    for line in others:  # one refusal of a file may name several mistakes
        echo(f"  {line}", err=True)
    return status
