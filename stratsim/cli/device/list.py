"""`stratsim device list`."""

from __future__ import annotations

import click

__all__ = ["list"]


@click.command(
    epilog="""\b
Examples:
  stratsim device list
  stratsim device list --profile rtx3080-disb
"""
)
@click.option("--profile", "profile", metavar="NAME|FILE", help="Say which of them this profile supports.")
def list(*, profile: str | None) -> None:  # noqa: A001 (the command's name)
    """List the device models: how each lets co-located batches slow each other, and what it needs of a profile."""
    from stratsim.cli.text import table
    from stratsim.device.execution import EXECUTION_MODELS, describe_model

    about = {name: describe_model(name) for name in EXECUTION_MODELS}
    if profile is None:
        rows = [(name, entry.summary, entry.needs) for name, entry in about.items()]
        table(("name", "rule", "needs"), rows, left=3)
    else:
        supports = _supports(profile)
        rows = [(name, entry.summary, supports[name]) for name, entry in about.items()]
        table(("name", "rule", profile), rows, left=3)


def _supports(profile: str) -> dict[str, str]:
    from stratsim.device.execution import supported
    from stratsim.model.codec import load_profile

    found = supported(load_profile(profile).for_hardware())
    return {
        name: "yes" if why is None else f"no: {why.split(', which device model')[0]}" for name, why in found.items()
    }
