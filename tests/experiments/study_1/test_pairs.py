"""Pairs: replicates, and verdicts from made-up errors."""

import pytest

from study_1.pairs import COLUMNS, judge_pairs
from study_1.summary import summarise_pairs


@pytest.mark.slow
def test_measured_pairs_are_told_by_pair_of_models():
    rows = judge_pairs("h200", 0)
    assert all(tuple(row) == COLUMNS for row in rows)
    within = {row["replicate"] for row in rows if row["split"] == "left out by pair"}
    assert len(within) == 23, "of 28: the pairs of five were not measured"
    assert all(" + " in each for each in within)
    half = {split: {r["replicate"] for r in rows if r["split"] == split} for split in ("shift, seen", "shift, unseen")}
    assert not half["shift, seen"] & half["shift, unseen"]


@pytest.mark.slow
def test_drawn_devices_are_told_by_seed():
    rows = judge_pairs("phased", 3)
    assert rows == judge_pairs("phased", 3)
    assert {row["replicate"] for row in rows} == {"3"}
    assert {row["split"] for row in rows} >= {"left out by pair", "left out by model", "shift, seen", "shift, unseen"}


@pytest.mark.parametrize(("ours", "verdict"), [(0.1, "supported"), (0.3, "rejected"), (None, "undecided")])
def test_verdicts_on_pairs(ours, verdict):
    """P1: rls against ewma-pairs, which errs by 0.2; by 0.1 and 0.3 in turn it is not known."""
    rows = [
        {"truth": "made", "replicate": str(seed), "split": split, "predictor": name, "pairs": 4,
         "error": error + 0.001 * (seed % 3), "bias": 0.0}
        for seed in range(10)
        for split in ("left out by pair", "shift, seen", "shift, unseen")
        for name, error in (
            ("rls", ours if ours is not None else (0.1, 0.3)[seed % 2]),
            ("ewma-pairs", 0.2), ("gpulet", 0.2), ("static-pairs", 0.2),
        )
    ]  # fmt: skip
    found = {each["hypothesis"]: each for each in summarise_pairs(rows)["verdicts"]}
    assert found["P1"]["verdict"] == verdict


def test_predictors_are_compared_on_the_same_replicates_in_whatever_order_they_come():
    """RLS errs by 0.01 less than ewma-pairs on each device, which differ by much more than that."""
    rows = [
        {"truth": "made", "replicate": str(seed), "split": split, "predictor": name, "pairs": 4,
         "error": 0.1 * seed - (0.01 if name == "rls" else 0.0), "bias": 0.0}
        for name in ("ewma-pairs", "rls", "gpulet", "static-pairs")
        for split in ("left out by pair", "shift, seen", "shift, unseen")
        for seed in ((1, 2, 3, 4) if name == "ewma-pairs" else (4, 1, 3, 2))
    ]  # fmt: skip
    (claim,) = next(each["claims"] for each in summarise_pairs(rows)["verdicts"] if each["hypothesis"] == "P1")
    assert (claim["low"], claim["high"]) == (pytest.approx(-0.01), pytest.approx(-0.01))
