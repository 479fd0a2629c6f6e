"""Truths recovered from the pairs that they gave, and what pairs cannot tell."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stratsim.cli import main
from stratsim.cli.profile.fit import _RULES
from stratsim.errors import ProfileError
from stratsim.fit.cells import Load, cells_of
from stratsim.fit.holdout import splits
from stratsim.fit.identify import intervals, local_intervals
from stratsim.fit.sharing import fit_sharing
from stratsim.fit.truth import RULES, fit_pairs, kernel_lengths
from stratsim.imports import Ask, import_measurements
from stratsim.model.codec import load_profile
from stratsim.model.contention import Sharing
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.parts import Link
from stratsim.model.profile import Pair
from stratsim.model.write import write_profile
from stratsim.run.pairs import Campaign, measure_pairs
from stratsim.testing import make_profile

DEMAND = {"a": 0.9, "b": 0.7, "c": 0.6}
WEIGHT = {"a": 1.0, "b": 3.0, "c": 0.5}
EXACT = Campaign(batches=(1,), noise_cv=0.0, held_out=0.0)


@pytest.fixture(scope="module")
def streams():
    """Three models under `streams`, and the exact slowdowns that they give."""
    sharing = {name: Sharing(DEMAND[name], WEIGHT[name]) for name in DEMAND}
    link = Link(0.0, 1e10)
    profile = make_profile(dict.fromkeys(DEMAND, 0.01), sharing=sharing, h2d=link, d2h=link)
    return measure_pairs(profile, EXACT)


def test_a_pair_is_one_cell_and_a_direction_that_was_not_measured_is_not_a_number():
    found = cells_of(
        [Pair("b", 8, "a", 1, 2.0), Pair("a", 1, "b", 8, 1.5), Pair("a", 1, "a", 1, 3.0), Pair("a", 1, "c", 1, 1.2)]
    )
    assert [cell.loads for cell in found] == [
        (Load("a", 1), Load("b", 8)),
        (Load("a", 1), Load("a", 1)),
        (Load("a", 1), Load("c", 1)),
    ]
    assert found[0].slowdowns == (1.5, 2.0)
    assert found[1].slowdowns == (3.0, 3.0)
    assert str(found[2].slowdowns) == "(1.2, nan)"
    assert [cell.role for cell in found] == ["pair", "self", "pair"]


def test_the_truth_that_gave_the_pairs_is_found_again(streams):
    found = fit_pairs(streams, ["streams"])
    made = found.profile.truth.sharing
    # a beside itself: 2 x 0.9 > 1, so each has half: slowdown 1.8. Weights are relative.
    assert {name: table[1].demand for name, table in made.items()} == pytest.approx(DEMAND, abs=1e-3)
    ratio = made["b"][1].weight / made["a"][1].weight, made["c"][1].weight / made["a"][1].weight
    assert ratio == pytest.approx((3.0, 0.5), rel=1e-2)
    errors = {(row.split, row.predictor): row.score.mean for row in found.rows}
    assert errors["in-sample", "streams"] < 1e-4
    assert errors["leave-one-pair-out", "streams"] < errors["leave-one-pair-out", "constant"]
    assert found.rule == "streams"
    assert found.profile.device_model is None
    assert found.exact


@pytest.mark.slow
def test_what_the_pairs_do_not_determine_is_flagged_and_said_in_the_provenance(streams):
    alone = replace(streams, pairs=tuple(pair for pair in streams.pairs if "c" not in (pair.target, pair.other)))
    idle = replace(alone, pairs=(*alone.pairs, Pair("c", 1, "a", 1, 1.0)))  # of c, only that it was not slowed once
    found = fit_pairs(idle, ["streams"])
    unknown = {(one.kind, one.load.model) for one in found.not_identified("streams")}
    assert ("weight", "c") in unknown
    assert "weight of c x1" in found.profile.provenance["truth.sharing"].note
    assert "mean error of the execution time: in-sample" in found.profile.provenance["truth.sharing"].note


@pytest.mark.slow
def test_kernels_that_take_turns_are_found_where_kernels_are_known():
    kernels = {"a": 100, "b": 400, "c": 50, "d": 200}
    profile = make_profile(dict.fromkeys(kernels, 0.01), kernels=kernels)
    truth = KernelQueue(0.5, holds={"a": {1: 0.8}, "b": {1: 0.3}, "c": {1: 0.6}, "d": {1: 0.4}}, residual=0.7)
    measured = measure_pairs(
        replace(profile, truth=replace(profile.truth, kernel_queue=truth)), replace(EXACT, device_model="kernel-queue")
    )
    bare = replace(measured, truth=profile.truth)
    assert kernel_lengths(bare, bare.pairs)[Load("b", 1)] == pytest.approx(0.01 / 400)
    found = fit_pairs(bare)
    assert found.rule == "kernel-queue"
    assert found.profile.device_model == "kernel-queue"
    errors = {(row.split, row.predictor): row.score.mean for row in found.rows}
    assert errors["in-sample", "kernel-queue"] < 0.005
    assert errors["leave-one-pair-out", "kernel-queue"] < 0.05


def test_held_out_pairs_judge_and_are_not_fitted(streams):
    wrong = tuple(
        replace(pair, slowdown=9.0, held_out=True) if {pair.target, pair.other} == {"a", "b"} else pair
        for pair in streams.pairs
    )
    found = fit_pairs(replace(streams, pairs=wrong), ["streams"])
    rows = {row.split: row.score for row in found.rows if row.predictor == "streams"}
    assert rows["in-sample"].mean < 1e-3
    assert rows["held-out pairs"].mean > 0.5
    assert rows["held-out pairs"].count == 2


@pytest.mark.slow
def test_what_cannot_be_fitted_is_said(streams):
    with pytest.raises(ProfileError, match="has no measured pairs to fit to; `stratsim profile import pairs`"):
        fit_pairs(replace(streams, pairs=()))
    with pytest.raises(ProfileError, match="the kernels of some models are not known; `stratsim profile import nsys`"):
        fit_pairs(streams, ["kernel-queue"])
    shared = replace(streams, schema_version=2, pairs=(*streams.pairs, Pair("a", 1, "b", 1, 4.0, target_share=0.5)))
    found = fit_pairs(shared)
    assert found.notes[0] == "1 pairs with shares are not fitted"
    assert found.notes[1].startswith("kernel-queue is not fitted")


@pytest.mark.slow
def test_the_curvature_gives_intervals_near_those_of_the_likelihood_where_there_are_no_kinks(streams):
    noisy = measure_pairs(replace(streams, pairs=()), replace(EXACT, noise_cv=0.02, seed=3))
    fit = fit_sharing(cells_of(noisy.pairs), starts=2)
    for quick, exact in zip(local_intervals(fit), intervals(fit), strict=True):
        assert (quick.kind, quick.load) == (exact.kind, exact.load)
        assert quick.low <= quick.value <= quick.high
        if exact.kind == "demand":
            assert quick.high - quick.low == pytest.approx(exact.high - exact.low, abs=0.1)


def test_many_pairs_are_left_out_in_few_folds_each_once():
    cells = cells_of(Pair(f"m{one}", 1, f"m{other}", 1, 1.5) for one in range(8) for other in range(8))
    found = [*splits("leave-one-pair-out", cells, most=5)]
    assert len(found) == 5
    out = [cell.name for _, test in found for cell in test]
    assert len(out) == len(set(out)) == 28
    assert len([*splits("leave-one-pair-out", cells)]) == 28


@pytest.mark.slow
def test_the_command_writes_a_profile_and_prints_what_it_is_worth(streams, tmp_path, capsys):
    write_profile(streams, tmp_path / "p.json")
    assert main(["profile", "fit", "--pairs", str(tmp_path / "p.json"), "--out", str(tmp_path / "q.json")]) == 0
    out, err = capsys.readouterr()
    assert "leave-one-pair-out: streams" in out
    assert "device model streams" in err
    assert load_profile(tmp_path / "q.json").truth.sharing["a"][1].demand == pytest.approx(0.9, abs=1e-3)
    assert main(["profile", "fit", "--pairs", str(tmp_path / "p.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["device_model"] == "streams"
    assert main(["profile", "fit", "--pairs", str(tmp_path / "p.json"), "--report", "r.html"]) == 2
    assert "--report needs samples" in capsys.readouterr().err
    assert (
        main(["profile", "fit", "--pairs", str(tmp_path / "p.json"), "--device-model", "time-slicing", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["device_model"] == "time-slicing"
    assert main(["profile", "fit", "samples.jsonl", "--device-model", "streams"]) == 2
    assert "--device-model belongs to --pairs" in capsys.readouterr().err


def test_the_command_offers_every_rule():
    assert RULES == _RULES


@pytest.mark.data
@pytest.mark.skipif("STRATSIM_DATA" not in os.environ, reason="needs the public data files: set STRATSIM_DATA")
def test_the_published_pairs_of_a_v100_are_fitted_as_the_page_says():
    path = Path(os.environ["STRATSIM_DATA"], "gavel", "colocated_v100.csv")
    columns = {"model_a": "job_a", "model_b": "job_b"}
    columns |= {f"{name}_{side}": f"{name}_{side}_per_s" for name in ("alone", "together") for side in "ab"}
    profile, _ = import_measurements("pairs", [path], Ask(columns=columns))
    found = fit_sharing(cells_of(profile.pairs), starts=1)
    errors = abs(np.exp(found.residuals) - 1)
    assert len(errors) == 656  # 633 pairs; those of a job with its copy are two alike streams
    assert found.sigma == pytest.approx(0.110, abs=0.002)
    assert float(np.median(errors)) < 0.06
