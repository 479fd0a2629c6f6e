# ruff: noqa: N802 (the fake has the names of NVML)
"""What is read of a device, and what a reading means; NVML is a fake."""

import itertools
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stratsim_profiler.environment import Monitor, NoProbe, Reading, conditions, verdict
from stratsim_profiler.nvml import gpu_processes, open_nvml
from stratsim_profiler.procfs import CpuProbe


def readings(*changes):
    return tuple(Reading(float(index), **change) for index, change in enumerate(changes))


class TestVerdict:
    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            ("sw_thermal_slowdown", "thermal"),
            ("hw_thermal_slowdown", "thermal"),
            ("hw_power_brake_slowdown", "external"),
            ("hw_slowdown", "external"),
        ],
    )
    def test_slowdowns_from_outside_are_final(self, reason, expected):
        found = verdict(readings({}, {"throttle": (reason, "gpu_idle")}))
        assert (found.reason, found.detail, found.final) == (expected, reason, True)

    @pytest.mark.parametrize("reason", ["sw_power_cap", "gpu_idle", "applications_clocks_setting", "sync_boost"])
    def test_other_reasons_are_not_held_against_the_samples(self, reason):
        assert verdict(readings({"throttle": (reason,)})) is None

    def test_thermal_comes_before_a_foreign_process(self):
        both = readings({"throttle": ("hw_thermal_slowdown",), "foreign_processes": (1,)})
        assert verdict(both).reason == "thermal"

    def test_one_foreign_process_at_any_time_counts(self):
        found = verdict(readings({}, {"foreign_processes": (7,)}, {"foreign_processes": (5, 7)}, {}))
        assert (found.reason, found.detail) == ("foreign-process", "process 5, 7")

    @pytest.mark.parametrize(("load", "bad"), [(0.1, False), (0.2, False), (0.3, True)])
    def test_foreign_load_is_doubtful_only(self, load, bad):
        found = verdict(readings({"foreign_load": load}))
        assert (found is not None) == bad
        assert not bad or not found.final

    def test_nothing_read_nothing_wrong(self):
        assert verdict(()) is None


def test_conditions_summarise_a_window():
    found = conditions(
        readings(
            {"sm_mhz": 1900.0, "power_w": 300.0, "temperature_c": 60.0},
            {"sm_mhz": 1800.0, "power_w": 310.0, "temperature_c": 62.0, "throttle": ("sw_power_cap", "gpu_idle")},
            {},
        )
    )
    assert (found.readings, found.sm_mhz, found.sm_mhz_min) == (3, 1850.0, 1800.0)
    assert (found.power_w, found.temperature_c) == (305.0, 62.0)
    assert found.power_capped
    assert found.throttle == ("gpu_idle", "sw_power_cap")


def test_conditions_of_nothing():
    assert conditions(()).readings == 0
    assert conditions(()).sm_mhz is None


class TestMonitor:
    def test_it_reads_while_its_block_runs(self, fake_probe):
        probe = fake_probe(sm_mhz=1000.0)
        start = time.perf_counter()
        with Monitor(probe, period_s=0.001) as monitor:
            while len(monitor.between(start, time.perf_counter())) < 5:
                time.sleep(0.001)
        end = time.perf_counter()
        assert probe.closed
        assert monitor.telemetry(start, end).conditions.sm_mhz == 1000.0
        assert monitor.between(end, end + 1) == ()
        assert monitor.telemetry(end, end + 1) is None

    def test_a_probe_that_reads_nothing_says_why(self):
        probe = NoProbe("no NVML")
        assert probe.warnings == ("no NVML",)
        assert probe.facts() == {}
        start = time.perf_counter()
        with Monitor(probe, period_s=0.001) as monitor:
            time.sleep(0.01)
        assert monitor.telemetry(start, time.perf_counter()) is None


