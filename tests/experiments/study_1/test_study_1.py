"""Study 1: verdicts from made-up rows, figures from made-up predictions, and a small run through the command."""

import json

import numpy as np
import pytest

from stratsim.compare.prequential import Prediction, Scores
from stratsim.errors import SpecError
from stratsim.rng import Streams
from study_1 import study as script
from study_1.arrivals import mixes, saturation_per_s, workload
from study_1.cell import run_cell
from study_1.errors import tables
from study_1.runs import KINDS, load_study, make_study
from study_1.sets import SETS, model_set
from study_1.summary import summarise

# Figures ------------------------------------------------------------------------------------------------------------


def predictions(errors, **options):
    """Batches of 10 s alone that took 20 s, one per second, predicted with these errors."""
    return [
        Prediction("rls", "realised", i, i, "a", 1, "b", 20.0 * (1 + error), 20.0, 10.0, 0.0, float(i))
        for i, error in enumerate(errors)
    ]


def rows_of(errors, shift_s=None):
    found = tables(Scores(predictions(errors), alone=3, censored=2, judged=len(errors)), shift_s)
    return {(row["part"], row["place"]): row for row in found}


def test_a_row_sums_up_the_errors_after_the_warm_up():
    row = rows_of([9.0] * 100 + [-0.8, -0.5, 0.1, 0.2])["all", ""]
    assert (row["batches"], row["alone"], row["censored"], row["judged"]) == (4, 3, 2, 104)
    assert row["error"] == pytest.approx(0.4)
    assert row["bias"] == pytest.approx(-0.25)
    assert (row["over"], row["large_under"], row["large_over"]) == (0.5, 0.25, 0.0)
    assert (row["worst_under"], row["worst_over"]) == pytest.approx((0.8, 0.2))
    assert row["excess_error"] == pytest.approx(np.median([1.6, 1.0, 0.2, 0.4])), "of slowdown - 1, which is 1"
    assert row["q50"] == pytest.approx(-0.2)


def test_parts_of_a_run_are_counted_from_the_shift():
    errors = [0.1] * 150 + [1.0] * 100 + [0.5] * 100 + [0.2] * 200
    rows = rows_of(errors, shift_s=149.0)
    sizes = {part: row["batches"] for (part, place), row in rows.items() if not place}
    assert sizes == {"before": 50, "after": 400, "at once": 100, "recovering": 100, "later": 300, "settled": 200}
    mean = {part: row["error"] for (part, place), row in rows.items() if not place}
    assert mean["recovering"] == pytest.approx(0.5)
    assert mean["settled"] == pytest.approx(0.2)
    course = {int(place): row["error"] for (part, place), row in rows.items() if part == "course"}
    assert list(course) == list(range(-100, 400, 25))
    assert [course[at] for at in (-25, 0, 75, 100, 375)] == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.2])


def test_pairs_that_nobody_was_told_of_are_counted_by_meetings():
    """The first five meetings are wrong by 1, the next fifteen by 0.5, all others by 0.1; other pairs do not count."""
    errors = [1.0] * 5 + [0.5] * 15 + [0.1] * 30
    told = predictions([9.0] * 40)
    told = [each._replace(beside="c", end_s=-1.0) for each in told] + predictions(errors)
    found = tables(Scores(told, judged=len(told)), None, frozenset([("a", "b")]))
    rows = {(row["part"], row["place"]): row for row in found}
    assert (rows["first met", ""]["batches"], rows["first met", ""]["error"]) == (5, pytest.approx(1.0))
    assert (rows["met often", ""]["batches"], rows["met often", ""]["error"]) == (30, pytest.approx(0.1))
    assert [rows["met", str(at)]["error"] for at in (0, 1, 2, 5, 10, 20)] == pytest.approx([1, 1, 1, 0.5, 0.5, 0.1])
    assert ("met", "50") not in rows


def test_a_row_says_how_often_the_intervals_covered():
    """All batches take what was predicted, but the last: nothing else was ever seen, so its interval misses it."""
    row = rows_of([0.0] * 100 + [0.0, 0.0, 0.0, 0.25])["all", ""]
    assert (row["recent_coverage"], row["recent_width"]) == (0.75, 0.0)
    assert "own_coverage" not in row


# Verdicts -----------------------------------------------------------------------------------------------------------

CELL = {"set": "made", "load": 0.8, "slots": 3, "behaviour": "fifo"}


