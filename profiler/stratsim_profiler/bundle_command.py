"""`stratsim profile bundle`. Imports little: what fits is imported when the command runs."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.fit.threads import one_thread

__all__ = ["bundle"]

_EXAMPLES = """\b
Examples:
  stratsim profile bundle my-gpu.json my-gpu.samples.jsonl.gz --out my-gpu.zip
  stratsim profile check my-gpu.zip
"""


@click.command("bundle", epilog=_EXAMPLES)
@click.argument("profile", metavar="PROFILE", type=click.Path(path_type=Path))
@click.argument("samples", metavar="SAMPLES", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Bundle to write: FILE.zip, or FILE.bundle.json beside both files.",
)
@click.option(
    "--starts", type=click.IntRange(min=1), default=8, show_default=True, help="Starting points of the contention fit."
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def bundle(profile: Path, samples: Path, *, out: Path, starts: int, overwrite: bool) -> None:
    """Put a PROFILE, a file, together with the raw SAMPLES (.jsonl.gz) that it was fitted to, for others to check.

    The bundle says where and how they were measured, and how good the fit is: it is fitted once more for that.
    """
    one_thread()
    from stratsim.errors import ProfileError
    from stratsim.model.write import check_out
    from stratsim_profiler.bundle import write_bundle

    check_out(out, overwrite=overwrite)
    if out.suffix != ".zip" and not out.name.endswith(".bundle.json"):
        raise ProfileError(f"{out}: a bundle is a .zip, or a .bundle.json beside its files")
    if samples.suffixes[-2:] != [".jsonl", ".gz"]:
        raise ProfileError(f"{samples}: a bundle has packed samples: gzip them (.jsonl.gz)")
    write_bundle(profile, samples, out, starts=starts, overwrite=overwrite)
    click.echo(f"{out}: `stratsim profile check {out}` fits it once more and says what holds")
