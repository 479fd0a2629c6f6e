"""`stratsim profile new`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["new"]

_EXAMPLES = """\b
Examples:
  stratsim profile new --out my-gpu.json
  stratsim profile new --models resnet50,bert --out my-gpu.json
  stratsim profile new --like a100-80gb-parvagpu --models resnet50,vgg19 --out my-gpu.json
"""


def _names(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split(","))


@click.command("new", epilog=_EXAMPLES)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Profile to write (.json).")
@click.option("--models", metavar="A,B", callback=_names, help="Names of the models. [default: one]")
@click.option("--like", metavar="NAME|FILE", help="Take device, link and solo figures of this profile as stand-ins.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def new(*, out: Path, models: tuple[str, ...], like: str | None, overwrite: bool) -> None:
    """Write a profile to begin with: valid as it is, every figure a stand-in for yours.

    docs/how-to/make-a-profile.md explains it line by line. `stratsim profile import --into` replaces stand-ins by what
    other tools measured; `stratsim profile schema` writes the JSON Schema by which editors complete and check the file.
    """
    from stratsim.model.codec import load_profile
    from stratsim.model.template import template
    from stratsim.model.write import check_out, write_profile

    check_out(out, overwrite=overwrite)
    made = template(out.name.removesuffix(".json"), models, None if like is None else load_profile(like))
    write_profile(made, out, overwrite=overwrite)
    echo(f"{out}: a template; `stratsim profile show {out}` says what still is a stand-in")
