"""`stratsim profile schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["schema"]

_EXAMPLES = """\b
Examples:
  stratsim profile schema > profile.schema.json
  stratsim profile schema --out profile.schema.json

Then `"$schema": "./profile.schema.json"` in a profile lets an editor complete and check it.
"""


@click.command("schema", epilog=_EXAMPLES)
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [default: print it]")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def schema(*, out: Path | None, overwrite: bool) -> None:
    """Print the JSON Schema of profiles: fields, units and bounds, for editors."""
    from stratsim.model.json_schema import json_schema
    from stratsim.model.write import write_text

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if out is None:
        echo(text)
    else:
        write_text(f"{text}\n", out, overwrite=overwrite)
