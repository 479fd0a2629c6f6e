"""The measurements on a device whose times are known."""

import dataclasses
import itertools
from statistics import median

import pytest

from stratsim_profiler.device.base import Copy, DeviceInfo, Inference, Stress
from stratsim_profiler.measure.bench import Lanes, Rejected
from stratsim_profiler.measure.colocation import colocation
from stratsim_profiler.measure.offsets import offsets
from stratsim_profiler.measure.solo import kernels, relative_error, solo
from stratsim_profiler.measure.transfers import transfers
from stratsim_profiler.plan import Cell, Copies, Load
from stratsim_profiler.settings import Settings

A, B = Load("a", 1), Load("b", 2)
PAIR = Cell("pair:a@1+b@2", "colocation", "pair", (A, B))
SOLO = Cell("solo:b@2", "solo", loads=(B,))
FAST = Settings(transfer_sizes=(4096, 1 << 20, 1 << 24))


class TestColocation:
    def test_slowdown_is_that_of_processor_sharing(self, fake_device, bench_on):
        (record,) = colocation(bench_on(fake_device({"a": 0.01, "b": 0.02})), PAIR)
        for stream, alone_s in zip(record.streams, (0.01, 0.04), strict=True):
            assert median(stream.solo_before_seconds) == pytest.approx(alone_s)
            assert median(stream.solo_after_seconds) == pytest.approx(alone_s)
            assert median(stream.loaded_seconds) == pytest.approx(2 * alone_s)

    def test_solo_runs_stand_around_the_loaded_one_in_mirrored_order(self, fake_device, bench_on):
        device = fake_device()
        colocation(bench_on(device), PAIR)
        assert [names for kind, names in device.log if kind == "backlog"] == [
            ("a",),
            ("b",),
            ("a", "b"),
            ("b",),
            ("a",),
        ]

    def test_copies_of_one_model_share_their_solo_runs(self, fake_device, bench_on):
        device = fake_device()
        (record,) = colocation(bench_on(device), Cell("self:a@1+a@1", "colocation", "self", (A, A, A)))
        assert sum(kind == "backlog" for kind, _ in device.log) == 3
        assert len(record.streams) == 3
        assert record.streams[0].solo_before_seconds == record.streams[2].solo_before_seconds
        assert median(record.streams[1].loaded_seconds) == pytest.approx(0.03)

    def test_the_record_says_what_was_run(self, fake_device, bench_on):
        cell = dataclasses.replace(PAIR, held_out=True, priorities=(1, 0))
        (record,) = colocation(bench_on(fake_device()), cell)
        assert (record.cell, record.role, record.group, record.held_out) == (PAIR.id, "pair", "a+b", True)
        assert [(stream.model, stream.batch, stream.priority) for stream in record.streams] == [
            ("a", 1, 1),
            ("b", 2, 0),
        ]
        assert (record.dtype, record.mode, record.settle_s) == ("fp32", "eager", 0.2)

    def test_only_whole_iterations_of_the_window_are_kept(self, fake_device, bench_on):
        settings = Settings(window_s=1.0, settle_s=0.25, solo_window_s=1.0, least_iterations=0)
        (record,) = colocation(bench_on(fake_device({"a": 0.125, "b": 0.125}), settings=settings), PAIR)
        fast, slow = record.streams
        assert record.window_s == 1.0  # from 0.25 to 1.25 s: the last one of a ends it
        assert fast.iterations == len(fast.loaded_seconds) == 4  # 0.25 s each
        assert slow.iterations == 1  # 0.5 s each: only that from 0.5 to 1.0 lies inside
        assert fast.overlap == slow.overlap == 1.0

    def test_many_iterations_are_thinned_and_counted(self, fake_device, bench_on):
        (record,) = colocation(bench_on(fake_device({"a": 1e-3, "b": 1e-3}), settings=Settings(most_samples=50)), PAIR)
        assert len(record.streams[0].loaded_seconds) == 50
        assert record.streams[0].iterations == pytest.approx(500, abs=2)

    def test_long_iterations_stretch_the_window(self, fake_device, bench_on):
        settings = Settings(window_s=0.5, solo_window_s=0.5, least_iterations=5)
        (record,) = colocation(bench_on(fake_device({"a": 0.1, "b": 0.05}), settings=settings), PAIR)
        assert record.window_s > 1.0
        assert all(stream.iterations >= 5 for stream in record.streams)

    def test_too_few_iterations_are_rejected(self, fake_device, bench_on):
        with pytest.raises(Rejected, match="iterations: a has"):
            colocation(bench_on(fake_device({"a": 2.0}), settings=Settings(solo_window_s=5.0)), PAIR)

    def test_a_lane_with_no_iteration_alone_is_rejected(self, fake_device, bench_on):
        with pytest.raises(Rejected, match="iterations: a alone has none"):
            colocation(bench_on(fake_device({"a": 2.0})), PAIR)

    def test_idle_streams_are_rejected(self, fake_device, bench_on):
        device = fake_device()
        device.gap_s = 0.001
        with pytest.raises(Rejected, match="overlap: a was busy for 95"):
            colocation(bench_on(device), PAIR)

    def test_drift_between_the_solo_runs_is_noted(self, fake_device, bench_on):
        device = fake_device()
        device.speed = itertools.chain([1.0] * 3, itertools.repeat(0.9))
        bench = bench_on(device)
        colocation(bench, PAIR)
        assert [wrong.reason for wrong in bench.soft] == ["drift", "drift"]
        assert bench.soft[0].detail == "a alone changed by +11.1%"

    def test_a_stressor_is_a_stream_like_others(self, fake_device, bench_on):
        cell = Cell("stressor:a@1+dram:0.50", "colocation", "stressor", (A,), Stress("dram", 0.5))
        (record,) = colocation(bench_on(fake_device()), cell)
        assert [stream.model for stream in record.streams] == ["a", "stress:dram:0.50"]
        assert record.group == "a"


