"""`stratsim profile list`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.model.profile import Profile

__all__ = ["list"]

_KINDS = ("measured", "imported", "published", "synthetic")


_EXAMPLES = """\b
Examples:
  stratsim profile list
  stratsim profile list --json
"""


@click.command("list", epilog=_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
def list(*, as_json: bool) -> None:  # noqa: A001
    """List the profiles that come with stratsim.

    KIND says where the solo latencies come from: measured by whoever wrote the profile, published by others and quoted,
    or synthetic. `stratsim profile show NAME` says it for every field.
    """
    from stratsim import bundled
    from stratsim.cli.text import table
    from stratsim.model.codec import load_profile

    found = [_row(load_profile(name)) for name in bundled.names("profiles")]
    if as_json:
        echo(json.dumps(found, indent=2, allow_nan=False))
        return
    columns = ("name", "device", "models", "batches", "kind", "source")
    table(columns, [tuple(str(row[column]) for column in columns) for row in found], left=len(columns))


def _row(profile: Profile) -> dict[str, Any]:
    from stratsim.model.provenance import origin

    sizes = sorted({batch for model in profile.observable.models.values() for batch in model.latency_s})
    origins = [
        found
        for name in profile.observable.models
        if (found := origin(profile, ("observable", "models", name, "latency_s"))) is not None
    ]
    kinds = {found.kind for found in origins}
    return {
        "name": profile.name,
        "device": profile.device.name,
        "models": len(profile.observable.models),
        "batches": str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}",
        "kind": ", ".join(kind for kind in _KINDS if kind in kinds) or "unknown",
        "source": origins[0].source.split(",")[0] if origins else "unknown",
    }
