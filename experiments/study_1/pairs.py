"""Predictors judged on pairs: features (of pairs never seen) and memory (of a changed device) as separate questions.

The judging is `stratsim predictor score`'s own (`stratsim.score`); what is added is the baseline that fits one constant
to the same pairs, and replicates: the seeds that a synthetic device is drawn by, or, of the one H200 that was measured,
the pairs of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.model.codec import load_profile
from stratsim.rng import Streams
from stratsim.run.pairs import Campaign, measure_pairs
from stratsim.score import score_devices, score_predictors
from study_1.ladder import FITTED, LADDER
from study_1.sets import model_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import Profile
    from stratsim.score import Scored

    Row = dict[str, Any]

__all__ = ["COLUMNS", "MEASURED", "TRUTHS", "judge_pairs"]

MEASURED = "h200"
"""The pairs as they were measured on an H200."""
TRUTHS = (MEASURED, "asymmetric", "phased", "a100")
"""Whose pairs are judged: measured ones, and those of the sets that are drawn by seed."""
COLUMNS = ("truth", "replicate", "split", "predictor", "pairs", "error", "bias")
"""Of the rows."""


def judge_pairs(truth: str, seed: int) -> list[Row]:
    """Return the mean error by replicate, split and predictor: a pure function.

    Args:
        truth: One of `TRUTHS`.
        seed: Of the device that is drawn, and of the noise of its campaign; the measured pairs do not depend on it.
    """
    if truth == MEASURED:
        return _rows(truth, _scored(load_profile("h200-fp16")), None)
    devices = model_set(truth, Streams(seed).child("set"))
    sizes = (1, devices.max_batch) if devices.max_batch > 1 else (1,)
    campaign = Campaign(sizes, device_model=devices.profile.default_device_model, seed=seed)
    return _rows(truth, _scored(measure_pairs(devices.profile, campaign)), str(seed))


def _scored(profile: Profile) -> list[Scored]:
    """Return what the predictors say, and a constant fitted to the same pairs; after the change it would be stale."""
    constant = [row for row in score_devices(profile, ["constant"]).rows if not row.split.startswith("shift")]
    return [*score_predictors(profile, list(LADDER.values())).rows, *constant]


def _rows(truth: str, scored: Sequence[Scored], replicate: str | None) -> list[Row]:
    names = {text: name for name, text in LADDER.items()} | {"constant": FITTED}
    errors: dict[tuple[str, str, str], list[float]] = {}
    for each in scored:
        within = replicate or " + ".join(sorted((each.target, each.other)))
        key = (within, each.split, names[each.name])
        errors.setdefault(key, []).append(each.predicted / each.measured - 1.0)
    rows = []
    for (within, split, name), found in errors.items():
        error = np.array(found)
        figures = {"pairs": len(error), "error": float(np.abs(error).mean()), "bias": float(error.mean())}
        rows.append({"truth": truth, "replicate": within, "split": split, "predictor": name, **figures})
    return rows
