"""What the folder of a sweep says about itself: its format, and what the columns of its table are.

`stratsim.sweep` writes it, and all that read `results.csv` ask here: no column's place or prefix means anything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stratsim.errors import OutputError, SpecError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMAT", "MANIFEST", "TABLE", "Description", "describe", "find_manifest", "read_manifest"]

FORMAT = 1
"""Of the folder: manifest.json, results.csv and summary.json. Another one is refused."""
MANIFEST, TABLE = "manifest.json", "results.csv"


@dataclass(frozen=True, slots=True)
class Description:
    """What the columns of results.csv are.

    Args:
        axes: What was varied, as the file of the sweep names it: a column, or a path inside one that holds JSON, such
            as `workload.priority.high_share`.
        conditions: Columns of settings that tell one run's conditions from another's.
        choices: Columns of what a policy ran with: several in one place are several variants of it.
        figures: Columns of what came out.
    """

    axes: tuple[str, ...]
    conditions: tuple[str, ...]
    choices: tuple[str, ...]
    figures: tuple[str, ...]

    def joined(self, other: Description) -> Description:
        """Return the description of a table that two sweeps share."""
        names = ("axes", "conditions", "choices", "figures")
        both = {name: tuple(dict.fromkeys((*getattr(self, name), *getattr(other, name)))) for name in names}
        return Description(**both)

    def as_dict(self) -> dict[str, list[str]]:
        """Return plain values, for JSON."""
        return {name: list(values) for name, values in asdict(self).items()}


def find_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what the manifest of a sweep's folder says; None for a folder of something else.

    Raises:
        OutputError: it is of another format.
    """
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    made = found.get("sweep_format")
    if made is None and (isinstance(found.get("study"), dict) or isinstance(found.get("sweeps"), list)):
        made = "none"
    if made is not None and made != FORMAT:
        by = found.get("stratsim_version", "of another version")
        raise OutputError(
            f"{folder}: is a sweep's folder of format {made}, made by stratsim {by}; this one reads and writes format "
            f"{FORMAT}: use that version for it, or run the sweep again into another folder"
        )
    return None if made is None else found


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what the manifest of a sweep's folder says.

    Raises:
        SpecError: the folder holds no sweep.
        OutputError: it is of another format.
    """
    found = find_manifest(folder)
    if found is None:
        raise SpecError(f"{folder}: there is no sweep (`stratsim sweep run` makes one)")
    return found


def describe(manifest: dict[str, Any]) -> Description:
    """Return what the columns of the table are."""
    return Description(**{name: tuple(values) for name, values in manifest["table"].items()})
