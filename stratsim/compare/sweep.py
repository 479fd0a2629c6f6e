"""The figures of a sweep, from its table of runs: by conditions, variant and seed.

What the columns are is what the folder says of itself (`stratsim.results.sweep_folder`).
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stratsim.compare.measured import CLASSES, METRICS
from stratsim.errors import SpecError, suggest
from stratsim.results.sweep_folder import TABLE, describe, read_manifest
from stratsim.results.sweep_rows import KEY, read_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    Samples = dict[str, dict[tuple[str, str], list[float]]]

__all__ = ["ROWS", "SweepTable", "is_sweep", "read_sweep", "samples_by_cell", "variant_labels"]

_SLOTS = "max_concurrency"
_RESULTS = "results"
_FEWEST = 2
ROWS = ("current", "all")
"""Which rows of a folder are read."""
_EARLIER = {
    "profile_sha256": "another profile",
    "trace_sha256": "another trace",
    "topology_sha256": "another topology",
    "policy_sha256": "another policy's file",
    "python": "another version of python",
    "numpy": "another version of numpy",
    "scipy": "another version of scipy",
}
"""What tells earlier rows, by column."""


@dataclass(frozen=True, slots=True)
class SweepTable:
    """The runs of a sweep.

    Args:
        frame: A row per run; conditions and choices are text, figures numbers.
        axes: Columns of what was varied, in order; the conditions that differ besides come last.
        choices: Columns of what a policy ran with.
        figures: Columns of what came out.
        notes: What was left out.
    """

    frame: pd.DataFrame
    axes: tuple[str, ...]
    choices: tuple[str, ...]
    figures: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def only(self, policies: Sequence[str]) -> SweepTable:
        """Return the runs of some policies; all if none is named.

        Raises:
            SpecError: a policy that has no run.
        """
        known = list(dict.fromkeys(self.frame["policy"]))
        for policy in policies:
            if policy not in known:
                raise SpecError(f"no run of policy {policy!r}; {suggest(policy, known)}")
        kept = self.frame["policy"].isin(policies or known)
        return replace(self, frame=self.frame[kept].reset_index(drop=True))


def is_sweep(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a sweep's folder, or a table of runs itself."""
    return Path(path).suffix == ".csv" or (Path(path) / TABLE).is_file()


def read_sweep(path: str | os.PathLike[str], where: Sequence[str] = (), rows: str = "current") -> SweepTable:
    """Return the runs of a sweep, without those of a pilot.

    A folder keeps the rows of earlier runs: of a profile, a trace or a policy's file as it was before it was changed,
    of other versions of Python or numpy. They are not what the sweep asks for now, and a mean over both is of neither.

    Args:
        path: The folder, or its results.csv.
        where: Conditions `COLUMN=VALUE` to keep.
        rows: `current`: of what the sweeps of the folder ask for now; `all`: earlier ones too, told apart by a
            condition of their own.

    Raises:
        SpecError: it cannot be read, is no table of runs of policies, or a condition keeps nothing.
        OutputError: the folder is of another format.
    """
    table = Path(path) if Path(path).suffix == ".csv" else Path(path) / TABLE
    if rows not in ROWS:
        raise SpecError(f"--rows takes {' or '.join(ROWS)}, got {rows!r}")
    manifest = read_manifest(table.parent)
    about = describe(manifest)
    try:
        names, cells = read_rows(table, about.figures)
    except OSError as error:
        raise SpecError(str(error)) from error
    try:
        text = {name: str for name in names if name not in (*about.figures, "seed")}
        blank = {name: [""] for name in about.figures}
        content = StringIO()
        csv.writer(content).writerows([names, *cells])
        content.seek(0)
        frame = pd.read_csv(content, dtype=text, keep_default_na=False, na_values=blank)
    except ValueError as error:
        raise SpecError(f"{table}: cannot be read: {error}") from error
    missing = next((name for name in ("policy", "seed") if name not in names), None)
    if missing is not None:
        raise SpecError(f"{table}: is no table of runs of policies: it has no column {missing!r}")
    if "phase" in names:
        frame = frame[frame["phase"] == _RESULTS]
    frame, notes = _current(frame, manifest, table) if rows == "current" else (frame, ())
    frame = frame.assign(**{axis: _inside(frame, axis) for axis in about.axes if axis not in names})
    held = {axis.partition(".")[0] for axis in about.axes}
    others = [name for name in about.conditions if name not in held and name not in about.choices]
    axes = [*about.axes, *(name for name in others if name in names and _varies(frame, name, about.axes))]
    if rows == "all":
        frame, versions = _versions(frame, about.axes)
        axes += versions
    return SweepTable(_kept(frame, where, table, axes), tuple(axes), about.choices, about.figures, notes)


