"""`stratsim profile fit`. Imports little: what fits is imported when the command runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.fit.threads import one_thread

if TYPE_CHECKING:
    from stratsim_profiler.fit import FitResult

__all__ = ["fit", "write_results"]

_EXAMPLES = """\b
Examples:
  stratsim profile fit samples.jsonl --out my-gpu.json
  stratsim profile fit samples.jsonl.gz --out my-gpu.json --report my-gpu.html
  stratsim profile fit samples.jsonl.gz --figures figures/my-gpu
  stratsim profile fit samples.jsonl --json | jq .sharing.errors
"""


@click.command("fit", epilog=_EXAMPLES)
@click.argument("samples", metavar="SAMPLES", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Profile to write (.json).")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Report with figures to write (.html); needs matplotlib."
)
@click.option(
    "--figures", type=click.Path(path_type=Path), metavar="DIR", help="Folder for the report's figures (.png)."
)
@click.option("--name", metavar="NAME", help="Name of the profile. [default: that of the file, else of the device]")
@click.option(
    "--starts", type=click.IntRange(min=1), default=8, show_default=True, help="Starting points of the contention fit."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object and nothing else.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def fit(
    samples: Path,
    *,
    out: Path | None,
    report: Path | None,
    figures: Path | None,
    name: str | None,
    starts: int,
    as_json: bool,
    overwrite: bool,
) -> None:
    """Fit a profile to raw SAMPLES (.jsonl or .jsonl.gz), without measuring.

    Fits the links, and the demand and weight by which co-located models share the device; says which of them the
    measurements determine; and judges the fit on pairs of models that it has not seen, compared with a constant and a
    regression on solo features. A bad fit is said to be one, here and in the profile's description.
    """
    one_thread()
    from stratsim.model.write import check_out
    from stratsim_profiler.fit import fit_samples

    for path in (out, report):
        if path is not None:
            check_out(path, overwrite=overwrite)
    if name is None and out is not None:
        name = out.name.removesuffix(".json")
    result = fit_samples(samples, name=name, starts=starts)
    write_results(result, out, report, overwrite=overwrite)
    if figures is not None:
        from stratsim_profiler.report import write_figures

        written = write_figures(result, figures, overwrite=overwrite)
        click.echo(f"{figures}: {len(written)} figures", err=True)
    if as_json:
        from stratsim_profiler.fit.plain import summary_dict

        click.echo(json.dumps(summary_dict(result.summary), indent=2, allow_nan=False, ensure_ascii=False))
        return
    from stratsim_profiler.fit.text import lines

    for line in lines(result):
        click.echo(line)


def write_results(result: FitResult, out: Path | None, report: Path | None, *, overwrite: bool = False) -> None:
    """Write the profile and the report, where asked for, and say so on stderr.

    Raises:
        OutputError: a file exists and `overwrite` is false, or cannot be written.
        MissingExtraError: a report is asked for and matplotlib is not installed.
    """
    from stratsim.model.write import write_profile, write_text

    page = None
    if report is not None:
        from stratsim_profiler.report import html_report

        page = html_report(result)
    if out is not None:
        write_profile(result.profile, out, overwrite=overwrite)
        click.echo(f"{out}: profile {result.profile.name!r}", err=True)
    if report is not None and page is not None:
        write_text(page, report, overwrite=overwrite)
        click.echo(f"{report}: report", err=True)
