"""Named policies, cells and short versions: what is wrong is one line that says where; what is right is in the plan."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from stratsim.errors import SpecError
from stratsim.model.codec import load_profile
from stratsim.sweep import load_sweep, make_plan, make_sweep
from stratsim.sweep.plan import axis_columns, label

MINIMAL = """
title = "t"
[sweep]
seeds = [2, 3]
subject = "strait"
[sweep.select]
seeds = [1]
axes = ["max_concurrency"]
[base]
max_batch = 2
[arrivals]
requests = 100
[axes]
profile = ["asymmetric-six"]
load = [0.8, 1.1]
max_concurrency = [1, 2]
[policies.strait]
policy = "strait"
[policies.constant]
policy = "aware-edf(predictor=constant(slowdown={f}),margin={m})"
settings = { f = [1, 2], m = [0, 0.9] }
"""
STUDY_2 = Path(__file__).parents[3] / "experiments" / "study_2" / "study.toml"


def data(**changes):
    return {**tomllib.loads(MINIMAL), **changes}


def with_policy(**entry):
    sweep = {"seeds": [2, 3], "select": {"seeds": [1]}}
    return data(policies={"p": {"policy": "fifo", **entry}}, sweep=sweep)


def sweep_of(**options):
    return {**data()["sweep"], **options}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (data(titel="t"), "f: unknown field 'titel'; did you mean 'title'? - at $"),
        (data(arrivals={"requests": 0}), "f: requests must be at least 1, got 0 - at $.arrivals"),
        (data(base={"policy": "fifo"}), "f: policy and the table [policies] exclude each other - at $.base"),
        (data(axes={"policy": ["fifo"]}), "policy and the table [policies] exclude each other - at $.axes['policy']"),
        (data(axes={"settings.f": [1]}), "named policies have settings of their own - at $.axes['settings.f']"),
        (data(workload={"slo": {"hihg_s": 1}}), "`hihg_s` - at $.workload.slo"),
        (data(axes={"workload.priority.high_share": [2]}), "high_share must be within [0, 1], got 2"),
        (data(axes={"seeds.pilot": [1]}), "no part 'seeds' of a sweep varies; it is 'workload' or 'arrivals'"),
        (with_policy(policy="fifi"), "unknown policy 'fifi'; did you mean 'fifo'? - at $.policies.p"),
        (with_policy(policy="fifo,edf"), "expected one policy, got 2: 'fifo,edf' - at $.policies.p"),
        (with_policy(settings={"f": [1]}), "'f' has values, but policy has no {f}: 'fifo' - at $.policies.p"),
        (with_policy(policy="edf(max_batch={b})", settings={"b": []}), "'b' has no value - at $.policies.p"),
        (with_policy(only={"laod": [1]}), "f: no setting 'laod'; did you mean 'load'? - at $.policies.p.only"),
        (with_policy(role="rival"), "f: unknown field 'role'; "),
        (data(sweep=sweep_of(subject="striat")), "no policy 'striat'; did you mean 'strait'? - at $.sweep.subject"),
        (
            data(sweep=sweep_of(select={"seeds": [1, 2]})),
            "f: seeds of the pilot must not be seeds of the results: [2] - at $.sweep",
        ),
        (
            data(sweep=sweep_of(select={"seeds": [4], "axes": ["load"]})),
            "f: select cannot choose 'load'; known: drop, max_batch, max_concurrency, prefetch - at $.sweep.select",
        ),
        (
            data(sweep=sweep_of(select={"seeds": [4], "axes": ["prefetch"]})),
            "f: there is no axis 'prefetch' to choose of; known: load, max_concurrency, profile - at $.sweep.select",
        ),
        (
            data(sweep=sweep_of(select={"seeds": [4], "fixed": {"max_concurrency": 2}})),
            "f: fixed names 'max_concurrency', which is none of axes",
        ),
        (
            data(sweep=sweep_of(select={"seeds": [4], "metric": "high_violatoin"})),
            "unknown figure 'high_violatoin'; did you mean 'high_violation'? - at $.sweep.select",
        ),
        (
            data(
                sweep=sweep_of(select={"seeds": [5]}, until={"metric": "high_violation", "half_width": 1.0, "most": 4})
            ),
            "f: seeds of the pilot must not be seeds of the results: [5] - at $.sweep",
        ),
        (data(base={"load_unit": "satuartion"}), "known: batch-1, saturation - at $.base.load_unit"),
        (data(saturation={"width": 2}), "f: width must be within (0, 1), got 2.0 - at $.saturation"),
        (data(profiles={"x": {"base": "y", "weights": {"seed": 1, "low": 0}}}), "at $.profiles.x.weights"),
    ],
)
def test_what_is_wrong_is_one_line_with_a_place(wrong, message):
    with pytest.raises(SpecError, match=re.escape(message)) as caught:
        make_sweep(wrong, "f")
    assert "\n" not in str(caught.value)


def test_a_subject_that_no_axis_names_is_refused_with_the_plan():
    wrong = {"title": "t", "sweep": {"subject": "edff"}, "axes": {"policy": ["edf", "fifo"]}, "arrivals": {}}
    with pytest.raises(SpecError, match=r"f: no policy 'edff'; did you mean 'edf'\? - at \$\.sweep\.subject"):
        make_plan(make_sweep(wrong, "f"), "f")


def plan_of(**changes):
    return make_plan(make_sweep(data(**changes)))


def shown(plan):
    return [{axis: label(value) for axis, value in cell.labels.items()} for cell in plan.cells]


def slots(cell, policy="strait"):
    return [dict(choice.values)["max_concurrency"] for choice in cell.trials[policy]]


def test_cells_are_all_combinations_but_what_is_chosen():
    plan = plan_of()
    assert shown(plan) == [
        {"profile": "asymmetric-six", "load": "0.8"},
        {"profile": "asymmetric-six", "load": "1.1"},
    ]
    assert [slots(cell) for cell in plan.cells] == [[1, 2], [1, 2]]


def test_a_union_of_grids_has_each_cell_once_with_the_concurrency_of_both():
    first = {"load": [0.8, 1.1], "max_concurrency": [1]}
    second = {"load": [1.1], "workload.priority.high_share": [0.3, 0.6], "max_concurrency": [1, 3]}
    plan = plan_of(axes=[first, second], workload={"priority": {"high_share": 0.3}})
    found = {tuple(labels.values()): slots(cell) for labels, cell in zip(shown(plan), plan.cells, strict=True)}
    assert found == {("0.8", "0.3"): [1], ("1.1", "0.3"): [1, 3], ("1.1", "0.6"): [1, 3]}


def test_a_table_as_a_value_replaces_that_part():
    axes = {"load": [1.0], "max_concurrency": [1], "workload.slo": [{"high_x_solo": 3.0, "low_x_solo": 6.0}]}
    plan = plan_of(axes=axes, workload={"slo": {"high_ms": 5.0}})
    assert shown(plan)[0]["slo"] == "high_x_solo=3 low_x_solo=6"
    slo = plan.first()[0].settings.workload.slo
    assert (slo.high_x_solo, slo.high_ms) == (3.0, None)


def test_axes_are_called_by_the_last_part_of_their_path_unless_two_have_the_same():
    axes = {"workload.slo.high_s": [1.0], "workload.slo.models.vgg16.high_s": [2.0], "arrivals.cv": [1.0]}
    assert axis_columns(make_sweep({"title": "t", "sweep": {}, "axes": {**axes, "policy": ["edf"]}})) == {
        "workload.slo.high_s": "workload.slo.high_s",
        "workload.slo.models.vgg16.high_s": "workload.slo.models.vgg16.high_s",
        "arrivals.cv": "cv",
    }


CONSTANT = [
    "aware-edf(predictor=constant(slowdown=1),margin=0)",
    "aware-edf(predictor=constant(slowdown=1),margin=0.9)",
    "aware-edf(predictor=constant(slowdown=2),margin=0)",
    "aware-edf(predictor=constant(slowdown=2),margin=0.9)",
]


def test_settings_are_trials_where_one_is_selected():
    (first, *_) = plan_of().cells
    assert list(dict.fromkeys(choice.setting for choice in first.trials["constant"])) == CONSTANT


def test_settings_are_policies_where_none_is_selected():
    (first, *_) = plan_of(sweep={"seeds": [1, 2]}).cells
    names = ["constant[1,0]", "constant[1,0.9]", "constant[2,0]", "constant[2,0.9]"]
    assert list(first.trials) == ["strait", *names]
    assert [next(iter(first.trials[name])).setting for name in names] == CONSTANT


def test_each_makes_policies():
    entry = {"policy": "strait(fill={fill},margin={m})", "each": {"fill": [True, False]}, "settings": {"m": [0, 0.9]}}
    found = make_sweep(data(policies={"x": entry}, sweep={"seeds": [2], "select": {"seeds": [1]}})).entries()
    assert list(found) == ["x[true]", "x[false]"]
    assert found["x[false]"].trials() == ("strait(fill=false,margin=0)", "strait(fill=false,margin=0.9)")


def places(only, **others):
    policies = {"p": {"policy": "fifo", "only": only}, **others}
    plan = plan_of(policies=policies, sweep={"seeds": [2], "select": {"seeds": [1], "axes": ["max_concurrency"]}})
    return [(cell.labels["load"], each) for cell in plan.cells if "p" in cell.trials for each in slots(cell, "p")]


def test_only_restricts_a_policy_to_some_cells():
    assert places({"load": [1.1], "max_concurrency": [2]}) == [(1.1, 2)]


def test_only_may_name_a_setting_that_is_no_axis_here():
    """As in a short version, whose grid is smaller."""
    everywhere = [(0.8, 1), (0.8, 2), (1.1, 1), (1.1, 2)]
    assert places({"memory": ["-"]}) == everywhere
    with pytest.raises(SpecError, match=r"sweep: `only` leaves no policy in any cell - at \$\.policies"):
        places({"memory": [1e9]})
    assert places({"workload.priority.high_share": ["-"], "arrivals.process": ["poisson"]}) == everywhere
    assert places({"workload.priority.high_share": [0.3], "load": [0.8]}, fifo={"policy": "fifo"}) == []


def test_the_hash_names_what_a_run_depends_on_and_nothing_else():
    def digest(**changes):
        return plan_of(**changes).first()[0].sha256

    same = digest()
    assert same == digest(title="another", description="more words")
    others = [
        digest(sweep={**data()["sweep"], "select": {"seeds": [4], "axes": ["max_concurrency"]}}),
        digest(axes={**data()["axes"], "max_concurrency": [2]}),
        digest(policies={"strait": {"policy": "strait(margin=0)"}}),
        digest(policies={"strait": {"policy": "strait", "reveal": True}}),
        digest(axes={**data()["axes"], "profile": ["rtx3080-disb"]}),
        digest(arrivals={"requests": 5}),
        digest(workload={"priority": {"high_share": 0.1}}),
        digest(base={"prefetch": 0, "max_batch": 2}),
        digest(base={"load_unit": "saturation", "max_batch": 2}),
        digest(base={"load_unit": "saturation", "max_batch": 2}, saturation={"requests": 500}),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_a_derived_rate_is_no_part_of_the_hash():
    plan = plan_of(base={"load_unit": "saturation", "max_batch": 2})
    (before, *_) = plan.first()
    assert before.settings.offered is None
    (wanted,) = plan.saturations().values()
    assert wanted.saturation is not None


QUICK = """
[quick]
policies = ["constant"]
arrivals = { requests = 7 }
axes = { load = [0.5], max_concurrency = [1] }
[quick.sweep]
seeds = [8, 9]
subject = "constant"
"""


def test_quick_replaces_parts(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(MINIMAL + QUICK)
    full, _ = load_sweep(path)
    sweep, _ = load_sweep(path, quick=True)
    assert (list(full.policies), full.arrivals) == (["strait", "constant"], {"requests": 100})
    assert (list(sweep.policies), sweep.arrivals) == (["constant"], {"requests": 7})
    assert sweep.axes == {"load": [0.5], "max_concurrency": [1]}
    assert (sweep.sweep.seeds, sweep.sweep.select.seeds, sweep.sweep.select.axes) == ([8, 9], [1], ["max_concurrency"])


def test_settings_of_the_command_line_win_over_quick(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(MINIMAL + QUICK)
    sweep, record = load_sweep(path, ["sweep.seeds=[5]", "arrivals.requests=9"], quick=True)
    assert (sweep.sweep.seeds, sweep.arrivals["requests"]) == ([5], 9)
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("quick", "message"),
    [
        ('[quick]\npolicies = ["constnat"]\n', r"did you mean 'constant'\? - at \$\.quick\.policies"),
        ("[quick]\nquick = { title = 'x' }\n", r"'quick' cannot be replaced - at \$\.quick"),
        ("", r"s\.toml: has no table \[quick\]; --set changes it"),
    ],
)
def test_a_short_version_that_cannot_be_is_one_line(tmp_path, quick, message):
    path = tmp_path / "s.toml"
    path.write_text(MINIMAL + quick)
    with pytest.raises(SpecError, match=message):
        load_sweep(path, quick=True)


def profile_of(**entry):
    return make_sweep(data(profiles={"x": {"base": "asymmetric-six", **entry}})).profiles["x"].make("x")


def test_variants_are_what_they_say():
    models = ["wide-8", "narrow-4"]
    made = profile_of(models=models, weights={"seed": 3, "low": 2, "high": 8}, bytes_per_s=5e9, pairs=[1])
    base = load_profile("asymmetric-six")
    assert list(made.observable.models) == ["wide-8", "narrow-4"]
    assert made.observable.models["wide-8"] == base.observable.models["wide-8"]
    drawn = {name: {entry.weight for entry in table.values()} for name, table in made.truth.sharing.items()}
    assert all(len(weights) == 1 and 2 <= min(weights) <= 8 for weights in drawn.values())
    assert drawn["wide-8"] != drawn["narrow-4"]
    assert made.observable.pcie.h2d.bytes_per_s == 5e9
    assert len(made.pairs) == 4
    assert "assumed" in made.provenance["truth.sharing.*.*.weight"].source
    assert made == profile_of(models=models, weights={"seed": 3, "low": 2, "high": 8}, bytes_per_s=5e9, pairs=[1])


def test_a_variant_may_leave_out_large_batches():
    made = profile_of(max_batch=4)
    assert {max(model.latency_s) for model in made.observable.models.values()} == {4}
    assert {max(pair.target_batch, pair.other_batch) for pair in made.pairs} == {1}
    with pytest.raises(SpecError, match="has no batch size 3 of 'wide-8'"):
        profile_of(max_batch=3)


def test_a_variant_may_gain_more_or_less_by_batches():
    """Batches of 8 with twice the throughput take 4 times as long as one: (8 / 2 - 1) / 7 for each further request."""
    made = profile_of(gains={"narrow-4": 2, "wide-8": 8})
    assert made.observable.models["narrow-4"].latency_s == pytest.approx(
        {1: 0.004, 2: 0.004 * (1 + 3 / 7), 4: 0.004 * (1 + 9 / 7), 8: 0.016}
    )
    assert set(made.observable.models["wide-8"].latency_s.values()) == {0.008}
    assert made.observable.models["wide-12"] == load_profile("asymmetric-six").observable.models["wide-12"]
    assert made.pairs == ()
    with pytest.raises(SpecError, match="serves batches of 8, which cannot have 9 times"):
        profile_of(gains={"narrow-4": 9})


def test_a_variant_may_have_phases():
    """Demands of 0.3 and 0.9 at batch 1; the first model is up first, the second down first; none is above 1."""
    made = profile_of(models=["narrow-4", "wide-8"], phases=0.4)
    narrow, wide = (made.truth.sharing[name][1].phases for name in ("narrow-4", "wide-8"))
    assert {round(phase.demand, 6) for phase in narrow} == {0.42, 0.18}
    assert {round(phase.demand, 6) for phase in wide} == {1.0, 0.54}
    assert {phase.weight for phase in wide} == {9.0}
    assert "assumed" in made.provenance["truth.sharing.*.*.phases"].source
    with pytest.raises(SpecError, match="phases must be within"):
        profile_of(phases=1)


def test_a_models_weight_does_not_depend_on_the_others():
    def weight(models):
        return profile_of(models=models, weights={"seed": 3}).truth.sharing["narrow-4"][1].weight

    assert weight(["narrow-4"]) == weight(["wide-8", "narrow-4"])


def test_study_2_is_a_sweep():
    sweep, _ = load_sweep(STUDY_2)
    assert {"strait", "fewest-late", "constant", "priority-edf", "strait-oracle"} <= set(sweep.policies)