def row(seed, predictor, kind, part, error, mix="shifting", **more):
    figures = {"batches": 100, "error": error, "bias": -error, "slowdown": 2.0, "worst_under": error, **more}
    names = {"predictor": predictor, "kind": kind, "part": part, "place": ""}
    return {**CELL, "mix": mix, "seed": seed, **names, **figures}


def verdicts(rows):
    return {each["hypothesis"]: each for each in summarise(rows)["verdicts"] if each["decides"]}


def jitter(seed):
    return 0.001 * (seed % 3)


@pytest.mark.parametrize(
    ("recovering", "later", "expected"),
    [
        (0.1, 0.1, "supported"),
        (0.2, 0.1, "rejected"),  # not below 1.25 times the settled error
        (0.1, 0.3, "rejected"),  # not a third better than gpulet
    ],
)
def test_rls_recovers_and_is_better(recovering, later, expected):
    rows = []
    for seed in range(10):
        found = {"recovering": recovering, "later": later, "settled": 0.1}
        rows += [row(seed, "rls", "realised", part, value + jitter(seed)) for part, value in found.items()]
        rows += [row(seed, "gpulet", "realised", part, 0.3) for part in ("before", "after", "later")]
    assert verdicts(rows)["H4"]["verdict"] == expected


def test_what_seeds_disagree_about_is_undecided():
    after = [0.2, 0.4] * 5
    rows = [
        row(seed, "gpulet", "realised", part, value)
        for seed, each in enumerate(after)
        for part, value in (("before", 0.3), ("after", each))
    ]
    found = verdicts(rows)["H3"]
    assert found["verdict"] == "undecided"
    assert found["claims"][0]["mean"] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("covered", "expected"), [(0.9, "supported"), (0.8, "rejected"), (0.97, "rejected")])
def test_coverage_is_right_within_five_points(covered, expected):
    rows = [
        row(seed, "rls", "realised", "all", 0.1, "stationary", own_coverage=covered + jitter(seed))
        for seed in range(10)
    ]
    assert verdicts(rows)["H8a"]["verdict"] == expected


@pytest.mark.parametrize(("worst", "expected"), [(0.7, "supported"), (0.5, "rejected")])
def test_an_underestimate_past_60_percent(worst, expected):
    rows = [
        row(seed, "gpulet", "snapshot", "all", 0.2 + jitter(seed), "stationary", worst_under=worst + jitter(seed))
        for seed in range(10)
    ]
    assert verdicts(rows)["H1"]["verdict"] == expected


def test_more_cells_need_more_evidence():
    """Bonferroni: the interval of a claim grows with the number of cells that the hypothesis is tried in."""
    rows = [
        {**row(seed, "gpulet", "realised", part, 0.3 + 0.1 * jitter(seed) * (part == "after")), "load": load}
        for load in (0.5, 0.8, 1.0)
        for seed in range(10)
        for part in ("before", "after")
    ]
    one = verdicts([each for each in rows if each["load"] == 0.8])["H3"]["claims"][0]
    three = verdicts(rows)["H3"]["claims"][0]
    assert three["mean"] == pytest.approx(one["mean"])
    assert three["high"] - three["low"] > 1.2 * (one["high"] - one["low"])


def test_a_course_ends_where_the_first_seed_does():
    """The seeds that got further are the ones that went better, or worse: no sample of all."""
    lengths = {0: 3, 1: 2, 2: 3}
    rows = [
        {**row(seed, "rls", "realised", "course", 0.1 * (1 + seed)), "place": str(25 * place)}
        for seed, length in lengths.items()
        for place in range(length)
    ]
    found = {each["batches"]: each["error"] for each in summarise(rows)["course"]}
    assert found == {0: pytest.approx(0.2), 25: pytest.approx(0.2)}


# Runs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_sets_say_where_they_come_from(name):
    chosen = model_set(name, Streams(1))
    assert {*chosen.before, *chosen.after} == {*chosen.profile.observable.models}
    assert not set(chosen.before) & set(chosen.after)
    kinds = {each.kind for each in chosen.profile.provenance.values()}
    assert "measured" in kinds if name.startswith("h200") else "synthetic" in kinds
    assert bool(chosen.profile.pairs) == name.startswith("h200")


