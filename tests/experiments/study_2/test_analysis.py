"""What study 2 says of rows that were made up: points, matched comparisons and verdicts worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from study_2.analysis import summarise
from study_2.roles import FEWEST_LATE, STRAIT, Study, make_study
from study_2.tables import figures, name_of, tables

FAMILIES = {
    FEWEST_LATE: "fewest-late",
    STRAIT: "strait",
    "strait[2,off]": "strait",
    "aware-k-edf[8]": "aware-k-edf",
    "k-edf[8]": "k-edf",
    "k-edf[1]": "k-edf",
    "preempt-gated[8]": "preempt-gated",
}
ROLES = {
    "fewest-late": "fewest-late",
    "strait": "strait",
    "aware-k-edf": "aware",
    "k-edf": "blind",
    "preempt-gated": "preemptive",
}
STUDY = Study("made up", ("profile", "load", "gpus"), FAMILIES, ROLES, pilot=(1, 2), results=(3, 4, 5))
SETTLED = {
    FEWEST_LATE: (2.0, 3.0),
    STRAIT: (3.0, 8.0),
    "strait[2,off]": (5.0, 4.0),
    "aware-k-edf[8]": (4.0, 5.0),
    "k-edf[8]": (8.0, 4.0),
    "k-edf[1]": (4.0, 8.0),
    "preempt-gated[8]": (1.0, 40.0),
}
"""High and low violations, %."""


def rows(violations=SETTLED, jitter=0.01, load="0.5"):
    """Rows of one cell: the seeds differ by a little, alike for all policies and both classes."""
    return [
        {
            "profile": "p",
            "load": load,
            "gpus": "1",
            "policy": policy,
            "seed": str(seed),
            "spec_sha256": f"{policy}-{seed}",
            "high_violation": str((high + jitter * (seed - 4)) / 100),
            "low_violation": str((low + jitter * (seed - 4)) / 100),
            "high_arrived": "300",
            "low_arrived": "700",
            **dict.fromkeys(
                ("jain_classes", "high_jain_models", "low_jain_models", "low_max_slowdown", "utilization"), "1"
            ),
            "mean_batch_size": "1",
        }
        for policy, (high, low) in violations.items()
        for seed in (1, 2, 3, 4, 5)
    ]


def verdicts(summary):
    return {found["hypothesis"]: found["verdict"] for found in summary["hypotheses"]}


def test_the_front_is_that_of_all_settings():
    (cell,) = summarise(STUDY, rows())["cells"]
    assert {point["policy"] for point in cell["points"] if point["front"]} == {FEWEST_LATE, "preempt-gated[8]"}


def test_at_the_same_protection_strait_is_behind_nobody_who_cannot_protect_as_much():
    """At 3 % strait has 8; k-edf's settings begin at 4, gating has 1 and 40: out of reach, and a trade."""
    (cell,) = summarise(STUDY, rows())["cells"]
    against = {family: found["outcome"] for family, found in cell["matched"][STRAIT].items()}
    assert against == {
        "aware-k-edf": "out of reach",
        "k-edf": "out of reach",
        "preempt-gated": "trade",
        "fewest-late": "behind",
    }


def test_between_two_settings_it_is_their_mixture():
    """At 6 % k-edf offers 6, half of each of its settings: strait, moved there, is 2 behind."""
    moved = {**SETTLED, STRAIT: (6.0, 8.0), "strait[2,off]": (7.0, 7.0)}
    (cell,) = summarise(STUDY, rows(moved))["cells"]
    found = cell["matched"][STRAIT]["k-edf"]
    assert found["outcome"] == "behind"
    assert found["low_pp"]["mean"] == pytest.approx(2.0, abs=0.05)
    assert set(found["settings"]) == {"k-edf[8]", "k-edf[1]"}


def test_verdicts():
    """H1: strait has 3 % where the best blind rival, k-edf in batches of one, has 4: a point, and that is the goal."""
    found = verdicts(summarise(STUDY, rows({**SETTLED, STRAIT: (2.8, 8.0)})))
    assert found == {"H1": "supported", "H2": "supported", "H3": "supported", "H4": "supported", "H5": "supported"}
    behind = verdicts(summarise(STUDY, rows({**SETTLED, FEWEST_LATE: (6.0, 9.0)})))
    assert (behind["H3"], behind["H4"], behind["H5"]) == ("rejected", "rejected", "rejected")


def test_what_varies_too_much_is_undecided():
    noisy = rows()
    for row in noisy:
        if row["policy"] == FEWEST_LATE:
            row["low_violation"] = str((3.0 + 9.0 * (int(row["seed"]) - 4)) / 100)
    found = verdicts(summarise(STUDY, noisy))
    assert found["H4"] == "undecided"


