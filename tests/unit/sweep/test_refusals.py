"""What cannot run is said before the first run, once for equal reasons."""

import pytest

from stratsim.cli import main
from stratsim.sweep import How, make_plan, make_sweep, run_sweep, worker
from stratsim.sweep.refusals import folded, refusals

AXES = {
    "load": [0.5, 0.9],
    "device_model": ["streams", "roofline"],
    "policy": ["edf", "preempt-kernel", "strait(predictor=oracle)"],
}


def record(**changes):
    found = {
        "title": "test",
        "sweep": {"seeds": [1, 2]},
        "base": {"profile": "a100-80gb-parvagpu"},
        "arrivals": {"requests": 60},
        "axes": AXES,
    }
    return found | changes


def found(**changes):
    return refusals(make_plan(make_sweep(record(**changes), "test")))


class TestWhatIsFound:
    def test_a_policy_that_no_belief_was_given_to_fails_everywhere(self):
        oracle = [each for each in found() if "oracle" in each.message]
        assert [(each.where, each.conditions) for each in oracle] == [("policy=strait(predictor=oracle)", 4)]

    def test_a_device_model_that_cannot_show_preemption_is_one_line_for_all_loads_and_policies(self):
        axes = AXES | {"device_model": ["streams", "igniter"], "policy": ["edf", "preempt-kernel", "preempt-ideal"]}
        base = {"profile": "a100-80gb-parvagpu"}
        (refusal,) = [each for each in found(axes=axes, base=base) if "igniter" in each.message]
        assert "device_model=igniter" in refusal.where
        assert "load" not in refusal.where
        assert str(refusal).startswith(f"these {refusal.conditions} conditions cannot run (")

    def test_where_all_can_run_nothing_is_said(self):
        assert found(axes={"load": [0.5, 0.9], "policy": ["edf", "strait", "preempt-kernel"]}) == []

    @pytest.mark.parametrize("base", [{"limit": 50}, {"limit": 50, "load_unit": "saturation"}])
    def test_a_sweep_over_a_trace_is_looked_at_too(self, base):
        plain = record(axes={"policy": ["edf", "strait(predictor=oracle)"]}, base=base)
        del plain["arrivals"]
        (refusal,) = refusals(make_plan(make_sweep(plain, "test")))
        assert str(refusal).startswith("this condition cannot run (policy=strait(predictor=oracle)): ")

    def test_settings_of_a_policy_are_named(self):
        policies = {"s": {"policy": "strait(predictor={p})", "settings": {"p": ["rls", "oracle"]}}}
        (refusal,) = found(axes={"load": [0.5, 0.9]}, policies=policies)
        assert refusal.where == "setting=strait(predictor=oracle)"
        assert refusal.conditions == 2

    def test_groups_of_gpus_are_looked_at_by_the_first(self):
        axes = {"policy": ["edf", "strait(predictor=oracle)"]}
        (refusal,) = found(axes=axes, base={"gpus": 4, "groups": 2})
        assert refusal.where == "policy=strait(predictor=oracle)"

    def test_each_policy_is_prepared_once_per_machine_whatever_the_loads(self, monkeypatch):
        seen = []
        monkeypatch.setattr(worker, "check", lambda settings: seen.append(settings.spec.policy))
        found(axes={"load": [0.1 * n for n in range(1, 9)], "max_concurrency": [1, 2], "policy": ["edf", "fifo"]})
        assert sorted(seen) == ["edf", "edf", "fifo", "fifo"]


class TestFolding:
    EVERY = tuple({"a": a, "b": b, "policy": p} for a in "12" for b in "xyz" for p in ("edf", "fifo"))

    def places(self, rule):
        return [place for place in self.EVERY if rule(place)]

    @pytest.mark.parametrize(
        ("rule", "words"),
        [
            (lambda p: True, "all"),
            (lambda p: p["policy"] == "edf", "policy=edf"),
            (lambda p: p["b"] in "xy", "b=x, y"),
            (lambda p: p["a"] == "1" and p["b"] == "x", "a=1 b=x"),
            (lambda p: p["policy"] == "edf" and (p["a"] + p["b"]) in ("1x", "2y"), "policy=edf a=1 b=x; a=2 b=y"),
        ],
    )
    def test_an_axis_of_which_all_values_are_concerned_is_not_named(self, rule, words):
        assert folded(self.places(rule), self.EVERY) == words

    def test_many_values_are_counted(self):
        every = [{"load": str(n), "policy": p} for n in range(20) for p in ("edf", "fifo")]
        places = [place for place in every if int(place["load"]) < 9]
        assert folded(places, every) == "load=0, 1, 2, 3 and 5 more"


def test_it_is_said_before_the_first_run_and_the_others_are_made(tmp_path):
    plain = record(axes={"policy": ["edf", "strait(predictor=oracle)"]})
    said, rows = [], []
    how = How(warn=said.append, progress=lambda done, total: rows.append((len(said), done)))
    outcome = run_sweep(make_sweep(plain, "test"), plain, tmp_path / "out", how)
    assert len(said) == 1
    assert all(before == 1 for before, _ in rows)
    assert len(outcome.rows) == len(outcome.failures) == 2
    again = []
    run_sweep(make_sweep(plain, "test"), plain, tmp_path / "out", How(warn=again.append))
    assert again == said


def test_the_commands_say_it_and_fold_what_failed(tmp_path, capsys):
    (tmp_path / "s.toml").write_text(
        'title = "t"\n[sweep]\nseeds = [1, 2, 3]\n[arrivals]\nrequests = 50\n'
        '[axes]\npolicy = ["edf", "strait(predictor=oracle)"]\n',
        encoding="utf-8",
    )
    note = "note: this condition cannot run (policy=strait(predictor=oracle)): "
    assert main(["sweep", "plan", str(tmp_path / "s.toml"), "--no-time"]) == 0
    assert capsys.readouterr().err.startswith(note)
    assert main(["sweep", "run", str(tmp_path / "s.toml"), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    ran = capsys.readouterr()
    assert ran.err.startswith(note)
    failed = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith("failed: 3 runs (first: profile=a100-80gb-parvagpu load=0.7")