def test_the_mix_shifts_and_the_load_does_not():
    chosen = model_set("asymmetric", Streams(1))
    halves = mixes(chosen, shifting=True)
    made = workload(chosen, halves, 0.5, 2000, Streams(2))
    names = np.array(made.models)[made.model]
    assert np.isin(names[:2000], chosen.before).mean() == pytest.approx(0.9, abs=0.03)
    assert np.isin(names[2000:], chosen.after).mean() == pytest.approx(0.9, abs=0.03)
    for part, mix in zip((made.arrival_s[:2000], made.arrival_s[2000:]), halves, strict=True):
        rate = (len(part) - 1) / (part[-1] - part[0])
        assert rate == pytest.approx(0.5 * saturation_per_s(chosen, mix, Streams(2)), rel=0.1)


@pytest.mark.parametrize("mix", ["shifting", "slower"])
def test_a_cell_is_a_pure_function(mix):
    settings = {"set": "disb", "mix": mix, "length": 0.3}
    rows = run_cell(settings, 5)
    assert rows == run_cell(settings, 5)
    assert rows != run_cell(settings, 6)
    oracle = [each for each in rows if (each["predictor"], each["kind"]) == ("oracle", "realised")]
    error = {each["part"]: each["error"] for each in oracle if not each["place"]}
    assert error["before"] < 0.01, "noise alone"
    expected = 0.0 if mix == "shifting" else 1 - 1 / 1.2  # nobody tells it that all takes 1.2 times as long
    assert error["after"] == pytest.approx(expected, abs=0.01)


STUDY = {"title": "small", "seeds": [1, 2], "axes": [{"set": ["disb"], "mix": ["stationary", "shifting"]}]}


@pytest.mark.slow
def test_the_script_runs_and_goes_on(tmp_path, capsys, monkeypatch):
    (tmp_path / "study.toml").write_text(
        'title = "small"\nseeds = [1, 2]\ntruths = ["phased"]\nbatches = 300\n'
        '[[axes]]\nset = ["disb"]\nmix = ["stationary", "shifting", "slower"]\nlength = [0.4]\nslots = [2]\n'
    )
    monkeypatch.setattr(script, "HERE", tmp_path)
    out = tmp_path / "out"
    assert script.main(["--out", str(out)]) == 0
    assert "0 runs failed" in capsys.readouterr().out
    summary = json.loads((out / "study.json").read_text())
    assert {each["hypothesis"] for each in summary["verdicts"]} >= {"H1", "H2a", "H2b", "H3", "H4", "H5", "H8a"}
    assert {each["hypothesis"] for each in summary["pairs-judged"]["verdicts"]} == {"P1", "P2", "P3"}
    assert {each["card"] for each in summary["logs"]["verdicts"]} == {"first card", "second card"}
    assert summary["provenance"].startswith("simulated devices are synthetic")
    for name in ("live-errors", "live-course", "live-coverage", "pair-errors", "prediction-errors", "prediction-shift"):
        assert (out / "figures" / f"{name}.csv").exists()
    tables = {name: (out / kind.folder / "results.csv").read_bytes() for name, kind in KINDS.items()}
    assert script.main(["--out", str(out)]) == 0
    assert "cells: 0 of 6" in capsys.readouterr().out
    assert {name: (out / kind.folder / "results.csv").read_bytes() for name, kind in KINDS.items()} == tables


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": [{"sets": ["disb"]}]}, r"no setting 'sets'; did you mean 'set'\? - at \$\.axes"),
        ({"axes": [{"set": ["disc"]}]}, r"set must be one of .*, got 'disc' - at \$\.axes"),
        ({"axes": [{"load": [0.0]}]}, r"load must be a number within .* - at \$\.axes"),
        ({"truths": ["h100"]}, r"truth must be one of .*, got 'h100' - at \$\.truths"),
        ({"base": {"max_batch": 4}}, r"unknown field 'base'"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(SpecError, match=message):
        make_study({**STUDY, **change}, "study.toml")


def test_the_short_version_keeps_four_of_14_cells():
    """Six sets where nothing changes, four where something does; twelve seeds, none of the first edition."""
    full, _ = load_study(script.HERE / "study.toml")
    quick, _ = load_study(script.HERE / "study.toml", quick=True)
    assert (len(full.cells()), full.seeds, full.batches) == (6 + 2 * 4, [*range(11, 23)], None)
    assert (len(quick.cells()), quick.seeds, quick.batches) == (4, [1, 2], 400)
    assert len(KINDS["pairs"].tasks(full)) == 1 + 3 * 12
    assert len(KINDS["logs"].tasks(full)) == 2
