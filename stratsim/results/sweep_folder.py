"""What the folder of a sweep says about itself: its format, and what the columns of its table are.

`stratsim.sweep` writes it, and all that read `results.csv` ask here: no column's place or prefix means anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from stratsim.errors import OutputError, SpecError
from stratsim.model.codec import read_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "FORMAT",
    "MANIFEST",
    "SATURATION",
    "TABLE",
    "Description",
    "current_sweeps",
    "describe",
    "find_manifest",
    "read_manifest",
    "read_saturations",
]

FORMAT = 1
"""Of the folder: manifest.json, results.csv and summary.json. Another one is refused."""
MANIFEST, TABLE, SATURATION = "manifest.json", "results.csv", "saturation.json"


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


class _Entry(msgspec.Struct, frozen=True):
    """What one sweep asked for, and the hashes of its runs."""

    sweep: dict[str, Any]
    rows: list[str] = []
    file: str | None = None
    superseded: bool = False


class _Table(msgspec.Struct, frozen=True):
    """The fields of a `Description`."""

    axes: list[str]
    conditions: list[str]
    choices: list[str]
    figures: list[str]


class _Manifest(msgspec.Struct, frozen=True):
    """manifest.json of a sweep's folder."""

    table: _Table
    sweeps: list[_Entry]
    stratsim_version: str | None = None
    code_sha256: str | None = None
    environment: dict[str, str] = {}
    sweeps_sha256: str | None = None
    kept: list[str] = []


_Positive = Annotated[float, msgspec.Meta(gt=0)]
_Whole = Annotated[int, msgspec.Meta(ge=1)]


class _Point(msgspec.Struct, frozen=True):
    """Load 1.0 of a profile, mix and machine: `stratsim.run.saturation.SaturationPoint`, and what it is of."""

    profile: str
    origin: str
    rate_per_s: _Positive
    low: float
    high: float
    concurrency: _Whole
    max_batch: _Whole
    solo_load: _Positive
    topology: str | None
    uplink_bytes_per_s: float | None
    memory: float | str | None
    mix: dict[str, float] | None


def find_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what the manifest of a sweep's folder says; None for a folder of something else.

    Raises:
        SpecError: it cannot be read, a field is missing or has another type.
        OutputError: it is of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except SpecError as problem:
        raise OutputError(f"{folder}: exists already and is not a sweep's folder ({problem})") from None
    if not isinstance(found, dict):
        return None
    made = found.get("sweep_format")
    if made is None and (isinstance(found.get("study"), dict) or isinstance(found.get("sweeps"), list)):
        made = "none"
    if made is None:
        return None
    if made != FORMAT or isinstance(made, bool):
        by = found.get("stratsim_version", "of another version")
        raise OutputError(
            f"{folder}: is a sweep's folder of format {made}, made by stratsim {by}; this one reads and writes format "
            f"{FORMAT}: use that version for it, or run the sweep again into another folder"
        )
    _check(found, _Manifest, path)
    return found


def _check(content: Any, kind: Any, path: Path) -> None:
    try:
        msgspec.convert(content, kind)
    except msgspec.ValidationError as problem:
        raise SpecError(f"{path}: {problem}") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what the manifest of a sweep's folder says.

    Raises:
        SpecError: the folder holds no sweep, or its manifest cannot be read.
        OutputError: it is of another format.
    """
    found = find_manifest(folder)
    if found is None:
        raise SpecError(f"{folder}: there is no sweep (`stratsim sweep run` makes one)")
    return found


def current_sweeps(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is asked for now: the entries of the manifest without those whose file was edited since."""
    return [entry for entry in manifest["sweeps"] if not entry.get("superseded")]


def describe(manifest: dict[str, Any]) -> Description:
    """Return what the columns of the table are, from a manifest that was read."""
    named: dict[str, list[str]] = manifest["table"]
    return Description(**{name: tuple(named[name]) for name in ("axes", "conditions", "choices", "figures")})


def read_saturations(folder: Path) -> dict[str, dict[str, Any]]:
    """Return load 1.0 of whatever a sweep measured it for, by key; nothing where it measured none.

    Raises:
        SpecError: the file cannot be read, a field is missing or has another type. Without the file it is measured
            again.
    """
    path = folder / SATURATION
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = read_json(path)
    _check(found, dict[str, _Point], path)
    return found
