"""The analysis, against tables worked out by hand; and that result seeds choose nothing."""

import json
import math
import random

import pytest

from stratsim.sweep import load_sweep
from stratsim.sweep.spec import Select
from stratsim.sweep.worker import COLUMNS
from study_2 import roles
from study_2.analysis import summarise
from study_2.roles import Analysis, Study
from study_2.study import HERE
from study_2.tables import figures, tables

ROLES = {
    "strait": "strait",
    "oracle": "oracle",
    "edf": "rival-blind",
    "fifo": "rival-blind",
    "ref": "reference",
    "gated": "rival-preemptive",
    "half": "ablation",
}
SELECT = Select(seeds=[1], axes=["max_concurrency"], fixed={"max_concurrency": 2})
STUDY = Study(
    title="by hand",
    axes=("load",),
    trials=dict.fromkeys(ROLES, 1),
    results=(11, 12, 13),
    select=SELECT,
    roles=ROLES,
    analysis=Analysis(reference="ref"),
)

# Violations of high and low priority by policy: the pilot's seed, then the result seeds 11, 12 and 13.
HIGH = {
    "strait": (0.01, 0.02, 0.03, 0.04),
    "oracle": (0.01, 0.01, 0.02, 0.03),
    "edf": (0.05, 0.06, 0.07, 0.11),
    "fifo": (0.40, 0.01, 0.01, 0.01),  # best on the result seeds, not on the pilot's
    "ref": (0.10, 0.10, 0.11, 0.12),
    "gated": (0.02, 0.02, 0.03, 0.04),
    "half": (0.05, 0.03, 0.04, 0.08),
}
LOW = dict.fromkeys(HIGH, (0.3, 0.3, 0.3, 0.3)) | {
    "strait": (0.20, 0.20, 0.22, 0.24),
    "gated": (0.40, 0.40, 0.41, 0.45),
    "ref": (0.10, 0.10, 0.10, 0.10),
}


def made(policy, phase, seed, slots, high, low):
    row = dict.fromkeys(COLUMNS, "1.0")
    return row | {
        "phase": phase, "load": "1.1", "policy": policy, "setting": policy,
        "max_concurrency": str(slots), "seed": str(seed), "high_violation": repr(high), "low_violation": repr(low),
    }  # fmt: skip


def rows(high=HIGH, low=LOW):
    found = []
    for name in STUDY.trials:
        found.append(made(name, "pilot", 1, 1, high[name][0] + 0.2, low[name][0]))  # C = 1 is worse for all
        found.append(made(name, "pilot", 1, 2, high[name][0], low[name][0]))
        found += [made(name, "results", 10 + i, 2, high[name][i], low[name][i]) for i in (1, 2, 3)]
    return found


@pytest.fixture(scope="module")
def summary():
    return summarise(STUDY, rows())


def entry(summary, policy, at="best"):
    (found,) = [each for each in summary["cells"] if (each["policy"], each["at"]) == (policy, at)]
    return found


def verdict(summary, hypothesis):
    (found,) = [each for each in summary["hypotheses"] if each["hypothesis"] == hypothesis]
    return found


def test_means_with_t_intervals(summary):
    """2, 3, 4 %: mean 3, s = 1, half width 4.3027 / sqrt(3)."""
    found = entry(summary, "strait")
    assert found["violation_high"] == pytest.approx(0.03)
    reach = 0.01 * 4.302653 / math.sqrt(3)
    assert found["violation_high_interval"] == pytest.approx([0.03 - reach, 0.03 + reach], rel=1e-6)
    assert (found["load"], found["max_concurrency"], found["seeds"], found["setting"]) == ("1.1", 2, 3, "strait")


def test_differences_are_paired_and_in_percentage_points(summary):
    """Strait - EDF: -4, -4, -7: mean -5, s = sqrt(3), half width 4.3027; variances 1 and 7, of the difference 3."""
    found = entry(summary, "edf")["diff_high_pp"]
    assert found["mean"] == pytest.approx(-5)
    assert (found["lo"], found["hi"]) == pytest.approx((-5 - 4.302653, -5 + 4.302653), rel=1e-6)
    assert found["variance_ratio"] == pytest.approx(3 / 8)
    assert found["p"] == pytest.approx(0.0377, abs=1e-4)  # t = -5, two degrees of freedom
    assert found["lo_simultaneous"] < found["lo"] < found["hi"] < found["hi_simultaneous"]


def test_the_family_is_all_policies_of_the_cell_but_ablations(summary):
    """Holm: of five comparisons two are without any variance, that with EDF is the third and counts three times."""
    assert entry(summary, "edf")["diff_high_pp"]["p_holm"] == pytest.approx(3 * 0.0377, abs=2e-4)
    assert [entry(summary, name)["diff_high_pp"]["p_holm"] < 1e-9 for name in ("oracle", "ref")] == [True, True]
    assert set(entry(summary, "half")["diff_high_pp"]) == {"mean", "lo", "hi"}


