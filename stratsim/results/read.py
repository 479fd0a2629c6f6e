"""Reads a result folder: summary and manifest at once, the tables as pandas frames when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.model.codec import read_json
from stratsim.notebook import card, line, percent
from stratsim.results.schema import Manifest, Stopping, read_manifest, read_summary

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["StoredResults", "read_draws", "read_results"]

_MOST_DRAWS = 1000
"""As `replay --draws` takes."""


@dataclass(frozen=True, slots=True)
class StoredResults:
    """A result folder."""

    directory: Path
    summary: dict[str, Any]
    """Content of summary.json: `runs`, one element per policy."""
    manifest: dict[str, Any]
    """Content of manifest.json."""
    decoded: Manifest = field(default_factory=Manifest)
    """What of it has a known type."""

    def __repr__(self) -> str:
        return line("StoredResults", str(self.directory), ", ".join(self.policies))

    def _repr_html_(self) -> str:
        rows = [
            (run["policy"], label, *(each[key] for key in ("arrived", "late", "dropped")), percent(each["violation"]))
            for run in self.runs
            for label, each in run["classes"].items()
        ]
        columns = ("policy", "class", "arrived", "late", "dropped", "violations")
        return card(f"Results in {self.directory}", columns, rows, self.decoded.notes)

    def stopping(self, policy: str) -> Stopping | None:
        """Return how a policy stops batches; None if the manifest does not say, or it does not stop any."""
        return self.decoded.preemption.get(policy)

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
        """Return the request table, one row per policy and request (docs/reference/result-files.md).

        Args:
            columns: Only these; all by default.
        """
        return self._table("requests", columns)

    def batches(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the batch table, one row per policy and batch (docs/reference/result-files.md).

        Args:
            columns: Only these; all by default.
        """
        return self._table("batches", columns)

    @property
    def has_pauses(self) -> bool:
        """Whether one of the policies can preempt: then there is a table of pauses."""
        return any((self.directory / f"pauses.{suffix}").is_file() for suffix in ("parquet", "csv.gz"))

    def pauses(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the table of pauses, one row per stop of a batch under a policy (docs/reference/result-files.md).

        Args:
            columns: Only these; all by default.

        Raises:
            SpecError: no policy of this result can preempt.
        """
        return self._table("pauses", columns)

    def _table(self, name: str, columns: Sequence[str] | None) -> pd.DataFrame:
        from stratsim.results.read_table import read_table

        return read_table(self.directory, name, columns, self.policies)


def read_draws(directory: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what `replay --draws` found, as its folder has it; None where it was not asked for.

    Raises:
        SpecError: the file is damaged.
    """
    path = Path(directory) / "draws.json"
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        whole = all({"label", "figure", "better", "worse", "held", "draws"} <= each.keys() for each in found["held"])
    except (KeyError, TypeError, AttributeError) as error:
        raise SpecError(f"{path}: is damaged: {error}") from None
    if not whole or type(found.get("draws")) is not int or not 1 <= found["draws"] <= _MOST_DRAWS:
        raise SpecError(f"{path}: is damaged: it does not say what holds in how many draws")
    drawn: dict[str, Any] = found
    return drawn


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
    manifest, decoded = read_manifest(folder / "manifest.json")
    if "sweeps" in manifest:
        command = f"stratsim sweep replay {directory} ROW --out RESULT"
        raise SpecError(f"{directory}: is a sweep; `{command}` makes a result folder of one of its runs")
    return StoredResults(folder, read_summary(folder / "summary.json"), manifest, decoded)
