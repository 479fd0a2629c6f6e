"""The figures of a study, from its table of runs: by conditions, variant and seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from stratsim.compare.measured import CLASSES, METRICS
from stratsim.errors import SpecError, suggest

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    Samples = dict[str, dict[tuple[str, str], list[float]]]

__all__ = ["axes_of", "is_sweep", "read_sweep", "samples_by_cell", "variant_labels"]

_NO_CONDITION = ("spec_sha256", "phase", "role", "seed", "rate_per_s", "solo_load", "policy", "setting")
_SLOTS = "max_concurrency"
"""A condition if it stands left of the policy, else a choice of the policy's."""
_NEEDED = ("policy", "seed")
_FEWEST = 2


def is_sweep(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a study's folder, or a table of runs itself."""
    return Path(path).suffix == ".csv" or (Path(path) / "results.csv").is_file()


def read_sweep(path: str | os.PathLike[str], where: Sequence[str] = ()) -> pd.DataFrame:
    """Return the runs of a study, those of its result seeds where there is a pilot; conditions are text.

    Args:
        path: The folder, or its results.csv.
        where: Conditions `COLUMN=VALUE` to keep.

    Raises:
        SpecError: it cannot be read, is no table of runs, or a condition keeps nothing.
    """
    table = Path(path) if Path(path).suffix == ".csv" else Path(path) / "results.csv"
    try:
        names = pd.read_csv(table, nrows=0).columns
        figures = [name for name in names if name.partition("_")[0] in CLASSES]
        first = list(names).index(figures[0]) if figures else len(names)
        text = {name: str for name in names[:first] if name != "seed"}
        frame = pd.read_csv(table, dtype=text, keep_default_na=False, na_values={name: [""] for name in names[first:]})
    except (OSError, ValueError) as error:
        raise SpecError(f"{table}: cannot be read: {error}") from error
    missing = [name for name in _NEEDED if name not in names]
    if missing or not figures:
        raise SpecError(
            f"{table}: is no table of runs: it has no column {missing[0] if missing else 'high_violation'!r}"
        )
    if "phase" in names and (frame["phase"] == "results").any():
        frame = frame[frame["phase"] == "results"]
    return _kept(frame, where, table)


def _kept(frame: pd.DataFrame, where: Sequence[str], table: Path) -> pd.DataFrame:
    for condition in where:
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not equals or name not in frame.columns:
            raise SpecError(f"--where takes COLUMN=VALUE, got {condition!r}; {suggest(name, axes_of(frame))}")
        values = list(dict.fromkeys(frame[name].astype(str)))
        frame = frame[frame[name].astype(str) == value]
        if frame.empty:
            raise SpecError(f"{table}: no run has {name} {value}; it has {', '.join(values)}")
    return frame.reset_index(drop=True)


def axes_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns of the conditions, in their order."""
    names = list(frame.columns)
    first = next(at for at, name in enumerate(names) if name.partition("_")[0] in CLASSES)
    slots = _SLOTS in names and names.index(_SLOTS) > names.index("policy")
    return [name for name in names[:first] if name not in _NO_CONDITION and not (slots and name == _SLOTS)]


def samples_by_cell(frame: pd.DataFrame) -> tuple[dict[str, Samples], list[int], list[str]]:
    """Return the figures by conditions, variant, class and metric, one per seed that all have; the seeds; notes.

    Raises:
        SpecError: a variant has a seed twice, or ran with other requests than the others.
    """
    axes = axes_of(frame)
    varying = [name for name in axes if frame[name].nunique() > 1]
    frame = frame.assign(cell=[_named(row, varying) for row in frame[varying].to_dict("records")])
    found: dict[str, Samples] = {}
    notes = []
    used: set[int] = set()
    for name, rows in frame.groupby("cell", sort=False):
        cell = str(name)
        labelled = rows.assign(variant=variant_labels(rows))
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


def variant_labels(rows: pd.DataFrame) -> list[str]:
    """Return what to call each row of one cell: its policy, with its C or setting where the policy has several here."""
    found: dict[Any, str] = {}
    for policy, own in rows.groupby("policy", sort=False):
        choices = [name for name in (_SLOTS, "setting") if name in own.columns and own[name].nunique() > 1]
        count = len(own[choices].drop_duplicates()) if choices else 1
        enough = next((name for name in choices if own[name].nunique() == count), None)
        for row in own.to_dict("records"):
            said = [row[name] if name == "setting" else f"C={row[name]}" for name in ([enough] if enough else choices)]
            found[_chosen(row)] = ", ".join([str(policy), *said])
    return [found[_chosen(row)] for row in rows.to_dict("records")]


def _chosen(row: dict[Any, Any]) -> tuple[Any, ...]:
    return row["policy"], row.get(_SLOTS), row.get("setting")


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
