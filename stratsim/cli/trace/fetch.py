"""`stratsim trace fetch`."""

from __future__ import annotations

import click

from stratsim.cli.text import echo
from stratsim.cli.trace import options

__all__ = ["fetch"]

_EXAMPLES = """\b
Examples:
  stratsim trace fetch --list
  stratsim trace fetch azure-conv                     # into the working directory, under its own name
  stratsim trace fetch disb-A --out disb-a.json
"""


@click.command("fetch", epilog=_EXAMPLES)
@click.argument("name", required=False)
@click.option("--list", "as_list", is_flag=True, help="List what can be fetched.")
@click.option("--out", type=click.Path(), metavar="FILE", help="Where to; default NAME with the file's own suffix.")
@options.overwrite
def fetch(*, name: str | None, as_list: bool, out: str | None, overwrite: bool) -> None:
    """Download a public trace and check its sha256.

    The address is pinned to a commit. Each file stays under its authors' licence, which --list names; stratsim ships
    none of them.
    """
    if as_list or name is None:
        if name is not None or not as_list:
            raise click.UsageError("give either a NAME or --list")
        _list()
        return
    from pathlib import Path, PurePosixPath

    from stratsim.cli.trace.report import described
    from stratsim.trace import read_trace
    from stratsim.trace.fetch import fetch as download
    from stratsim.trace.fetch import find

    found = find(name)
    target = out or f"{name}{PurePosixPath(found.filename).suffix}"
    download(found, target, overwrite=overwrite)
    content = described(read_trace(Path(target)))
    echo(f"{target}: {content}; {found.size} bytes, sha256 as expected; {found.source}, {found.licence}")


def _list() -> None:
    from stratsim.cli.text import table
    from stratsim.trace.fetch import PUBLIC

    rows = [(name, entry.summary, entry.source, entry.licence) for name, entry in PUBLIC.items()]
    table(("name", "what", "source", "licence"), rows, left=4)
