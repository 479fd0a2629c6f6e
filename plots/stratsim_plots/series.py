"""Which runs of which result folders a figure shows, and what it calls them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError, suggest
from stratsim_plots.layout import Layout
from stratsim_plots.names import short_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.results.read import StoredResults

__all__ = ["CLASSES", "Options", "Series", "check_comparable", "folder_names", "origin", "select"]

CLASSES = ("high", "low")


class Options(NamedTuple):
    """What the user may choose besides folders and kind."""

    policies: tuple[str, ...] = ()
    """Only these policies; all if empty."""
    from_s: float | None = None
    """Start of the timeline's window, simulated seconds."""
    to_s: float | None = None
    """Its end."""
    baseline: str | None = None
    """What differences are to; the first by default."""
    metric: str | None = None
    """Which figure is shown, where a kind shows one of many."""
    where: tuple[str, ...] = ()
    """Conditions `COLUMN=VALUE` that a sweep's runs must meet."""
    x: str | None = None
    """Axis of a study that a heat map has from left to right."""
    y: str | None = None
    """Axis that it has from bottom to top."""
    windows_s: float | None = None
    """Length of the windows of a figure over time, seconds."""
    rows: str = "current"
    """Which rows of a sweep's folder: `current` or `all` (`stratsim.compare.sweep`)."""
    of: str | None = None
    """Which requests a distribution of latencies is of: `arrived` or `completed`; the first by default."""
    layout: Layout = Layout()
    """Size, fonts, names, order, title, legend, small print."""


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
    names = folder_names(results) if len(results) > 1 else [""]
    short = short_names(known)
    return [
        Series(f"{name}: {short[run['policy']]}" if name else short[run["policy"]], stored, run["policy"], run)
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


_FREE = frozenset({"seed", "load", "rate_scale", "policy"})
"""Settings in which folders of one experiment may differ: seed and load, and the policies, each a curve of its own."""

_BY_CONTENT = ("trace", "profile")
"""Files: known by their content, so that the same file under two paths is the same."""


def check_comparable(results: Sequence[StoredResults]) -> None:
    """Make sure that the folders hold one experiment, at several loads or seeds.

    Raises:
        SpecError: two folders differ in more than that; names the first setting.
    """
    first, *others = results
    expected = _experiment(first)
    for other in others:
        found = _experiment(other)
        for key in dict.fromkeys([*expected, *found]):
            if expected.get(key) != found.get(key):
                raise SpecError(
                    f"{first.directory} and {other.directory} are different experiments: {key} is "
                    f"{_shown(expected.get(key))} in one and {_shown(found.get(key))} in the other; "
                    "only seed and load may differ"
                )


def _experiment(stored: StoredResults) -> dict[str, Any]:
    """Return everything that makes an experiment what it is, apart from seed, load and policies."""
    spec = stored.manifest.get("spec") or {}
    files = {f"{name} sha256": (stored.manifest.get(name) or {}).get("sha256") for name in _BY_CONTENT}
    return files | {key: value for key, value in spec.items() if key not in _FREE.union(_BY_CONTENT)}


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)


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
