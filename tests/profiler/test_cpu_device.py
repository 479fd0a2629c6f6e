"""The CPU device for real: worker processes, a common timeline, errors that cross the pipe. No timing is asserted."""

import os
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import SpecError  # noqa: E402
from stratsim_profiler.device import open_device  # noqa: E402
from stratsim_profiler.device.base import Copy, Inference, Lane, Stress  # noqa: E402
from stratsim_profiler.device.cpu import CpuDevice  # noqa: E402
from stratsim_profiler.device.timeline import busy_share, common_window  # noqa: E402
from stratsim_profiler.environment import Monitor  # noqa: E402

MODEL = Inference("mlp-wide", 1)


@pytest.fixture(scope="module")
def device():
    found = CpuDevice(1, slots=2)
    yield found
    found.shutdown()


@pytest.fixture(scope="module")
def lanes(device):
    return device.open(MODEL, 0), device.open(MODEL, 1)


def test_it_says_what_it_is(device):
    assert device.info.kind == "cpu"
    assert device.info.name.endswith(", 1 core")
    assert device.info.details["cores"] == list(device.cores)
    assert not device.info.pinned


def test_workers_share_the_devices_cores(device, lanes):
    assert len(device._workers) == 2
    for worker in device._workers.values():
        assert tuple(os.sched_getaffinity(worker.pid)) == device.cores


def test_lanes_that_fire_together_are_on_one_timeline(device, lanes):
    first, second = device.fire(lanes, [0.0, 0.0])
    assert min(first.start_s, second.start_s) == 0.0
    assert first.end_s > first.start_s
    assert second.end_s > second.start_s


def test_offsets_come_in_order(device, lanes):
    first, second = device.fire(lanes, [0.05, 0.0])
    assert second.start_s < first.start_s


def test_a_backlog_has_no_gaps(device, lanes):
    spans = device.backlog(lanes, 0.15)
    window = common_window(spans, 0.0)
    assert window[1] > window[0]
    for found in spans:
        assert len(found) >= 1
        assert all(before.end_s == after.start_s for before, after in pairwise(found))
        assert busy_share(found, window) == pytest.approx(1.0)


def test_caches_can_be_flushed(device, lanes):
    assert device.fire(lanes[:1], [0.0], flush=True)[0].seconds > 0


@pytest.mark.parametrize(
    "work", [Copy("h2d", 1 << 16, False), Copy("d2h", 1 << 16, False), Stress("l2", 0.5), Stress("empty")]
)
def test_copies_and_stressors_run(device, work):
    lane = device.open(work, 0)
    assert device.fire([lane], [0.0])[0].seconds > 0
    device.close(lane)


def test_operators_are_seen(device, lanes):
    table = device.kernels(lanes[0], 2)
    assert table.count >= 4
    assert table.phases[0].name == "matrix-product"


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (Inference("no-such-model", 1), "unknown model 'no-such-model'"),
        (Inference("mlp-wide", 1, "int8"), "dtype 'int8' must be one of"),
        (Stress("nothing"), "stressor 'nothing' must be one of compute, dram, l2, copy, empty"),
    ],
)
def test_a_workers_error_is_raised_here(device, lanes, work, message):
    with pytest.raises(SpecError, match=message):
        device.open(work, 0)
    assert device.fire(lanes[:1], [0.0])  # the worker goes on


def test_priorities_are_refused(device):
    with pytest.raises(SpecError, match="priorities need a CUDA device"):
        device.open(MODEL, 0, priority=1)


def test_an_answer_that_nobody_waited_for_does_no_harm(device, lanes):
    device._workers[0].ask("backlog", MODEL, 0.0, 0.0)  # as Ctrl-C leaves it
    assert device.fire(lanes[:1], [0.0])[0].seconds > 0


def test_a_worker_that_has_ended_is_named():
    device = CpuDevice(1, slots=1)
    device._worker(0)
    device._workers[0]._process.terminate()
    device._workers[0]._process.join()
    with pytest.raises(RuntimeError, match=r"worker \d+ has ended"):
        device.backlog([Lane(MODEL, 0)], 0.1)
    device.shutdown()


def test_more_cores_than_there_are():
    with pytest.raises(SpecError, match=r"device cpu:4096: this process may use \d+ cores"):
        open_device("cpu:4096")


def test_its_cores_are_watched(device):
    probe = device.probe()
    with Monitor(probe, period_s=0.01) as monitor:
        device.fire([device.open(MODEL, 0)], [0.0])
    assert monitor.between(0.0, float("inf"))
