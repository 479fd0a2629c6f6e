"""What corrects contention is found where it was put, and judged on runs that it was not learned from."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.device.execution import execution_model
from stratsim.fidelity.calibrate import calibrated, learn_contention
from stratsim.fidelity.one_step import one_step_ahead
from stratsim.fidelity.progress import progress
from stratsim.fidelity.record import read_runs
from stratsim.model.kernel_queue import AsServed, KernelQueue
from stratsim.model.truth import Host

LENGTHS = {"small": {1: 4e-6, 8: 6e-6}, "large": {1: 6e-6, 8: 12e-6}}
QUEUE = KernelQueue(0.5, LENGTHS, residual=0.6)
TRUE = {"small": dict.fromkeys(range(1, 9), 1.2), "large": dict.fromkeys(range(1, 9), 0.95)}


@pytest.fixture
def device(standin):
    plain = standin.with_truth(kernel_queue=QUEUE, host=Host(0.0002, 0.0001, 0.0001, 0.0001))
    return replace(plain, device_model="kernel-queue")


def served(device, **options):
    queue = replace(QUEUE, served=AsServed(**options))
    return replace(device, truth=replace(device.truth, kernel_queue=queue, noise_cv=0.02))


@pytest.fixture
def run(standin):
    def make(device, seed=0, rate=300, requests=3000):
        trace = standin.trace(rate, requests=requests, seed=seed, name=f"{seed}.csv")
        folder = standin.run(trace, device, name=f"live-{seed}", seed=seed, device_model="kernel-queue", max_batch=8)
        return read_runs(folder)[0]

    return make


def test_factors_and_the_cost_of_a_start_are_recovered(device, run):
    live = run(served(device, factors=TRUE, start_s=0.0004))
    found = learn_contention([live], device)
    for name, truth in (("small", 1.2), ("large", 0.95)):
        for size, factor in found.served.factors[name].items():
            assert factor == pytest.approx(truth, abs=max(0.01, 3 * found.served.spread[name][size])), (name, size)
    assert found.served.start_s == pytest.approx(0.0004, abs=3 * found.served.start_spread_s)
    assert found.served.start_spread_s < 0.0001
    before, after = found.error
    assert before > 0.04
    assert after == pytest.approx(0.02 * 0.6745, rel=0.15)  # the noise is left


@pytest.mark.slow
def test_where_nothing_is_wrong_nothing_is_corrected(device, run):
    found = learn_contention([run(served(device))], device)
    assert found.served.start_s == pytest.approx(0, abs=0.00003)
    for table in found.served.factors.values():
        assert list(table.values()) == pytest.approx([1.0] * len(table), abs=0.01)


@pytest.mark.slow
def test_another_run_is_predicted_by_what_was_learned(device, run):
    truth = served(device, factors=TRUE, start_s=0.0004)
    made = calibrated(device, [run(truth)]).profile
    other = run(truth, seed=7)
    took_s = other.result.batches.execution_end_s - other.result.batches.execution_start_s
    errors = [
        np.nanmedian(np.abs(one_step_ahead(other, profile)["execution"] / took_s - 1)) for profile in (device, made)
    ]
    assert errors[0] > 2 * errors[1]
    assert errors[1] < 0.02
    assert set(made.truth.noise_cvs) == {"small", "large"}
    assert made.truth.noise_cvs["small"] == pytest.approx(0.02, rel=0.15)
    assert "truth.kernel_queue.served" in made.provenance


@pytest.mark.slow
def test_learning_again_starts_anew(device, run):
    live = run(served(device, factors=TRUE, start_s=0.0004))
    made = calibrated(device, [live]).profile
    assert calibrated(made, [live]).profile == made


@pytest.mark.slow
def test_other_device_models_are_left_as_they_are(standin):
    live = read_runs(standin.run(standin.trace(150)))[0]
    assert learn_contention([live], standin.device) is None
    assert calibrated(standin.device, [live]).profile.truth.kernel_queue is None


def test_progress_by_hand(standin):
    """The first is joined at 3 and at 7, not by one that starts as it ends (and never does); the second at 7.

    The first does 3 + 4/2 + 1/3 + 1/2 + 1 of its 10; the second 4/2 + 1/3 of 5; the third 1/3 + 1/2 of 2.
    """
    result = read_runs(standin.run(standin.trace(100)))[0].result
    times_s = {"execution_start_s": [0.0, 3.0, 7.0, 10.0], "execution_end_s": [10.0, 8.0, 9.0, np.nan]}
    names = [name for name in result.batches.__slots__ if name not in times_s]
    columns = {name: np.array(values) for name, values in times_s.items()}
    columns |= {name: getattr(result.batches, name)[:4] for name in names}
    columns["gpu"] = np.zeros(4, dtype=np.int32)
    model = execution_model("processor-sharing", standin.device.for_hardware())
    found = progress(replace(result, batches=replace(result.batches, **columns)), model)
    assert found.rate[:3] == pytest.approx([41 / 60, 7 / 15, 5 / 12])
    # Rates right after the starts: 1/2 at 3, and 1/3 at 7.
    assert found.starts == pytest.approx([1 / 2 + 1 / 3, 1 / 3, 0, 0])
    assert found.alone_s == pytest.approx([4, 0, 0, 0])
