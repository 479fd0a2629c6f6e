"""Predictions from the live times of everything before: by hand, and against runs without any difference."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.fidelity.levels.stages import all_durations
from stratsim.fidelity.one_step import freed_slots, one_step_ahead
from stratsim.fidelity.progress import progress
from stratsim.fidelity.record import read_runs
from stratsim.fidelity.report import assess, read_cells, replay_cells
from stratsim.model.truth import Decide, Host

HOST = {"dispatch_s": 0.0004, "launch_s": 0.002, "notice_s": 0.001, "collect_s": 0.0003}
STAGES = ("copy_in", "wait", "execution", "copy_out_wait", "copy_out", "residence")


@pytest.fixture
def run(standin):
    def make(device, rate=150, **options):
        return read_runs(standin.run(standin.trace(rate), device, **options))[0]

    return make


@pytest.mark.slow_cases("settings2-None", "settings2-host1", "settings2-host2")
@pytest.mark.parametrize("host", [None, Host(**HOST), Host(**HOST, decide_s={"fifo": Decide(0.0015)})])
@pytest.mark.parametrize("settings", [{}, {"max_concurrency": 1}, {"max_concurrency": 3, "policy": "priority-edf"}])
def test_a_replay_is_predicted_exactly_from_itself(standin, run, host, settings):
    device = standin.with_truth(host=host)
    found = run(device, **settings)
    predicted, own = one_step_ahead(found, device), all_durations(found.result)
    for stage in STAGES:
        assert predicted[stage] == pytest.approx(own[stage], abs=1e-9), stage


def test_an_error_stays_where_it_is_made(standin, run):
    """Notified 1 ms late of every end: each wait for a slot is 1 ms longer than predicted, and never more."""
    late = run(standin.with_truth(host=Host(notice_s=0.001)), rate=400)
    (replayed,) = replay_cells(read_cells(late.directory)[0])
    own = all_durations(late.result)["wait"]
    assert (own - replayed.ahead[0]["wait"]).max() == pytest.approx(0.001)
    accumulated = own - all_durations(replayed.forced[0])["wait"]
    assert accumulated.max() > 0.01


@pytest.mark.slow
def test_a_slow_device_makes_no_error_of_the_waits(standin, run):
    slow = run(standin.slower(1.2), rate=300)
    (cell,) = assess(replay_cells(read_cells(slow.directory)[0]))["cells"]
    assert cell["stages"]["execution"]["median"] == pytest.approx(1 / 1.2 - 1)
    assert cell["stages"]["wait"]["error_p90"] == pytest.approx(0, abs=1e-9)
    assert cell["accumulated"]["wait"]["error"] > 0.2
    assert cell["verdicts"]["stages"]["wait"] == "pass"
    assert cell["verdicts"]["stages"]["execution"] == "fail"


def test_mean_rates_by_hand(standin, run):
    """Alone from 0 to 10, beside another of equal demand and weight until 20: rates 1 and 0.5, on average 0.75."""
    from stratsim.device.execution import execution_model

    result = run(standin.device).result
    batches = replace(
        result.batches,
        gpu=np.array([0, 0, 1]),
        execution_start_s=np.array([0.0, 10.0, 12.0]),
        execution_end_s=np.array([20.0, 30.0, np.nan]),
        **{
            name: getattr(result.batches, name)[:3]
            for name in ("model", "size", "priority", "dispatch_s", "copy_in_start_s", "copy_in_end_s", "solo_s")
        },
        **{name: getattr(result.batches, name)[:3] for name in ("copy_out_start_s", "copy_out_end_s", "expected_s")},
    )
    model = execution_model("processor-sharing", standin.device.for_hardware())
    assert progress(replace(result, batches=batches), model).rate == pytest.approx([0.75, 0.75, np.nan], nan_ok=True)


def test_slots_are_freed_in_the_order_of_ends(standin, run):
    """Two slots: the third batch waits for the first end, the fourth for the second; the fifth has found both free."""
    result = run(standin.device).result
    times_s = {"dispatch_s": [0.0, 0.0, 1.0, 2.0, 50.0], "execution_end_s": [9.0, 5.0, 12.0, 14.0, 60.0]}
    names = [name for name in result.batches.__slots__ if name not in times_s]
    batches = replace(
        result.batches,
        **{name: np.array(values) for name, values in times_s.items()},
        **{name: getattr(result.batches, name)[:5] for name in names},
    )
    found = freed_slots(replace(result, batches=batches, max_concurrency=2))
    assert found.tolist() == [-np.inf, -np.inf, 5.0, 9.0, 12.0]


@pytest.mark.slow
def test_a_model_without_rates_has_no_prediction_of_executions(standin, run):
    found = run(standin.device)
    blocks = replace(found, spec=replace(found.spec, device_model="block-priority"))
    assert np.isnan(one_step_ahead(blocks, with_blocks(standin.device))["execution"]).all()


def with_blocks(profile):
    from stratsim.model.contention import Blocks, KernelBlocks

    kernels = {name: {1: (KernelBlocks(1.0, 4),)} for name in profile.observable.models}
    return replace(profile, truth=replace(profile.truth, blocks=Blocks(8, kernels)))
