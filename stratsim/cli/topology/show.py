"""`stratsim topology show`."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.topology import Topology, Trunk

__all__ = ["show"]

_EXAMPLES = """\b
Examples:
  stratsim topology show 8x-h800
  stratsim topology show my-server.toml
"""


@click.command(epilog=_EXAMPLES)
@click.argument("topology", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(topology: str, *, as_json: bool) -> None:
    """Draw a topology: which GPUs share which links, and what those carry.

    A GPU without a rate has its profile's link. docs/explanation/transfers.md describes the file.
    """
    from stratsim.model.codec import plain
    from stratsim.model.topology import load_topology

    tree = load_topology(topology)
    if as_json:
        echo(json.dumps(plain(tree), indent=2, allow_nan=False))
        return
    echo(f"{tree.name}: {tree.description}" if tree.description else tree.name)
    echo()
    rows = [*_rows(tree)]
    width = max(len(text) for text, _ in rows)
    for text, capacity in rows:
        echo(f"{text.ljust(width)}  {capacity}".rstrip())
    echo()
    for line in _remarks(tree):
        echo(line)


def _rows(tree: Topology) -> Iterator[tuple[str, str]]:
    """Yield what hangs where, as text, and what its link carries."""
    yield "host", _capacity(tree.root)
    yield from _below(tree, None, "")


def _below(tree: Topology, under: str | None, indent: str) -> Iterator[tuple[str, str]]:
    children: list[tuple[str, str | None, Trunk]] = [
        (f"switch {name}", name, switch) for name, switch in tree.switches.items() if switch.under == under
    ]
    children += [(text, None, link) for text, link, above in _gpus(tree) if above == under]
    for index, (text, switch, link) in enumerate(children):
        last = index == len(children) - 1
        yield f"{indent}{'└─' if last else '├─'} {text}", _capacity(link) or ("" if switch else "the profile's link")
        if switch is not None:
            yield from _below(tree, switch, indent + ("   " if last else "│  "))


def _gpus(tree: Topology) -> Iterator[tuple[str, Trunk, str | None]]:
    """Yield the GPUs that hang alike: what to call them, their link, the switch above."""
    if not tree.gpus:
        yield "each GPU", tree.every_gpu, tree.every_gpu.under
    first = 0
    for entry in tree.gpus:
        last = first + entry.count - 1
        yield f"GPU {first}" if first == last else f"GPUs {first} to {last}, each", entry, entry.under
        first = last + 1


def _capacity(link: Trunk) -> str:
    """Return what a link carries; nothing where it limits nobody."""
    h2d, d2h, both = (value / 1e9 for value in (link.h2d, link.d2h, link.both))
    parts = []
    if h2d == d2h < math.inf:
        parts.append(f"{h2d:g} GB/s each way")
    else:
        parts += [f"{name} {rate:g} GB/s" for name, rate in (("h2d", h2d), ("d2h", d2h)) if rate < math.inf]
    if both < math.inf:
        parts.append(f"{both:g} GB/s both ways together")
    return ", ".join(parts)


def _remarks(tree: Topology) -> Iterator[str]:
    if tree.h2d_share is not None:
        yield f"h2d share where both ways together are full: {tree.h2d_share:g}"
    if tree.kind or tree.source:
        yield f"{tree.kind or 'unlabelled'}: {tree.source or 'no source given'}"
    if tree.note:
        yield f"note: {tree.note}"
