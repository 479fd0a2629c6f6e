"""Reads a result folder: summary and manifest at once, the tables as pandas frames when they are asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, SpecError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["StoredResults", "read_results"]

_LABELS = frozenset({"policy", "model", "priority", "client", "status", "reason"})
_IDS = frozenset({"request_id", "batch_id", "gpu", "batch_size", "bytes_in", "bytes_out", "pauses", "attempts"})


@dataclass(frozen=True, slots=True)
class StoredResults:
    """A result folder."""

    directory: Path
    summary: dict[str, Any]
    """Content of summary.json: `runs`, one element per policy."""
    manifest: dict[str, Any]
    """Content of manifest.json."""

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The figures of each policy."""
        runs: list[dict[str, Any]] = self.summary["runs"]
        return runs

    @property
    def policies(self) -> list[str]:
        """The policies, in the order in which they were run."""
        return [run["policy"] for run in self.runs]

    def requests(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the request table, one row per policy and request (docs/results.md).

        Args:
            columns: Only these; all by default.
        """
        return _read_table(self.directory, "requests", columns)

    def batches(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the batch table, one row per policy and batch (docs/results.md).

        Args:
            columns: Only these; all by default.
        """
        return _read_table(self.directory, "batches", columns)

    @property
    def has_pauses(self) -> bool:
        """Whether one of the policies can preempt: then there is a table of pauses."""
        return any((self.directory / f"pauses.{suffix}").is_file() for suffix in ("parquet", "csv.gz"))

    def pauses(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the table of pauses, one row per policy and time that a batch was stopped (docs/results.md).

        Args:
            columns: Only these; all by default.

        Raises:
            SpecError: no policy of this result can preempt.
        """
        return _read_table(self.directory, "pauses", columns)


def read_results(directory: str | os.PathLike[str]) -> StoredResults:
    """Read a folder that `stratsim replay --out` wrote.

    Raises:
        SpecError: it is no result folder but, say, a sweep, or a file in it is broken.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise SpecError(f"{directory}: no such folder")
    if not (folder / "manifest.json").is_file():
        raise SpecError(f"{directory}: is not a result folder (it has no manifest.json); make one with --out")
    manifest = _read_json(folder / "manifest.json")
    if "sweeps" in manifest:
        command = f"stratsim sweep replay {directory} ROW --out RESULT"
        raise SpecError(f"{directory}: is a sweep; `{command}` makes a result folder of one of its runs")
    summary = _read_json(folder / "summary.json")
    runs = summary.get("runs")
    if not isinstance(runs, list) or not all(isinstance(run, dict) and "policy" in run for run in runs):
        raise SpecError(f"{folder / 'summary.json'}: has no list `runs` of policies")
    return StoredResults(folder, summary, manifest)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SpecError(f"{path}: must hold a JSON object")
    return content


def _read_table(folder: Path, name: str, columns: Sequence[str] | None) -> pd.DataFrame:
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv.gz"
    path = parquet if parquet.is_file() else csv
    if not path.is_file():
        raise SpecError(f"{folder}: has neither {parquet.name} nor {csv.name}")
    try:
        return _read_parquet(path, columns) if path is parquet else _read_csv(path, columns)
    except (OSError, EOFError, ValueError) as error:  # pyarrow's and pandas' own errors are ValueErrors too
        raise SpecError(f"{path}: cannot be read: {error}") from error


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    if find_spec("pyarrow") is None:
        raise MissingExtraError("pyarrow", "parquet")
    import pyarrow.parquet as pq

    # By file, not by dataset: a folder named key=value in the path must not become a column.
    with pq.ParquetFile(path) as file:
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            raise ValueError(f"it has no column {min(missing)!r}")
        table = file.read(None if columns is None else list(columns)).unify_dictionaries()
    frame: pd.DataFrame = table.to_pandas(types_mapper=None, integer_object_nulls=False)
    return _tidy(frame)


def _read_csv(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    names = pd.read_csv(path, nrows=0).columns
    kinds = {name: "category" if name in _LABELS else "Int64" if name in _IDS else "float64" for name in names}
    frame = pd.read_csv(
        path,
        usecols=None if columns is None else list(columns),
        dtype=kinds,
        **_exact_floats(pd.__version__),
        keep_default_na=False,
        na_values=[""],
    )
    return _tidy(frame if columns is None else frame[list(columns)])


def _exact_floats(version: str) -> dict[str, Any]:
    """Return the option that makes pandas read a float exactly; since 3.1 it always does and deprecates the option."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Give both formats the same types: Int64 for whole numbers that may be missing, categories for labels."""
    for name in frame.columns:
        if name in _IDS and frame[name].dtype != "Int64":
            frame[name] = frame[name].astype("Int64")
    return frame
