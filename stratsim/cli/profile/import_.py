"""`stratsim profile import`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.assignments import assignments
from stratsim.cli.text import echo

__all__ = ["import_"]

_KINDS = ("model-analyzer", "perf-analyzer", "aiperf", "trtexec", "nsys", "nvbandwidth", "pairs")

_EXAMPLES = """\b
Examples:
  stratsim profile import model-analyzer metrics-model-inference.csv --out mine.json
  stratsim profile import perf-analyzer export.json --model resnet50 --batch 1 --out mine.json
  stratsim profile import trtexec b8.json --model resnet50 --batch 8 --into mine.json --out both.json
  stratsim profile import nvbandwidth link.json --into both.json --out all.json
  stratsim profile import nsys trace.csv --model resnet50 --inferences 100 --into all.json --out more.json
  stratsim profile import pairs colocated.csv --column model_a=job_a --column model_b=job_b --out pairs.json
"""


@click.command("import", epilog=_EXAMPLES)
@click.argument("kind", metavar="KIND", type=click.Choice(_KINDS))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Profile to write (.json).")
@click.option("--into", metavar="NAME|FILE", help="Add to this profile, instead of beginning a new one.")
@click.option("--model", metavar="NAME", help="The model that was measured, where the file does not name it.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N", help="Its batch size, where the file does not say.")
@click.option("--inferences", type=click.IntRange(min=1), metavar="N", help="nsys: inferences in the report.")
@click.option("--device", type=click.IntRange(min=0), default=0, show_default=True, help="nvbandwidth: which device.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=COLUMN", callback=assignments, help="pairs: what a column is."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME=MODEL",
    callback=assignments,
    help="model-analyzer, pairs: the profile's MODEL is what the file calls NAME.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def import_(
    kind: str,
    files: tuple[Path, ...],
    *,
    out: Path,
    into: str | None,
    overwrite: bool,
    **ask: object,
) -> None:
    """Make a profile from what other tools measured, or add to one.

    KIND is one of

    \b
      model-analyzer   Triton Model Analyzer, metrics-model-inference.csv: solo times
      perf-analyzer    Triton's perf_analyzer, --profile-export-file: round trips at concurrency 1, upper bounds
      aiperf           NVIDIA's aiperf, profile_export.jsonl: likewise
      trtexec          TensorRT, --exportTimes: solo times of one engine
      nsys             Nsight Systems, `stats` CSV or SQLite export: kernels, and points of the link
      nvbandwidth      nvbandwidth -j: the link
      pairs            CSV of co-located pairs: slowdowns, or rates alone and together

    Each file gives what it knows, with its name and checksum as provenance; a note says what is missing and what fills
    it. Figures that are in the profile already are never replaced by others.
    """  # noqa: D301 (click's own mark must be the character)
    from stratsim.imports import Ask, import_measurements
    from stratsim.model.codec import load_profile
    from stratsim.model.write import check_out, write_profile

    check_out(out, overwrite=overwrite)
    base = None if into is None else load_profile(into)
    name = out.name.removesuffix(".json")
    profile, notes = import_measurements(kind, files, Ask(**ask), into=base, name=name)  # type: ignore[arg-type]
    write_profile(profile, out, overwrite=overwrite)
    for note in notes:
        echo(f"note: {note}", err=True)
    solo = sum(len(model.latency_s) for model in profile.observable.models.values())
    echo(
        f"{out}: {len(profile.observable.models)} models, {solo} solo times, {len(profile.pairs)} pairs; "
        f"`stratsim profile show {out}` says where each figure is from"
    )
