"""The study file: what is wrong with it is one line that says where; what is right expands to the runs it says."""

import re
import tomllib
from pathlib import Path

import pytest

from stratsim.errors import SpecError
from stratsim.experiment.grid import applies, cells, task
from stratsim.experiment.study import load_study, make_study
from stratsim.model.codec import load_profile

MINIMAL = """
title = "t"
[axes]
profile = ["asymmetric-six"]
load = [0.8, 1.1]
max_concurrency = [1, 2]
[policies.strait]
policy = "strait"
role = "strait"
[policies.constant]
policy = "aware-edf(predictor=constant(slowdown={f}),margin={m})"
settings = { f = [1, 2], m = [0, 0.9] }
role = "rival-blind"
[seeds]
pilot = [1]
results = [2, 3]
"""


def data(**changes):
    return {**tomllib.loads(MINIMAL), **changes}


def with_policy(**entry):
    return data(policies={"p": {"policy": "fifo", "role": "reference", **entry}})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (data(titel="t"), "f: unknown field 'titel'; did you mean 'title'? - at $"),
        (data(arrivals={"requests": 0}), "f: requests must be at least 1, got 0 - at $.arrivals"),
        (data(arrivals={"process": "gamma"}), "f: process 'gamma' needs cv - at $.arrivals"),
        (data(base={"laod": 1}), "f: unknown setting 'laod'; did you mean 'load'? - at $.base"),
        (data(base={"policy": "fifo"}), "f: unknown setting 'policy'; known: "),
        (data(base={"max_batch": 0}), "f: max_batch must be at least 1, got 0 - at $.base"),
        (data(workload={"slo": {"hihg_s": 1}}), "`hihg_s` - at $.workload.slo"),
        (data(axes={"laod": [1]}), "f: unknown setting 'laod'; did you mean 'load'? - at $.axes['laod']"),
        (data(axes={"load": []}), "f: an axis needs at least one value - at $.axes['load']"),
        (data(axes={"load": [1, -1]}), "f: load must be > 0 and finite, got -1.0 - at $.axes['load']"),
        (data(axes=[{"load": [1]}, {"prefetch": [-1]}]), "f: prefetch must be at least 0, got -1 - at $.axes[1]"),
        (data(axes={"workload.priority.high_share": [2]}), "high_share must be within [0, 1], got 2"),
        (data(axes={"arrivals.proces": ["poisson"]}), "unknown field 'proces'; did you mean 'process'?"),
        (data(axes={"seeds.pilot": [1]}), "no part 'seeds' of a study varies; it is 'workload' or 'arrivals'"),
        (data(seeds={"pilot": [1, 2], "results": [2, 3]}), "must not be seeds of the results: [2] - at $.seeds"),
        (data(seeds={"pilot": [1], "results": [2]}), "results needs at least 2 seeds"),
        (data(policies={}), "f: there is no policy - at $.policies"),
        (
            with_policy(role="rival"),
            "'rival'; known: strait, rival-blind, rival-aware, rival-preemptive, oracle, ablation, reference - at $.",
        ),
        (with_policy(policy="fifi"), "unknown policy 'fifi'; did you mean 'fifo'? - at $.policies.p"),
        (with_policy(settings={"f": [1]}), "'f' has values, but policy has no {f}: 'fifo' - at $.policies.p"),
        (with_policy(only={"laod": [1]}), "f: no setting 'laod'; did you mean 'load'? - at $.policies.p.only"),
        (
            data(analysis={"reference": "striat"}),
            "did you mean 'strait'? - at $.analysis.reference",
        ),
        (data(profiles={"x": {"base": "y", "weights": {"seed": 1, "low": 0}}}), "at $.profiles.x.weights"),
    ],
)
def test_what_is_wrong_is_one_line_with_a_place(wrong, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        make_study(wrong, "f")


def test_a_file_that_is_not_there_or_not_toml(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        load_study(tmp_path / "absent.toml")
    (tmp_path / "x.toml").write_text("title = ")
    with pytest.raises(SpecError, match="not a TOML file"):
        load_study(tmp_path / "x.toml")


def test_cells_are_all_combinations_but_the_concurrency():
    study = make_study(data())
    assert [cell.labels for cell in cells(study)] == [
        {"profile": "asymmetric-six", "load": "0.8"},
        {"profile": "asymmetric-six", "load": "1.1"},
    ]
    assert {cell.concurrency for cell in cells(study)} == {(1, 2)}


def test_a_union_of_grids_has_each_cell_once_with_the_concurrency_of_both():
    first = {"load": [0.8, 1.1], "max_concurrency": [1]}
    second = {"load": [1.1], "workload.priority.high_share": [0.3, 0.6], "max_concurrency": [1, 3]}
    study = make_study(data(axes=[first, second], workload={"priority": {"high_share": 0.3}}))
    found = {cell.key: cell.concurrency for cell in cells(study)}
    assert found == {("0.8", "0.3"): (1,), ("1.1", "0.3"): (1, 3), ("1.1", "0.6"): (1, 3)}


def test_a_table_as_a_value_replaces_that_part():
    axes = {"load": [1.0], "workload.slo": [{"high_x_solo": 3.0, "low_x_solo": 6.0}]}
    (cell,) = cells(make_study(data(axes=axes, workload={"slo": {"high_ms": 5.0}})))
    assert cell.labels["slo"] == "high_x_solo=3 low_x_solo=6"
    assert cell.workload["slo"] == {"high_x_solo": 3.0, "low_x_solo": 6.0}


def test_a_study_without_a_load_is_refused():
    with pytest.raises(SpecError, match="needs a load"):
        cells(make_study(data(axes={"profile": ["asymmetric-six"]})))


def test_settings_are_trials_and_each_are_policies():
    study = make_study(data())
    assert study.policies["constant"].trials() == (
        "aware-edf(predictor=constant(slowdown=1),margin=0)",
        "aware-edf(predictor=constant(slowdown=1),margin=0.9)",
        "aware-edf(predictor=constant(slowdown=2),margin=0)",
        "aware-edf(predictor=constant(slowdown=2),margin=0.9)",
    )
    entry = {"policy": "strait(fill={fill},margin={m})", "each": {"fill": [True, False]}, "settings": {"m": [0, 0.9]}}
    study = make_study(data(policies={"x": {**entry, "role": "ablation"}}))
    assert list(study.policies) == ["x[true]", "x[false]"]
    assert study.policies["x[false]"].trials() == ("strait(fill=false,margin=0)", "strait(fill=false,margin=0.9)")


def test_only_restricts_a_policy_to_some_cells():
    entry = {"policy": "fifo", "role": "reference", "only": {"load": [1.1], "max_concurrency": [2]}}
    study = make_study(data(policies={"p": entry}))
    found = [
        (cell.labels["load"], slots)
        for cell in cells(study)
        for slots in cell.concurrency
        if applies(study.policies["p"], cell, slots)
    ]
    assert found == [("1.1", 2)]


def test_only_may_name_a_setting_that_is_no_axis_here():
    """As in the quick version of a study, whose grid is smaller."""
    entry = {"policy": "fifo", "role": "reference"}

    def runs(only):
        study = make_study(data(policies={"p": {**entry, "only": only}}))
        return all(applies(study.policies["p"], cell, 1) for cell in cells(study))

    assert runs({"memory": ["-"]})
    assert not runs({"memory": [1e9]})
    assert runs({"workload.priority.high_share": ["-"], "arrivals.process": ["poisson"]})
    assert not runs({"workload.priority.high_share": [0.3]})


def test_the_hash_names_what_a_run_depends_on_and_nothing_else():
    profile = {"sha256": "abc", "file": "a.json"}

    def digest(study, *, profile=profile, seed=1, slots=2, setting="strait"):
        return task(study, cells(study)[0], "strait", setting, slots, seed, "pilot", profile).sha256

    study = make_study(data())
    same = digest(study)
    assert same == digest(make_study(data(title="another", description="more words")))
    assert same == digest(study, profile={"sha256": "abc", "file": "elsewhere.json"})
    others = [
        digest(study, seed=2),
        digest(study, slots=1),
        digest(study, setting="strait(margin=0)"),
        digest(study, profile={"sha256": "abd", "file": "a.json"}),
        digest(make_study(data(arrivals={"requests": 5}))),
        digest(make_study(data(workload={"priority": {"high_share": 0.1}}))),
        digest(make_study(data(base={"prefetch": 0}))),
        digest(make_study(data(saturation={"requests": 500}))),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_quick_replaces_parts(tmp_path):
    quick = """
[quick]
policies = ["constant"]
arrivals = { requests = 7 }
axes = { load = [0.5] }
[quick.seeds]
results = [8, 9]
"""
    path = tmp_path / "s.toml"
    path.write_text(MINIMAL + quick)
    full, _ = load_study(path)
    study, _ = load_study(path, quick=True)
    assert (list(full.policies), full.arrivals.requests) == (["strait", "constant"], 10_000)
    assert (list(study.policies), study.arrivals.requests, study.axes) == (["constant"], 7, {"load": [0.5]})
    assert (study.seeds.pilot, study.seeds.results) == ([1], [8, 9])
    path.write_text(MINIMAL + '[quick]\npolicies = ["constnat"]\n')
    with pytest.raises(SpecError, match=r"did you mean 'constant'\? - at \$\.quick\.policies"):
        load_study(path, quick=True)


def test_variants_are_what_they_say():
    entry = {"base": "asymmetric-six", "models": ["wide-8", "narrow-4"], "weights": {"seed": 3, "low": 2, "high": 8}}
    study = make_study(data(profiles={"x": {**entry, "bytes_per_s": 5e9, "pairs": [1]}}))
    made, base = study.profiles["x"].make("x"), load_profile("asymmetric-six")
    assert list(made.observable.models) == ["wide-8", "narrow-4"]
    assert made.observable.models["wide-8"] == base.observable.models["wide-8"]
    drawn = {name: {entry.weight for entry in table.values()} for name, table in made.truth.sharing.items()}
    assert all(len(weights) == 1 and 2 <= min(weights) <= 8 for weights in drawn.values())
    assert drawn["wide-8"] != drawn["narrow-4"]
    assert made.observable.pcie.h2d.bytes_per_s == 5e9
    assert len(made.pairs) == 4
    assert "assumed" in made.provenance["truth.sharing.*.*.weight"].source
    assert made == study.profiles["x"].make("x")


def test_a_variant_may_leave_out_large_batches():
    made = make_study(data(profiles={"x": {"base": "asymmetric-six", "max_batch": 4}})).profiles["x"].make("x")
    assert {max(model.latency_s) for model in made.observable.models.values()} == {4}
    assert {max(pair.target_batch, pair.other_batch) for pair in made.pairs} == {1}
    with pytest.raises(SpecError, match="has no batch size 3 of 'wide-8'"):
        make_study(data(profiles={"x": {"base": "asymmetric-six", "max_batch": 3}})).profiles["x"].make("x")


def test_a_models_weight_does_not_depend_on_the_others():
    def weight(models):
        study = make_study(data(profiles={"x": {"base": "asymmetric-six", "models": models, "weights": {"seed": 3}}}))
        return study.profiles["x"].make("x").truth.sharing["narrow-4"][1].weight

    assert weight(["narrow-4"]) == weight(["wide-8", "narrow-4"])


def test_the_draft_of_study_2_is_a_study():
    study, _ = load_study(Path(__file__).parents[3] / "experiments" / "study-2.toml")
    assert {"strait", "constant", "priority-edf", "strait-oracle"} <= set(study.policies)