def test_the_best_blind_rival_is_the_pilots(summary):
    found = entry(summary, "strait")
    assert found["against"] == "edf"
    assert found["diff_high_pp"] == entry(summary, "edf")["diff_high_pp"]
    assert found["diff_low_pp"]["mean"] == pytest.approx(-8)


def test_the_price_is_against_the_reference(summary):
    """Strait adds 10, 12, 14 points of low priority to the reference's and saves 8, 8, 8: 12, and 1.5 per point."""
    found = entry(summary, "strait")
    assert found["low_price"] == pytest.approx(12)
    assert found["low_price_per_pp"]["mean"] == pytest.approx(1.5)
    assert entry(summary, "ref")["low_price"] == 0


def test_h1(summary):
    """One intense cell, so the interval is the plain one, -9.3 to -0.7: not all of it below -1."""
    found = verdict(summary, "H1")
    assert (found["rival"], found["verdict"]) == ("edf", "undecided")
    clear = dict(HIGH, edf=(0.05, 0.07, 0.08, 0.09))
    assert verdict(summarise(STUDY, rows(clear)), "H1")["verdict"] == "supported"
    equal = dict(HIGH, edf=(0.05, 0.02, 0.03, 0.04))
    assert verdict(summarise(STUDY, rows(equal)), "H1")["verdict"] == "rejected"


def test_a_cell_is_intense_where_the_best_blind_rival_has_trouble_on_the_pilot_seeds(summary):
    """EDF misses 5 % on the pilot seed; whatever comes out on the result seeds, 1.9 % there is not intense."""
    assert {each["intense"] for each in summary["cells"]} == {True}
    calm = summarise(STUDY, rows(dict(HIGH, edf=(0.019, 0.5, 0.5, 0.5))))
    assert {each["intense"] for each in calm["cells"]} == {False}
    assert [each for each in calm["hypotheses"] if each["hypothesis"] == "H1"] == []
    edge = summarise(STUDY, rows(dict(HIGH, edf=(0.02, 0.0, 0.0, 0.0))))
    assert {each["intense"] for each in edge["cells"]} == {True}


def test_h2(summary):
    """Strait - gated, low priority: -20, -19, -21: below 0 with certainty."""
    found = verdict(summary, "H2")
    assert found["verdict"] == "supported"
    assert found["diff_low_pp"]["gated"]["mean"] == pytest.approx(-20)
    assert verdict(summarise(STUDY, rows(HIGH, dict(LOW, gated=(0.1, 0.1, 0.11, 0.15)))), "H2")["verdict"] == "rejected"


def test_h3(summary):
    """EDF - oracle: 5, 5, 8, mean 6, interval 1.7 to 10.3; closed 5 of 6. Strait - half of both: -1.5, -1.5, -3."""
    found = verdict(summary, "H3")
    assert found["gap_pp"]["mean"] == pytest.approx(6)
    assert found["closed"]["mean"] == pytest.approx(5 / 6)
    assert found["verdict"] == "undecided"  # -2 +- 2.15
    clear = dict(HIGH, edf=(0.05, 0.07, 0.08, 0.09))
    assert verdict(summarise(STUDY, rows(clear)), "H3")["verdict"] == "supported"


def test_the_headline(summary):
    best = summary["strait"]["best_cell"]
    assert (best["load"], best["against"], best["diff_high_pp"]["mean"]) == ("1.1", "edf", pytest.approx(-5))
    assert summary["strait"]["oracle_gap_closed"]["mean"] == pytest.approx(5 / 6)


def test_result_seeds_choose_nothing(summary):
    """Whatever comes out on the result seeds: the same settings, concurrencies and best rival."""
    rng = random.Random(1)
    shuffled = {name: (values[0], *(rng.random() for _ in values[1:])) for name, values in HIGH.items()}
    other = summarise(STUDY, rows(shuffled))
    chosen = [
        [(each["policy"], each["at"], each["setting"], each["max_concurrency"], each["against"]) for each in s["cells"]]
        for s in (summary, other)
    ]
    assert chosen[0] == chosen[1]


def test_a_policy_that_lacks_a_result_seed_is_left_out():
    kept = [row for row in rows() if not (row["policy"] == "fifo" and row["seed"] == "12")]
    assert "fifo" not in {each["policy"] for each in summarise(STUDY, kept)["cells"]}


def test_without_results_nothing_is_said():
    pilot = [row for row in rows() if row["phase"] == "pilot"]
    found = summarise(STUDY, pilot)
    assert (found["cells"], found["hypotheses"], found["strait"]["best_cell"]) == ([], [], None)
    assert tables(STUDY, found) == []


