"""What is drawn, how far, and what it says of a ranking."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.cli import main
from stratsim.errors import SpecError
from stratsim.model.codec import load_profile
from stratsim.model.kernel_queue import AsServed
from stratsim.model.write import write_profile
from stratsim.run.again import repeat
from stratsim.run.draws import Held, drawn_profile, held, run_draws
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec

SERVED = AsServed({"resnet50": {1: 1.1, 8: 1.0}}, {"resnet50": {1: 0.05, 8: 0.0}}, 60e-6, 5e-6)


@pytest.fixture
def profile():
    known = load_profile("h200-fp16")
    queue = replace(known.truth.kernel_queue, served=SERVED)
    return replace(known, truth=replace(known.truth, kernel_queue=queue))


@pytest.mark.slow
def test_draws_are_as_wide_as_what_is_known(profile):
    made = [drawn_profile(profile, draw).truth.kernel_queue.served for draw in range(400)]
    logs = np.log([served.factors["resnet50"][1] / 1.1 for served in made])
    assert logs.mean() == pytest.approx(0, abs=4 * 0.05 / 20)
    assert logs.std() == pytest.approx(0.05, rel=0.15)
    assert {served.factors["resnet50"][8] for served in made} == {1.0}
    assert np.std([served.start_s for served in made]) == pytest.approx(5e-6, rel=0.15)


def test_the_same_draw_is_the_same_and_leaves_belief_alone(profile):
    assert drawn_profile(profile, 3) == drawn_profile(profile, 3)
    assert drawn_profile(profile, 3) != drawn_profile(profile, 4)
    assert drawn_profile(profile, 3).for_scheduler() is profile.for_scheduler()


def test_a_profile_that_is_not_calibrated():
    with pytest.raises(SpecError, match="stratsim fidelity calibrate"):
        drawn_profile(load_profile("h200-fp16"), 0)


def summary(policy, violation, p95):
    return {
        "policy": policy,
        "classes": {"high": {"violation": violation, "latency_s": {"p50": 1.0, "p95": p95, "mean": None}}},
    }


def test_held_by_hand():
    """One draw of two keeps the order by violations; by p95 b is better, in both; p50 is equal, the mean unknown."""
    now = [summary("a", 0.1, 5.0), summary("b", 0.2, 4.0)]
    draws = [(each["policy"], each) for each in (*now, summary("a", 0.3, 6.0), summary("b", 0.2, 5.0))]
    assert held(now, draws) == [Held("high", "violation", "a", "b", 1, 2), Held("high", "p95", "b", "a", 2, 2)]


def test_draws_of_a_run(profile, tmp_path):
    path = tmp_path / "calibrated.json"
    write_profile(profile, path)
    inputs = prepare(RunSpec(profile=str(path), policy="fifo, priority-edf", limit=400, load=0.8)).lean()
    outcome = replay(inputs, keep_results=False)
    draws = run_draws(inputs, 3)
    assert [policy for policy, _ in draws] == ["fifo", "priority-edf"] * 3
    found = held(outcome.summaries, draws)
    assert {each.draws for each in found} == {3}
    assert all(0 <= each.held <= 3 for each in found)


@pytest.mark.slow
def test_a_folder_with_draws_is_repeated_with_them(profile, tmp_path, capsys):
    path = tmp_path / "calibrated.json"
    write_profile(profile, path)
    argv = ["replay", "--profile", path, "--policy", "fifo,edf", "--limit", 60, "--draws", 2, "--quiet"]
    assert main([*map(str, argv), "--out", str(tmp_path / "run")]) == 0
    assert repeat(tmp_path / "run").files["draws.json"] == "same"
    file = tmp_path / "run" / "draws.json"
    file.write_text(file.read_text().replace('"arrived": ', '"arrived": 1'))
    found = repeat(tmp_path / "run")
    assert (found.same, found.files["draws.json"]) == (False, "differs")
    assert found.differences[0].startswith("draws.json.runs[0].classes.high.arrived: was 1")