def _current(frame: pd.DataFrame, manifest: dict[str, Any], table: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows that the sweeps of a folder ask for now, and a note on the others."""
    wanted = {key for entry in manifest.get("sweeps", ()) for key in entry.get("rows", ())}
    if not wanted or KEY not in frame:
        return frame, ()
    asked = frame[KEY].isin(wanted)
    if asked.all():
        return frame, ()
    kept, others = frame[asked], frame[~asked]
    if kept.empty:
        raise SpecError(
            f"{table}: none of its {len(others)} rows is of what its sweep asks for now: --rows all has them"
        )
    news = [word for name, word in _EARLIER.items() if name in frame and set(others[name]) - set(kept[name])]
    what = f"of {' and '.join(news)}" if news else "that the sweep does not ask for now"
    return kept, (f"{len(others)} rows {what} left out; --rows all has them",)


def _versions(frame: pd.DataFrame, axes: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with a condition for each file that differs where the axes do not, and the names of these."""
    found = {}
    for name in (each for each in _EARLIER if each.endswith("_sha256")):  # versions are conditions anyway
        if name in frame and _varies(frame, name, [axis for axis in axes if axis in frame]):
            found[name.removesuffix("_sha256") + " version"] = frame[name].str[:8]
    return frame.assign(**found), list(found)


def _varies(frame: pd.DataFrame, name: str, axes: Sequence[str]) -> bool:
    """Whether a condition differs where the axes do not: a device model that comes with the profile says nothing."""
    found = frame.groupby(list(axes))[name].nunique().max() if axes else frame[name].nunique()
    return bool(found > 1)


def _inside(frame: pd.DataFrame, axis: str) -> list[str]:
    """Return the value of an axis inside a column that holds JSON, as text; "-" where it is not given."""
    column, *path = axis.split(".")
    if column not in frame.columns:
        raise SpecError(f"the table has no column {column!r} for its axis {axis!r}")
    found = {text: _at(json.loads(text) if text else None, path) for text in frame[column].unique()}
    return [found[text] for text in frame[column]]


def _at(value: Any, path: Sequence[str]) -> str:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return " ".join(f"{name}={_at(inner, ())}" for name, inner in value.items() if inner not in (None, False, {}))
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _kept(frame: pd.DataFrame, where: Sequence[str], table: Path, axes: Sequence[str]) -> pd.DataFrame:
    for condition in where:
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not equals or name not in frame.columns:
            raise SpecError(f"--where takes COLUMN=VALUE, got {condition!r}; {suggest(name, axes)}")
        values = list(dict.fromkeys(frame[name].astype(str)))
        frame = frame[frame[name].astype(str) == value]
        if frame.empty:
            raise SpecError(f"{table}: no run has {name} {value}; it has {', '.join(values)}")
    return frame.reset_index(drop=True)


def samples_by_cell(table: SweepTable) -> tuple[dict[str, Samples], list[int], list[str]]:
    """Return the figures by conditions, variant, class and metric, one per seed that all have; the seeds; notes.

    Raises:
        SpecError: a variant has a seed twice, or ran with other requests than the others.
    """
    frame = table.frame
    varying = [name for name in table.axes if frame[name].nunique() > 1]
    frame = frame.assign(cell=[_named(row, varying) for row in frame[["seed", *varying]].to_dict("records")])
    found: dict[str, Samples] = {}
    notes = list(table.notes)
    if "cpu" in frame and frame["cpu"].nunique() > 1:
        notes.append(f"rows of {frame['cpu'].nunique()} kinds of processors: last digits may differ")
    used: set[int] = set()
    for name, rows in frame.groupby("cell", sort=False):
        cell = str(name)
        labelled = rows.assign(variant=variant_labels(rows, table.choices))
        seeds = _common_seeds(labelled)
        here = f" of {cell}" if cell else ""
        if len(seeds) < _FEWEST:
            raise SpecError(f"the policies{here} have {len(seeds)} seeds in common; a comparison needs at least 2")
        if len(seeds) < labelled["seed"].nunique():
            notes.append(f"only the {len(seeds)} seeds that all policies{here} have are compared")
        _check_arrived(labelled, cell)
        used |= set(seeds)
        found[cell] = {
            str(variant): _figures(own.set_index("seed").loc[seeds])
            for variant, own in labelled.groupby("variant", sort=False)
        }
    return found, sorted(used), notes


def _named(row: dict[Any, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in names)


def variant_labels(rows: pd.DataFrame, choices: Sequence[str]) -> list[str]:
    """Return what to call each row of one cell: its policy, with what it ran with where that differs here."""
    found: dict[Any, str] = {}
    for policy, own in rows.groupby("policy", sort=False):
        several = [name for name in choices if own[name].nunique() > 1]
        count = len(own[several].drop_duplicates()) if several else 1
        enough = next((name for name in several if own[name].nunique() == count), None)
        for row in own.to_dict("records"):
            said = [_choice(name, row[name]) for name in ([enough] if enough else several)]
            found[_chosen(row, choices)] = ", ".join([str(policy), *said])
    return [found[_chosen(row, choices)] for row in rows.to_dict("records")]


def _choice(name: str, value: Any) -> str:
    return str(value) if name == "setting" else f"{'C' if name == _SLOTS else name}={value}"


def _chosen(row: dict[Any, Any], choices: Sequence[str]) -> tuple[Any, ...]:
    return row["policy"], *(row[name] for name in choices)


def _common_seeds(rows: pd.DataFrame) -> list[int]:
    common: set[int] | None = None
    for variant, own in rows.groupby("variant", sort=False):
        seeds = own["seed"].tolist()
        if len(set(seeds)) < len(seeds):
            raise SpecError(f"{variant} has a seed twice in one cell: the table mixes conditions that have no column")
        common = set(seeds) if common is None else common & set(seeds)
    return sorted(common or ())


def _check_arrived(rows: pd.DataFrame, cell: str) -> None:
    for name in (f"{label}_arrived" for label in CLASSES):
        if name in rows.columns:
            uneven = rows.groupby("seed")[name].nunique()
            if (uneven > 1).any():
                seed = uneven[uneven > 1].index[0]
                raise SpecError(
                    f"policies served different requests{f' at {cell}' if cell else ''}, seed {seed}: {name}"
                )


def _figures(rows: pd.DataFrame) -> dict[tuple[str, str], list[float]]:
    return {
        (label, metric): rows[f"{label}_{metric}"].astype(float).tolist()
        for label in CLASSES
        for metric in METRICS
        if f"{label}_{metric}" in rows.columns
    }