class FakeNvml:
    """As much of pynvml as is asked, of a card that lacks some things."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        pass

    def __init__(self):
        self.pids = {42}
        self.bits = 0
        self.shut = 0

    def nvmlInit(self):
        pass

    def nvmlShutdown(self):
        self.shut += 1

    def nvmlDeviceGetCount(self):
        return 1

    def nvmlDeviceGetHandleByIndex(self, index):
        return f"handle {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != b"GPU-abc":
            raise self.NVMLError("not found")
        return "handle by uuid"

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=pid) for pid in self.pids]

    def nvmlDeviceGetName(self, handle):
        return b"NVIDIA Fake"

    def nvmlDeviceGetClockInfo(self, handle, which):
        return {1: 1980, 2: 3201}[which]

    def nvmlDeviceGetMaxClockInfo(self, handle, which):
        return 2000

    def nvmlDeviceGetPowerUsage(self, handle):
        return 345_000

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 700_000

    def nvmlDeviceGetTemperature(self, handle, sensor):
        return 55

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(used=1 << 30)

    def nvmlDeviceGetMigMode(self, handle):
        return (0, 0)

    def nvmlDeviceGetCurrPcieLinkWidth(self, handle):
        raise self.NVMLError("not supported")

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):  # an older name: the newer one is missing
        return self.bits


@pytest.fixture
def nvml(monkeypatch):
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


class TestNvml:
    def test_readings_are_in_our_units(self, nvml):
        nvml.bits = 0x4 | 0x1
        reading = open_nvml("abc", 0, frozenset()).read()
        assert (reading.sm_mhz, reading.memory_mhz, reading.power_w) == (1980, 3201, 345.0)
        assert (reading.temperature_c, reading.memory_used_bytes) == (55, 1 << 30)
        assert reading.throttle == ("gpu_idle", "sw_power_cap")

    def test_what_a_card_does_not_tell_is_none(self, nvml):
        reading = open_nvml(None, 0, frozenset()).read()
        assert reading.pcie_width is None  # refused by the card
        assert reading.pcie_generation is None  # not in this version of NVML

    def test_facts(self, nvml):
        facts = open_nvml(None, 0, frozenset({42})).facts()
        assert facts["name"] == "NVIDIA Fake"
        assert facts["power_limit_w"] == 700.0
        assert facts["mig"] is False
        assert facts["other_processes"] == [42]

    def test_processes_that_came_with_us_are_ours(self, nvml):
        before = gpu_processes()
        assert before == {42}
        nvml.pids = {42, 4711}
        probe = open_nvml(None, 0, before)
        assert probe.facts()["other_processes"] == [42]
        assert probe.read().foreign_processes == (42,)

    def test_processes_that_come_later_are_foreign(self, nvml, monkeypatch):
        nvml.pids = {os.getpid()}
        probe = open_nvml(None, 0, frozenset())
        assert probe.read().foreign_processes == ()
        nvml.pids |= {99}
        later = itertools.count(time.perf_counter() + 10)
        monkeypatch.setattr(time, "perf_counter", lambda: next(later))
        assert probe.read().foreign_processes == (99,)

    @pytest.mark.parametrize(
        ("uuid", "handle"),
        [("abc", "handle by uuid"), ("GPU-abc", "handle by uuid"), ("x", "handle 3"), (None, "handle 3")],
    )
    def test_the_gpu_is_found_by_its_uuid_first(self, nvml, uuid, handle):
        assert open_nvml(uuid, 3, frozenset())._handle == handle

    def test_it_lets_go(self, nvml):
        open_nvml(None, 0, frozenset()).close()
        assert nvml.shut == 1

    def test_without_nvml_there_is_a_warning(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "pynvml", None)
        (warning,) = open_nvml(None, 0, frozenset()).warnings
        assert warning.startswith("nvidia-ml-py is not installed")
        assert gpu_processes() == frozenset()

    def test_without_a_driver_there_is_a_warning(self, nvml):
        def refuse():
            raise nvml.NVMLError("Driver Not Loaded")

        nvml.nvmlInit = refuse
        (warning,) = open_nvml(None, 0, frozenset()).warnings
        assert "Driver Not Loaded" in warning
        assert gpu_processes() == frozenset()

    def test_nothing_that_changes_a_setting_is_called(self, nvml):
        called = []

        class Watching:
            def __getattr__(self, name):
                called.append(name)
                return getattr(nvml, name)

        probe = open_nvml(None, 0, frozenset())
        probe._nvml = Watching()
        probe.facts()
        probe.read()
        assert called
        assert not [name for name in called if "Set" in name or "Reset" in name]


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs /proc")
class TestCpuProbe:
    def test_our_own_work_is_not_foreign(self, monkeypatch):
        probe = CpuProbe([0], lambda: [os.getpid()])
        busy, used = itertools.count(10.0, 1.0), itertools.count(3.0, 1.0)
        monkeypatch.setattr(probe, "_busy_s", lambda: next(busy))
        monkeypatch.setattr(probe, "_used_s", lambda _: next(used))
        times = itertools.count(0.0, 1.0)
        monkeypatch.setattr(time, "perf_counter", lambda: next(times))
        assert probe.read().foreign_load is None  # nothing to compare with yet
        assert probe.read().foreign_load == 0.0

    def test_the_share_is_of_all_cores(self, monkeypatch):
        probe = CpuProbe([0, 1], list)
        busy, times = itertools.count(10.0, 0.5), itertools.count(0.0, 1.0)
        monkeypatch.setattr(probe, "_busy_s", lambda: next(busy))
        monkeypatch.setattr(time, "perf_counter", lambda: next(times))
        probe.read()
        assert probe.read().foreign_load == pytest.approx(0.25)

    def test_when_a_worker_starts_the_load_is_not_known_anew(self, monkeypatch):
        pids = [1]
        probe = CpuProbe([0], lambda: pids)
        monkeypatch.setattr(probe, "_busy_s", itertools.count(10.0, 1.0).__next__)
        used = {1: 3.0, 2: 9.0}
        monkeypatch.setattr(probe, "_used_s", used.__getitem__)
        monkeypatch.setattr(time, "perf_counter", itertools.count(0.0, 1.0).__next__)
        probe.read()
        pids.append(2)  # its time before it was counted would look like negative foreign time
        assert probe.read().foreign_load is None
        assert probe.read().foreign_load == 1.0

    def test_the_real_proc_can_be_read(self):
        probe = CpuProbe([0], lambda: [os.getpid()])
        assert probe._busy_s() > 0
        assert probe._used_s(os.getpid()) > 0
        assert probe.warnings == ()
        assert len(probe.facts()["load_average"]) == 3

    def test_a_process_that_has_ended_does_no_harm(self):
        assert CpuProbe([0], lambda: [2**30]).read().foreign_load is None
