"""Which runs of which result folders a figure shows, and what it calls them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.export.read import StoredResults

__all__ = ["CLASSES", "Options", "Series", "folder_names", "origin", "select"]

CLASSES = ("high", "low")


class Options(NamedTuple):
    """What the user may choose besides folders and kind."""

    policies: tuple[str, ...] = ()
    """Only these policies; all if empty."""
    from_s: float | None = None
    """Start of the timeline's window, simulated seconds."""
    to_s: float | None = None
    """Its end."""


class Series(NamedTuple):
    """One run of one folder."""

    label: str
    results: StoredResults
    policy: str
    figures: dict[str, Any]
    """Its element of summary.json's `runs`."""


def select(results: Sequence[StoredResults], policies: Sequence[str] = ()) -> list[Series]:
    """Return the chosen runs, folder by folder, labelled by policy, and by folder where there are several.

    Raises:
        SpecError: a policy that no folder holds.
    """
    known = list(dict.fromkeys(policy for stored in results for policy in stored.policies))
    for policy in policies:
        if policy not in known:
            raise SpecError(f"no run of policy {policy!r} in {_listed(results)}; {suggest(policy, known)}")
    names = folder_names(results)
    return [
        Series(run["policy"] if len(results) == 1 else f"{name}: {run['policy']}", stored, run["policy"], run)
        for name, stored in zip(names, results, strict=True)
        for run in stored.runs
        if not policies or run["policy"] in policies
    ]


def folder_names(results: Sequence[StoredResults]) -> list[str]:
    """Return the last part of each folder's path, or the whole path where that is ambiguous."""
    short = [Path(stored.directory).resolve().name for stored in results]
    return [
        name if short.count(name) == 1 else str(stored.directory) for name, stored in zip(short, results, strict=True)
    ]


def origin(results: Sequence[StoredResults]) -> str:
    """Return the small print: which profiles, and whether their figures are measured, published or synthetic."""
    parts = []
    for stored in results:
        profile = stored.manifest.get("profile") or {}
        if profile.get("label"):
            parts.append(f"{profile.get('name', 'unnamed')} ({profile['label']})")
    return f"simulated; device profile: {', '.join(dict.fromkeys(parts))}" if parts else ""


def _listed(results: Sequence[StoredResults]) -> str:
    return ", ".join(str(stored.directory) for stored in results)