class TestEnvironment:
    def test_a_thermal_slowdown_rejects_the_cell(self, fake_device, fake_probe, bench_on):
        probe = fake_probe(throttle=("hw_thermal_slowdown",))
        with pytest.raises(Rejected, match="thermal: hw_thermal_slowdown"):
            colocation(bench_on(fake_device(), probe), PAIR)

    def test_a_power_cap_is_kept_and_flagged_with_the_clock(self, fake_device, fake_probe, bench_on):
        probe = fake_probe(throttle=("sw_power_cap",), sm_mhz=1200.0)
        (record,) = colocation(bench_on(fake_device(), probe), PAIR)
        assert record.conditions.power_capped
        assert record.conditions.sm_mhz == 1200.0

    @pytest.mark.parametrize("shared", [False, True])
    def test_a_foreign_process_rejects_unless_it_is_allowed(self, fake_device, fake_probe, bench_on, shared):
        bench = bench_on(fake_device(), fake_probe(foreign_processes=(4711,)), Settings(allow_shared=shared))
        if shared:
            assert colocation(bench, PAIR)
        else:
            with pytest.raises(Rejected, match="foreign-process: process 4711"):
                colocation(bench, PAIR)


class TestSolo:
    def test_times_are_measured_cold_one_by_one(self, fake_device, bench_on):
        device = fake_device({"b": 0.003})
        (record,) = solo(bench_on(device), SOLO)
        assert record.seconds == pytest.approx([0.006] * len(record.seconds))
        assert all(entry == ("fire", 1, True) for entry in device.log)
        assert (record.model, record.batch, record.cell) == ("b", 2, "solo:b@2")

    def test_it_stops_at_the_noise_asked_for(self, fake_device, bench_on):
        (record,) = solo(bench_on(fake_device()), SOLO)
        assert record.stopped == "noise"
        assert len(record.seconds) == Settings().solo_samples[0]

    def test_it_stops_at_the_most_samples(self, fake_device, bench_on):
        settings = Settings(solo_noise=-1.0, solo_samples=(2, 7), solo_budget_s=60.0)
        (record,) = solo(bench_on(fake_device(), settings=settings), SOLO)
        assert (record.stopped, len(record.seconds)) == ("count", 7)

    def test_it_stops_when_its_time_is_up(self, fake_device, bench_on):
        settings = Settings(solo_noise=-1.0, solo_samples=(4, 10**6), solo_budget_s=0.0)
        (record,) = solo(bench_on(fake_device(), settings=settings), SOLO)
        assert (record.stopped, len(record.seconds)) == ("budget", 4)

    @pytest.mark.parametrize(("share", "bound"), [(0.0, False), (0.69, False), (0.71, True), (1.2, True)])
    def test_launch_bound_is_more_host_time_than_seven_tenths(self, fake_device, bench_on, share, bound):
        (record,) = solo(bench_on(fake_device(enqueue_share=share)), SOLO)
        assert record.launch_bound is bound
        assert bool(record.enqueue_seconds) == (share > 0)

    def test_relative_error_of_the_mean(self):
        assert relative_error([1.0]) == float("inf")
        assert relative_error([1.0, 1.0]) == 0.0
        assert relative_error([0.9, 1.1]) == pytest.approx(0.1)  # deviation .1414, over the root of 2, over 1

    def test_kernels(self, fake_device, bench_on):
        (record,) = kernels(bench_on(fake_device()), Cell("kernels:a@1", "kernels", loads=(A,)))
        assert (record.count, record.max_s, record.phases[0].name) == (3, 2e-3, "convolution")


