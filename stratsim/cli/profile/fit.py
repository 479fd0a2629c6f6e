"""`stratsim profile fit`: the profiler's command, for raw samples, and the fit to a profile's own pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo
from stratsim.fit.threads import one_thread
from stratsim.plugins import points

if TYPE_CHECKING:
    from stratsim.fit.truth import PairsFit, Rule

__all__ = ["fit"]

_HELP = """Fit a profile to raw SAMPLES (.jsonl or .jsonl.gz), or PROFILE's truth to its own pairs, without measuring.

SAMPLES: fits the links, and the demand and weight by which co-located models share the device; says which of them the
measurements determine; and judges the fit on pairs of models that it has not seen, compared with a constant and a
regression on solo features. A bad fit is said to be one, here and in the profile's description.

PROFILE, with --pairs: a profile of which solo times and pairs are known, as `profile import pairs` writes it. The
device models `streams`, `time-slicing` and, where kernels are known, `kernel-queue` are fitted to the pairs and judged
on pairs and models left out; the best one becomes the profile's device model.
"""
_EXAMPLES = """\b
Examples:
  stratsim profile fit samples.jsonl --out my-gpu.json
  stratsim profile fit samples.jsonl.gz --out my-gpu.json --report my-gpu.html
  stratsim profile fit samples.jsonl --json | jq .sharing.errors
  stratsim profile fit --pairs imported.json --out fitted.json
  stratsim profile fit --pairs one-process.json --device-model streams --device-model kernel-queue --out f.json
"""
_SAMPLES_ONLY = ("report", "figures")
_RULES = ("streams", "kernel-queue", "time-slicing")
"""As `stratsim.fit.truth.RULES`, which needs scipy."""


def _command() -> click.Command:
    """Return the profiler's command with one more option."""
    samples: Any = points("stratsim.profile_commands")["fit"].load()

    def run(*, pairs: bool, samples_: Path, device_models: tuple[Rule, ...], **options: Any) -> Any:
        if not pairs:
            if device_models:
                raise click.UsageError("--device-model belongs to --pairs: samples are fitted by all that they support")
            return samples.callback(samples=samples_, **options)
        for name in _SAMPLES_ONLY:
            if options.pop(name, None) is not None:
                raise click.UsageError(
                    f"--{name} needs samples; `stratsim device score` draws how good fits to pairs are"
                )
        return _fit_pairs(str(samples_), device_models, **options)

    argument = click.Argument(["samples_"], metavar="SAMPLES|PROFILE", type=click.Path(path_type=Path))
    flag = click.Option(["--pairs"], is_flag=True, help="Fit PROFILE's truth to its own pairs.")
    rules = click.Option(
        ["--device-model", "device_models"],
        multiple=True,
        type=click.Choice(_RULES),
        metavar="NAME",
        help="With --pairs: fit only this one. May be repeated. [default: all]",
    )
    options = [param for param in samples.params if isinstance(param, click.Option)]
    return click.Command("fit", callback=run, params=[argument, flag, rules, *options], help=_HELP, epilog=_EXAMPLES)


def _fit_pairs(
    source: str,
    rules: tuple[Rule, ...],
    *,
    out: Path | None,
    name: str | None,
    starts: int,
    as_json: bool,
    overwrite: bool,
) -> None:
    from dataclasses import replace

    one_thread()
    from stratsim.fit.text import plain
    from stratsim.fit.truth import RULES, fit_pairs
    from stratsim.model.codec import load_profile
    from stratsim.model.write import check_out, write_profile

    if out is not None:
        check_out(out, overwrite=overwrite)
    found = fit_pairs(load_profile(source), rules or RULES, starts=starts)
    if out is not None:
        name = name or out.name.removesuffix(".json")
        write_profile(replace(found.profile, name=name), out, overwrite=overwrite)
    if as_json:
        echo(json.dumps(plain(found), indent=2, allow_nan=False, ensure_ascii=False))
    else:
        _print(found)
    if out is not None:
        echo(f"{out}: profile {name!r}, device model {found.rule}", err=True)


def _print(found: PairsFit) -> None:
    from stratsim.cli.text import table
    from stratsim.fit.text import error_rows, lines

    head, *rows = error_rows(found)
    table(head, rows)
    for line in lines(found):
        echo(line)
    for note in found.notes:
        echo(f"note: {note}", err=True)


fit = _command()
