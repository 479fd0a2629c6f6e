"""The live runs on two H200s that are kept beside the documentation, as logs for predictors to be judged on."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stratsim.compare.log import read_log
from stratsim.fidelity.record import read_runs
from stratsim.model.codec import load_profile

if TYPE_CHECKING:
    from stratsim.compare.log import RunLog
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["CARDS", "SLOTS", "CardLogs", "read_card"]

SLOTS = 2
"""Batches that executed at once in these runs."""

CARDS: dict[str, tuple[str, dict[float, str]]] = {
    "first card": ("first", {0.5: "first/calibration"}),
    "second card": (".", {load: f"calibration/load-{load:g}" for load in (0.5, 0.7, 0.85)}),
}
"""By card: the folder of its profile, and the folder of each run by load, in the order in which they were made. All are
of FIFO."""


@dataclass(frozen=True, slots=True)
class CardLogs:
    """What is kept of one card.

    Args:
        profile: Execution times alone as this card served them, measured before the runs; all else is of the profile
            `h200-fp16`, measured on a third card.
        runs: By load, in the order in which they were made.
        logs: Of the same runs, as if each batch had been dispatched when its execution started.
    """

    profile: Profile
    runs: dict[float, Recorded]
    logs: dict[float, RunLog]


def read_card(folder: Path, card: str, most: int | None = None) -> CardLogs:
    """Read the runs of a card.

    Args:
        folder: Where the runs lie.
        card: One of `CARDS`.
        most: Batches to read of each run; all by default.
    """
    own, paths = CARDS[card]
    profile = _unpacked(folder / own / "calibrated.json.gz")
    runs = {load: read_runs(folder / path)[0] for load, path in paths.items()}
    known = profile.for_scheduler()
    logs = {load: _head(read_log(run.result, known).asked_at_start(), most) for load, run in runs.items()}
    return CardLogs(profile, runs, logs)


def _unpacked(path: Path) -> Profile:
    with TemporaryDirectory() as scratch:
        plain = Path(scratch) / path.stem
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        return load_profile(plain)


def _head(log: RunLog, most: int | None) -> RunLog:
    """Return the first batches of a log."""
    if most is None or most >= len(log.gpu):
        return log
    steps = tuple([step for step in log.steps if step.batch < most])
    columns = ("observations", "gpu", "ready_s", "start_s", "longest_beside")
    return replace(log, steps=steps, **{name: getattr(log, name)[:most] for name in columns})
