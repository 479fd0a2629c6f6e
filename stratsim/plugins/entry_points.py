"""Entry points: what the installed packages, or this source tree, register by name."""

from __future__ import annotations

import sys
import tomllib
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

__all__ = ["points"]

_PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
"""Where the entry points of a source tree stand."""


def points(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, sorted.

    A source tree that runs without being installed (`PYTHONPATH=.:profiler python -m stratsim`) has none of its own:
    then those that its pyproject.toml declares are added.
    """
    found = dict(_installed(group, _search_path()))
    if not any(point.value.startswith("stratsim") for point in found.values()):
        found = _declared(group) | found
    return dict(sorted(found.items()))


def _search_path() -> tuple[tuple[str, int], ...]:
    """Return where Python looks for packages, with times that change when one is installed."""
    found = []
    for place in sys.path:
        with suppress(OSError):  # nothing there, or nothing that may be read
            found.append((place, Path(place).stat().st_mtime_ns))
    return tuple(found)


@lru_cache
def _installed(group: str, _places: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages: read once, as that opens a file per package."""
    return {point.name: point for point in entry_points(group=group)}


def _declared(group: str) -> dict[str, EntryPoint]:
    """Return the entry points that the source tree declares; none where there is no source tree."""
    try:
        project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return {}
    declared = project.get("entry-points", {}).get(group, {}) if project.get("name") == "stratsim" else {}
    return {name: EntryPoint(name, value, group) for name, value in declared.items()}