def test_where_the_best_blind_rival_has_no_trouble_h1_is_not_asked():
    calm = {policy: (high / 10, low) for policy, (high, low) in SETTLED.items()}
    assert "H1" not in verdicts(summarise(STUDY, rows(calm)))


def test_the_deficit_names_who_is_better_for_both():
    """Strait has 3 and 8, the plan 2 and 3: better by 1 for high. Nearest to the plan is 4 and 5, by 2."""
    (cell,) = summarise(STUDY, rows())["cells"]
    assert cell["deficit"][STRAIT]["by"] == FEWEST_LATE
    assert cell["deficit"][STRAIT]["pp"]["mean"] == pytest.approx(1.0)
    assert (cell["deficit"][FEWEST_LATE]["by"], cell["deficit"][FEWEST_LATE]["pp"]["mean"]) == ("aware-k-edf[8]", -2.0)


def test_late_requests_are_weighted_by_what_arrived():
    """At 4 to 1 the plan's are (4 x 300 x 2 + 700 x 3) / (4 x 300 + 700) %."""
    (cell,) = summarise(STUDY, rows())["cells"]
    found = next(each for each in cell["utility"] if each["rate"] == 4.0)
    assert found["fewest-late"]["mean"] == pytest.approx((4 * 300 * 2 + 700 * 3) / 1900, abs=0.02)
    assert found["best_rival"] == "aware-k-edf"


def test_a_policy_that_lacks_a_seed_is_left_out():
    lacking = [row for row in rows() if (row["policy"], row["seed"]) != ("k-edf[8]", "4")]
    (cell,) = summarise(STUDY, lacking)["cells"]
    assert "k-edf[8]" not in {point["policy"] for point in cell["points"]}


def test_tables_and_figures_say_the_cells_by_what_is_not_usual():
    summary = summarise(STUDY, rows() + rows(load="0.7"))
    assert [name_of(summary, cell) for cell in summary["cells"]] == ["p 0.5", "p 0.7"]
    assert any("Cells by verdict" in table.title for table in tables(summary))
    assert set(figures(summary)) == {"study-2-fronts", "study-2-matched", "study-2-equity"}


def entry(names, each=()):
    """An entry of a sweep that expands to these names."""
    return SimpleNamespace(each=dict.fromkeys(each), expanded=lambda name, selected: names[selected])


def test_a_sweep_without_roles_or_seeds_is_refused():
    options = SimpleNamespace(seeds=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="no role for magic"):
        make_study(SimpleNamespace(policies={"magic": None}, sweep=options), ())
    with pytest.raises(ValueError, match="two of results are the least"):
        make_study(SimpleNamespace(policies={}, sweep=SimpleNamespace(seeds=[1, 2, 3])), ())


def test_families_of_entries_that_stand_for_several_policies():
    policies = {
        "ablation": entry(
            {True: {"ablation[lax]": 0}, False: {"ablation[lax,8]": 0, "ablation[lax,1]": 0}}, each=["name"]
        ),
        "edf": entry({True: {"edf": 0}, False: {"edf[8]": 0}}),
    }
    made = make_study(SimpleNamespace(title="t", policies=policies, sweep=SimpleNamespace(seeds=[1, 2, 3, 4])), ())
    assert made.families == {"ablation[lax,8]": "lax", "ablation[lax,1]": "lax", "edf[8]": "edf"}
    assert made.roles == {"lax": "ablation", "edf": "blind"}


def test_a_cell_without_a_change_has_a_gap_in_its_column():
    """A run that failed must not move the figures of the others under its name."""
    families = {**FAMILIES, "ablation[lax,8]": "lax", "ablation[brief,8]": "brief"}
    study = replace(STUDY, families=families, roles={**ROLES, "lax": "ablation", "brief": "ablation"})
    changes = {"ablation[lax,8]": (2.0, 4.0), "ablation[brief,8]": (2.0, 5.0)}
    made = [*rows({**SETTLED, **changes}), *rows({**SETTLED, "ablation[brief,8]": (2.0, 6.0)}, load="0.9")]
    (table,) = [each for each in tables(summarise(study, made)) if each.title.startswith("One change")]
    assert list(table.columns) == ["cell", "fewest-late", "lax", "brief"]
    assert [row[1:] for row in table.rows] == [
        ("2.0 / 3.0", "2.0 / 4.0", "2.0 / 5.0"),
        ("2.0 / 3.0", "-", "2.0 / 6.0"),
    ]
