"""The outcome of scoring: one row per predicted slowdown, errors by name and split, and the files they go to."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError
from stratsim.fit.scores import Score, score
from stratsim.model.write import check_folder, check_out, write_text
from stratsim.plugins import points
from stratsim.score.folds import SPLITS

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.model.profile import Pair

__all__ = ["Scored", "Scores", "scored", "write_scores"]

_DATA = "scores"
_SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Scored:
    """One predicted slowdown.

    Args:
        split: One of `SPLITS`, or `as given`.
        name: The predictor or device model.
        target: The model that was timed.
        target_batch: Its batch size.
        other: The co-located model.
        other_batch: Its batch size.
        measured: Slowdown, as the profile has it, or as it is since the device changed.
        predicted: Slowdown.
    """

    split: str
    name: str
    target: str
    target_batch: int
    other: str
    other_batch: int
    measured: float
    predicted: float


@dataclass(frozen=True, slots=True)
class Scores:
    """All predictions.

    Args:
        profile: Name of the profile.
        kind: `predictor` or `device model`.
        rows: By name, split and pair.
        notes: What was left out and why: one line each.
    """

    profile: str
    kind: str
    rows: tuple[Scored, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Those that were scored, in order."""
        return list(dict.fromkeys(row.name for row in self.rows))

    @property
    def splits(self) -> list[str]:
        """The splits that there are, in the order of `SPLITS`; `as given` first."""
        found = {row.split for row in self.rows}
        return [split for split in ("as given", *SPLITS) if split in found]

    def score(self, name: str, split: str) -> Score | None:
        """Return the errors of one in a split; None where it predicted nothing there."""
        rows = [row for row in self.rows if row.name == name and row.split == split]
        return score([row.predicted for row in rows], [row.measured for row in rows])

    def summary(self) -> list[dict[str, Any]]:
        """Return a row per name and split: `stratsim.fit.scores.Score`, as plain data."""
        found = []
        for name in self.names:
            for split in self.splits:
                errors = self.score(name, split)
                if errors is not None:
                    found.append({"name": name, "split": split, **asdict(errors)})
        return found


def scored(split: str, name: str, pair: Pair, predicted: float) -> Scored:
    """Return a prediction of a pair."""
    loads = (pair.target, pair.target_batch, pair.other, pair.other_batch)
    return Scored(split, name, *loads, pair.slowdown, predicted)


def write_scores(found: Scores, folder: Path, *, overwrite: bool = False) -> list[str]:
    """Write `scores.csv`, `summary.csv` and, where matplotlib is installed, `scores.png` and `.svg`.

    Returns:
        Notes on what could not be drawn.

    Raises:
        OutputError: a file exists and `overwrite` is false, or the folder cannot be one.
    """
    check_folder(folder)
    for name in (_DATA, _SUMMARY):
        check_out(folder / f"{name}.csv", overwrite=overwrite)
    rows = [{"profile": found.profile, **asdict(row)} for row in found.rows]
    columns = ["profile", *(field.name for field in fields(Scored))]
    write_text(_csv(rows, columns), folder / f"{_DATA}.csv", overwrite=overwrite)
    summary = found.summary()
    write_text(_csv(summary, list(summary[0]) if summary else []), folder / f"{_SUMMARY}.csv", overwrite=overwrite)
    point = points("stratsim.figures").get("scores")
    if point is None:
        return ["no figure: this copy of stratsim comes without stratsim_plots"]
    try:
        draw: Any = point.load()
        draw(folder, [_DATA])
    except (MissingExtraError, ModuleNotFoundError) as error:
        return [f"no figure: {error}"]
    return []


def _csv(rows: list[dict[str, Any]], columns: list[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
