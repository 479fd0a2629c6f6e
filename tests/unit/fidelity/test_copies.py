"""What copies take longer where they are served: a device with slower links, against the profile's."""

from dataclasses import replace

import pytest

from stratsim.fidelity.calibrate.copies import measure_copies, with_copies
from stratsim.fidelity.levels.stages import all_durations
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.record import read_runs
from stratsim.model.parts import Link


@pytest.fixture
def slower_links(standin):
    """Copies in take 20 us longer, copies out 30."""
    pcie = replace(standin.device.observable.pcie, h2d=Link(3e-5, 10e9), d2h=Link(4e-5, 10e9))
    return replace(standin.device, observable=replace(standin.device.observable, pcie=pcie))


def test_a_fixed_time_is_found_for_each_direction_and_predicts_another_run(standin, slower_links):
    taught, judged = (
        read_runs(standin.run(standin.trace(40, seed=seed, name=f"{seed}.csv"), slower_links, name=f"run-{seed}"))[0]
        for seed in (0, 1)
    )
    added = measure_copies([taught], standin.device)
    assert [(each.direction, each.value_s) for each in added] == [
        ("h2d", pytest.approx(2e-5)),
        ("d2h", pytest.approx(3e-5)),
    ]
    assert all(each.low_s <= each.value_s <= each.high_s and each.n >= 20 for each in added)
    made = with_copies(standin.device, added)
    assert made.observable.pcie.h2d.alpha_s == pytest.approx(3e-5)
    own, predicted = all_durations(judged.result), one_step_ahead(judged, made)
    for stage in ("copy_in", "copy_out"):
        assert predicted[stage] == pytest.approx(own[stage], abs=1e-9)


def test_too_few_copies_are_no_measurement(standin, slower_links):
    run = read_runs(standin.run(standin.trace(40, requests=10), slower_links))[0]
    assert measure_copies([run], standin.device) == []
    assert with_copies(standin.device, []) == standin.device
