"""`stratsim profile pairs`."""

from __future__ import annotations

from pathlib import Path

import click

from stratsim.cli.text import echo

__all__ = ["batch_sizes", "pairs"]


def batch_sizes(context: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Read an option's list of batch sizes."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of batch sizes such as 1,8", context, option) from None


_EXAMPLES = """\b
Examples:
  stratsim profile pairs rtx3080-disb --batches 1 --out rtx3080-pairs.json
  stratsim profile pairs a100-80gb-parvagpu --noise 0 --held-out 0 --out exact.json
  stratsim profile show rtx3080-pairs.json
"""


@click.command("pairs", epilog=_EXAMPLES)
@click.argument("source", metavar="NAME|FILE")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Profile to write (.json).")
@click.option(
    "--batches",
    default="1,8",
    show_default=True,
    callback=batch_sizes,
    help="Batch sizes, where a model's profile covers them.",
)
@click.option(
    "--noise", default=0.03, show_default=True, metavar="CV", help="Variation of one measurement (our choice)."
)
@click.option(
    "--held-out", default=0.25, show_default=True, metavar="SHARE", help="Share of the pairs of models to hold out."
)
@click.option(
    "--device-model", default="streams", show_default=True, metavar="NAME", help="How the simulated GPU shares itself."
)
@click.option("--seed", default=0, show_default=True, help="Of the noise and of the choice of held-out pairs.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
def pairs(
    source: str,
    *,
    out: Path,
    batches: tuple[int, ...],
    noise: float,
    held_out: float,
    device_model: str,
    seed: int,
    overwrite: bool,
) -> None:
    """Run a simulated co-location campaign and write a profile with its pairs.

    Each model at each batch size is co-located with each other one, kept busy, on the profile's simulated GPU; the
    slowdowns, with noise, are those that a scheduler could have measured. Both directions and all batch sizes of a
    held-out pair of models stay together. The pairs are labelled synthetic.
    """
    from dataclasses import replace

    from stratsim.model.codec import load_profile
    from stratsim.model.write import write_profile
    from stratsim.plugins import allow_code
    from stratsim.run.pairs import Campaign, measure_pairs

    allow_code(device_model)
    campaign = Campaign(batches, noise, held_out, device_model, seed)
    profile = measure_pairs(load_profile(source), campaign)
    write_profile(replace(profile, name=out.name.removesuffix(".json")), out, overwrite=overwrite)
    held = sum(pair.held_out for pair in profile.pairs)
    for size in batches:
        missing = [name for name, model in profile.observable.models.items() if size > max(model.latency_s)]
        if missing:
            echo(f"note: batch size {size} is left out for models that do not cover it: {', '.join(missing)}", err=True)
    echo(f"{out}: {len(profile.pairs)} slowdowns, {held} of them held out", err=True)