class TestTransfers:
    def copies(self, bench, **case):
        return transfers(bench, Cell("transfer:x", "transfer", copies=Copies("h2d", pinned=False, **case)))

    def test_single_copies_of_every_size(self, fake_device, bench_on):
        records = self.copies(bench_on(fake_device(), settings=FAST))
        assert [record.size_bytes for record in records] == [4096, 1 << 20, 1 << 24]
        assert median(records[-1].seconds) == pytest.approx(1e-5 + (1 << 24) / 1e10, rel=1e-4)
        assert records[0].each_seconds == ()

    def test_several_copies_start_together_and_are_timed_one_by_one(self, fake_device, bench_on):
        record = self.copies(bench_on(fake_device(), settings=FAST), concurrent=3)[-1]
        alone = 1e-5 + (1 << 24) / 1e10
        assert record.concurrent == 3
        assert median(record.seconds) == pytest.approx(3 * alone, rel=1e-4)
        assert all(len(each) == 3 for each in record.each_seconds)

    def test_both_directions_are_kept_busy(self, fake_device, bench_on):
        device = fake_device()
        records = self.copies(bench_on(device, settings=FAST), bidirectional=True)
        assert [record.size_bytes for record in records] == [1 << 20, 1 << 24]  # small ones never meet
        assert all(record.bidirectional and record.beside is None for record in records)
        assert ("backlog", ("copy:h2d:16777216", "copy:d2h:16777216")) in device.log

    def test_beside_a_kernel_both_are_timed(self, fake_device, bench_on):
        record = self.copies(bench_on(fake_device(), settings=FAST), beside="dram")[-1]
        assert record.beside == "stress:dram:1.00"
        assert median(record.beside_seconds) == pytest.approx(2 * median(record.beside_solo_seconds))

    def test_lanes_of_copies_are_closed_again(self, fake_device, bench_on):
        device = fake_device()
        self.copies(bench_on(device, settings=FAST), concurrent=2)
        self.copies(bench_on(device, settings=FAST), bidirectional=True)
        assert device.open_lanes == []

    def test_copies_longer_than_the_window_are_rejected(self, fake_device, bench_on):
        settings = Settings(transfer_sizes=(1 << 36,))
        with pytest.raises(Rejected, match="no copy of 68719476736 bytes"):
            self.copies(bench_on(fake_device(), settings=settings), bidirectional=True)

    def test_several_devices(self, fake_device, bench_on):
        device = fake_device()
        record = self.copies(bench_on(device, settings=FAST), devices=2)[-1]
        assert record.devices == 2
        assert record.concurrent == 1


class TestOffsets:
    CELL = Cell("offset:a@1+b@2", "offset", loads=(A, B), held_out=True)

    def test_each_run_is_a_record_on_a_timeline_that_begins_at_zero(self, fake_device, bench_on):
        records = offsets(bench_on(fake_device({"a": 0.01, "b": 0.01})), self.CELL)
        assert len(records) == Settings().offset_rounds
        for record in records:
            first, second = record.streams
            assert first.start_s == 0.0
            assert 0.05 * 0.02 < second.start_s < 0.9 * 0.02 + 1e-6
            assert (first.solo_s, second.solo_s) == pytest.approx((0.01, 0.02))
            assert record.held_out

    def test_offsets_differ_between_runs_and_are_the_same_each_time(self, fake_device, bench_on):
        starts = [
            [record.streams[1].start_s for record in offsets(bench_on(fake_device()), self.CELL)] for _ in range(2)
        ]
        assert starts[0] == starts[1]
        assert len(set(starts[0])) == Settings().offset_rounds


class TestLanes:
    X, Y, Z = (Inference(name, 1) for name in "xyz")

    def test_lanes_are_opened_once_per_slot(self, fake_device):
        device = fake_device()
        lanes = Lanes(device)
        first = lanes.take([self.X, self.X])
        assert lanes.take([self.X, self.X]) == first
        assert [lane.slot for lane in first] == [0, 1]
        assert len(device.open_lanes) == 2

    def test_the_priority_makes_another_lane(self, fake_device):
        lanes = Lanes(fake_device())
        assert lanes.take([self.X], [1]) != lanes.take([self.X])

    def test_lanes_used_longest_ago_are_closed_when_memory_runs_short(self, fake_device):
        info = DeviceInfo("cuda", "small", 100, True, ("graph",), ("fp16",))
        device = fake_device(lane_bytes=40, info=info)
        lanes = Lanes(device)
        for work in (self.X, self.Y, self.Z, self.X):
            lanes.take([work])
        assert [lane.work for lane in device.open_lanes] == [self.Z, self.X]

    def test_a_full_device_is_emptied_before_a_cell_is_given_up(self, fake_device):
        device = fake_device(memory_lanes=2)
        lanes = Lanes(device)
        lanes.take([self.X, self.Y])
        assert [lane.work for lane in lanes.take([self.Z, self.Z])] == [self.Z, self.Z]
        with pytest.raises(Rejected, match="memory: x: full"):
            lanes.take([self.Y, self.Y, self.X])

    def test_dropping_closes_all_lanes_of_a_work(self, fake_device):
        device = fake_device()
        lanes = Lanes(device)
        lanes.take([self.X, self.X, self.Y])
        lanes.drop(self.X)
        assert [lane.work for lane in device.open_lanes] == [self.Y]

    def test_copies_have_names(self):
        assert Copy("h2d", 4096).name == "copy:h2d:4096"
