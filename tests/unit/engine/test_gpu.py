"""One GPU at run time: who gets a slot, when, and which alarm that sets. Every batch has demand 1: n share equally."""

import math

import pytest

from stratsim.device import CopyEngine, execution_model
from stratsim.engine.batch import Batch
from stratsim.engine.gpu import Gpu
from stratsim.policy.state import GpuState, Log
from stratsim.testing import make_profile

HARDWARE = make_profile({"a": 10.0}).for_hardware()
MODEL = execution_model("streams", HARDWARE)


class Alarm:
    """Remembers what it was set to."""

    def __init__(self):
        self.at_s = math.inf

    def arm(self, at_s):
        self.at_s = at_s


def make_gpu(slots):
    log = Log()
    log.grow(8)
    gpu = Gpu(
        GpuState(0, 8, log),
        MODEL,
        slots,
        lambda _gpu: Alarm(),
        log.execution_start_s,
        CopyEngine(0.0, math.inf),
        CopyEngine(0.0, math.inf),
    )
    return gpu, log


def ready(gpu, at_s, batch_id, solo_s=10.0):
    gpu.ready(at_s, Batch(batch_id, "a", solo_s, MODEL.work("a", 1)))


def test_a_free_slot_is_taken_when_the_input_is_there():
    gpu, log = make_gpu(1)
    ready(gpu, 2.0, 0)
    assert log.execution_start_s[0] == 2.0
    assert gpu.alarm.at_s == 12.0


def test_a_batch_that_joins_slows_the_one_before_it():
    """Alone 2 to 6, then two at half speed: 6 of 10 left take 12, so the first ends at 18; the second has 4 left."""
    gpu, log = make_gpu(2)
    ready(gpu, 2.0, 0)
    ready(gpu, 6.0, 1)
    assert list(log.execution_start_s[:2]) == [2.0, 6.0]
    assert gpu.alarm.at_s == 18.0
    assert [ended.key for ended in gpu.complete(18.0)] == [0]
    assert gpu.alarm.at_s == 22.0


def test_a_batch_whose_input_comes_after_the_next_end_waits_for_it():
    """The first ends at 10, before the second's input is there at 15: nothing overlaps, and the second ends at 25."""
    gpu, log = make_gpu(2)
    ready(gpu, 0.0, 0)
    ready(gpu, 15.0, 1)
    assert gpu.alarm.at_s == 10.0
    assert math.isnan(log.execution_start_s[1])
    assert [ended.key for ended in gpu.complete(10.0)] == [0]
    assert log.execution_start_s[1] == 15.0
    assert gpu.alarm.at_s == 25.0


def test_without_a_slot_the_first_in_line_takes_the_next():
    gpu, log = make_gpu(1)
    for batch_id in range(3):
        ready(gpu, 1.0 * batch_id, batch_id)
    assert [ended.key for ended in gpu.complete(10.0)] == [0]
    assert log.execution_start_s[1] == 10.0
    assert math.isnan(log.execution_start_s[2])
    assert [ended.key for ended in gpu.complete(20.0)] == [1]
    assert log.execution_start_s[2] == 20.0


def test_two_that_end_together_free_two_slots():
    gpu, log = make_gpu(2)
    for batch_id in range(4):
        ready(gpu, 0.0, batch_id)
    assert [ended.key for ended in gpu.complete(20.0)] == [0, 1]
    assert list(log.execution_start_s[2:4]) == [20.0, 20.0]
    assert gpu.alarm.at_s == 40.0


def test_nothing_left_sets_no_alarm():
    gpu, _ = make_gpu(1)
    ready(gpu, 0.0, 0)
    gpu.alarm.at_s = math.inf
    gpu.complete(10.0)
    assert gpu.alarm.at_s == math.inf
    assert gpu.unit.next_s == math.inf
    assert gpu.free_slots == 1


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_no_more_than_the_slots_execute(slots):
    gpu, _ = make_gpu(slots)
    for batch_id in range(6):
        ready(gpu, 0.0, batch_id)
        assert len(gpu.unit) == min(batch_id + 1, slots)