def test_tables_and_figures_show_what_the_summary_says(summary):
    first = tables(STUDY, summary)[0]
    found = {row[0]: row for row in first.rows}
    assert set(found) == {*STUDY.trials, "edf (best blind)"} - {"edf"}
    assert found["strait"][1:7] == ("2", "", "3.00", "22.00", "-", "-")
    assert found["edf (best blind)"][3:7] == ("8.00", "30.00", "-5.00", "[-9.30, -0.70]")
    made = figures(summary)
    assert set(made) == {"study-violations", "study-differences", "study-equity", "study-ablations"}
    assert {row[1] for row in made["study-ablations"].rows} == {"strait", "oracle", "half"}
    assert all(len(row) == len(table.columns) for table in made.values() for row in table.rows)


def grounds(summary):
    """Return what the table of verdicts says, by hypothesis."""
    table = tables(STUDY, summary)[-1]
    assert table.title == "Hypotheses, by simultaneous intervals"
    return {row[0]: row[2:] for row in table.rows}


def test_the_verdicts_show_the_intervals_that_decide(summary):
    """H3: 2, 3, 4 minus the half way 3.5, 4.5, 7: -1.5, -1.5, -3, mean -2, s = sqrt(0.75)."""
    reach = 4.302653 * math.sqrt(0.75 / 3)
    margin = verdict(summary, "H3")["margin_pp"]
    assert (margin["mean"], margin["lo"], margin["hi"]) == pytest.approx((-2, -2 - reach, -2 + reach), rel=1e-6)
    found = grounds(summary)
    assert found["H1"] == ("undecided", "edf -5.00 [-9.30, -0.70]")
    assert found["H2"] == ("supported", "gated -20.00 [-22.48, -17.52]")
    assert found["H3"] == ("undecided", "margin -2.00 [-4.15, +0.15], closed 83 % of 6.00")


def test_a_verdict_shows_the_simultaneous_interval_not_the_plain_one(summary):
    other = json.loads(json.dumps(summary))
    for each in other["hypotheses"]:
        if each["hypothesis"] == "H1":
            each["diff_high_pp"] |= {"lo_simultaneous": -11.0, "hi_simultaneous": None}
    assert grounds(other)["H1"][1] == "edf -5.00 [-11.00, -]"


def test_nothing_is_closed_where_the_oracle_is_not_better_with_certainty():
    """EDF - oracle: 4, 5, -1."""
    summary = summarise(STUDY, rows(dict(HIGH, edf=(0.05, 0.05, 0.07, 0.02))))
    assert grounds(summary)["H3"] == ("undecided", "no gap: +2.67 [-5.32, +10.65]")


def test_the_figures_have_the_columns_that_are_drawn(summary):
    from study_2.figures import COLUMNS

    made = {name: (*table.columns, "origin") for name, table in figures(summary).items()}
    assert made == COLUMNS


def test_cells_are_named_by_what_is_not_usual():
    study = Study(
        title="t",
        axes=("load", "high_share"),
        trials={"strait": 1, "edf": 1},
        results=(2, 3),
        select=SELECT,
        roles={"strait": "strait", "edf": "rival-blind"},
    )
    cells = (("0.5", "0.3"), ("1.1", "0.3"), ("1.1", "0.6"))
    blank = dict.fromkeys(COLUMNS, "0.5")
    found = [
        blank | {"load": load, "high_share": share, "policy": name, "setting": name, "max_concurrency": "2",
                 "seed": str(seed), "phase": "pilot" if seed == 1 else "results"}
        for load, share in cells for name in study.trials for seed in (1, 2, 3)
    ]  # fmt: skip
    summary = summarise(study, found)
    assert summary["usual"] == {"high_share": "0.3"}
    titles = [table.title.split(":")[0] for table in tables(study, summary)[:3]]
    assert titles == ["load 0.5, intense", "load 1.1, intense", "load 1.1, high_share 0.6, intense"]


def test_every_policy_of_the_file_has_a_role():
    for quick in (False, True):
        sweep, _ = load_sweep(HERE / "study.toml", quick=quick)
        study = roles.make_study(sweep, ("profile", "load"))
        assert study.strait() == sweep.sweep.subject == "strait"
        assert {study.role(name) for name in study.trials} >= {"strait", "oracle", "rival-blind", "rival-preemptive"}
        assert study.analysis.reference in study.trials
        assert study.select.fixed == {roles.CONCURRENCY: 2}
        oracles = [name for name, entry in sweep.policies.items() if "oracle" in entry.policy]
        assert all(sweep.policies[name].reveal for name in oracles)
    assert set(roles.ROLES) == set(load_sweep(HERE / "study.toml")[0].policies)
