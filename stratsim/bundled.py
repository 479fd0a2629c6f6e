"""Finds the traces, experiments, profiles and topologies that come with stratsim, in a clone or in an installed wheel.

Never looks at the working directory: a user's own `traces/` or `plots/` cannot shadow ours.
"""

from __future__ import annotations

from pathlib import Path

from stratsim.errors import BundledFileNotFoundError, suggest

__all__ = ["find", "folder", "names"]

_CLONE_FOLDERS = {
    "traces": "traces",
    "experiments": "experiments",
    "profiles": "profiler/profiles",
    "topologies": "profiler/topologies",
}
_SUFFIXES = {
    "traces": (".csv.gz", ".csv", ".json"),
    "experiments": (".toml",),
    "profiles": (".json",),
    "topologies": (".toml",),
}
_OF_PROFILES = ".bundle.json"
"""What belongs to a profile beside it, and is none."""


def folder(kind: str) -> Path:
    """Return the folder that holds bundled files of `kind` (traces, experiments, profiles or topologies)."""
    package = Path(__file__).resolve().parent
    installed = package / "_data" / kind
    return installed if installed.is_dir() else package.parent / _CLONE_FOLDERS[kind]


def names(kind: str) -> dict[str, Path]:
    """Return the bundled files of `kind` by their names (file name without its suffix)."""
    found: dict[str, Path] = {}
    for suffix in _SUFFIXES[kind]:
        for path in sorted(folder(kind).glob(f"*{suffix}")):
            if not path.name.endswith(_OF_PROFILES):
                found.setdefault(path.name.removesuffix(suffix), path)
    return dict(sorted(found.items()))


def find(kind: str, name: str) -> Path:
    """Return the bundled file `name` of `kind`.

    Raises:
        BundledFileNotFoundError: there is none; the message names the nearest.
    """
    known = names(kind)
    if name not in known:
        raise BundledFileNotFoundError(f"no bundled {kind.removesuffix('s')} {name!r}; {suggest(name, known)}")
    return known[name]
