"""How long policies think, from the manifests of live runs."""

from math import exp

import pytest

from stratsim.fidelity.calibrate import measure_thinking, with_thinking
from stratsim.fidelity.calibrate.correct import calibrated_by
from stratsim.fidelity.levels.stages import all_durations
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.record import read_runs
from stratsim.model.truth import Decide, Host


@pytest.fixture
def served(standin):
    """Make a run whose manifest says how long its policy thought."""

    def make(name, policy, median=None, p99=None, **host):
        def edit(result, manifest):
            think = None if median is None else {"count": 9, "median": median, "p99": p99, "max": p99}
            return result, manifest | {"live": {"runs": [{"policy": policy, "host": {"think_s": think}}]}}

        device = standin.with_truth(host=Host(**host))
        return read_runs(standin.run(standin.trace(150), device, policy=policy, name=name, edit=edit))[0]

    return make


def test_it_is_what_a_policy_thinks_longer_than_the_one_that_measured_the_host(served):
    """Log-normal of sigma 0.5 about 300 us over 100 us: p99 is 100 + 300 exp(0.5 x 2.326) us."""
    base, run = served("base", "fifo", 1e-4, 2e-4), served("run", "edf", 4e-4, 1e-4 + 3e-4 * exp(0.5 * 2.326))
    ((policy, found),) = measure_thinking([run], [base]).items()
    assert (policy, found.median_s, found.sigma) == ("edf", pytest.approx(3e-4), pytest.approx(0.5))
    assert measure_thinking([run])["edf"].median_s == pytest.approx(4e-4)
    assert measure_thinking([base], [run]) == {}


@pytest.mark.slow
def test_repeats_count_by_their_medians_and_runs_that_do_not_say_are_left_out(served):
    runs = [served(f"r{n}", "edf(max_batch=4)", n * 1e-4, n * 1e-4) for n in (1, 2, 6)]
    assert measure_thinking([*runs, served("old", "edf")]) == {"edf": Decide(2e-4)}
    assert measure_thinking([served("older", "edf")]) == {}


@pytest.mark.slow
def test_a_device_whose_policy_thinks_is_predicted_once_that_is_known(standin, served):
    """1 ms of thought before each dispatch of 0.4: without it every wait before a copy is 1 ms short."""
    run = served("live", "edf", 1e-3, 1e-3, dispatch_s=4e-4, decide_s={"edf": Decide(1e-3)})
    other = served("other", "edf", 1e-3, 1e-3)
    known = standin.with_truth(host=Host(dispatch_s=4e-4))
    own = all_durations(run.result)["dispatch"]
    assert (own - one_step_ahead(run, known)["dispatch"]).max() >= 1e-3 * (1 - 1e-9)
    made = with_thinking(known, [other])
    assert one_step_ahead(run, made)["dispatch"] == pytest.approx(own, abs=1e-9)
    assert made.truth.host.dispatch_s == 4e-4
    assert calibrated_by(made, other)
    assert not calibrated_by(made, run)
    assert made.provenance["truth.host.decide_s"].kind == "measured"


def test_without_anything_known_the_profile_stays_as_it_is(standin, served):
    assert with_thinking(standin.device, [served("old", "edf")]) is standin.device
