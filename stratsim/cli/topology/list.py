"""`stratsim topology list`."""

from __future__ import annotations

import json

import click

from stratsim.cli.text import echo

__all__ = ["list"]

_EXAMPLES = """\b
Examples:
  stratsim topology list
  stratsim topology list --json
"""


@click.command("list", epilog=_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array and nothing else.")
def list(*, as_json: bool) -> None:  # noqa: A001
    """List the topologies that come with stratsim.

    A topology without a number of GPUs takes any (`--gpus`). KIND says where its figures come from: published by others
    and quoted, measured, or synthetic; `stratsim topology show NAME` says by whom.
    """
    from stratsim.cli.text import table
    from stratsim.model.topology import load_topology, topology_names

    found = [load_topology(name) for name in topology_names()]
    if as_json:
        rows = [
            {"name": tree.name, "gpus": tree.gpu_count, "kind": tree.kind, "description": tree.description}
            for tree in found
        ]
        echo(json.dumps(rows, indent=2))
        return
    cells = [(tree.name, str(tree.gpu_count or "any"), tree.kind or "unknown", tree.description) for tree in found]
    table(("name", "GPUs", "kind", "description"), cells, left=4)
