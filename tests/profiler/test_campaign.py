"""A run as a whole on a fake device: order, budget, attempts, interruption and resumption."""

import io
import itertools

import pytest

from stratsim.errors import ProfileError
from stratsim_profiler.campaign import measure_cell, run_plan, wait_for_quiet, warm_up
from stratsim_profiler.environment import Reading
from stratsim_profiler.plan import Cell, Load, Plan
from stratsim_profiler.progress import Progress, clock
from stratsim_profiler.samples import SAMPLES_SCHEMA, Colocation, Discarded, Done, Header, Note, Solo, Telemetry
from stratsim_profiler.settings import Settings
from stratsim_profiler.store import SampleFile, read_samples

HEADER = Header(SAMPLES_SCHEMA, "0", "2026-01-01T00:00:00+00:00", {}, {}, {}, {})
A, B = Load("a", 1), Load("b", 1)
CELLS = (
    Cell("solo:a@1", "solo", loads=(A,), estimate_s=1.0),
    Cell("solo:b@1", "solo", loads=(B,), estimate_s=1.0, rank=1.0),
    Cell("pair:a@1+b@1", "colocation", "pair", (A, B), estimate_s=1.0, rank=2.0),
)


@pytest.fixture
def file(tmp_path):
    with SampleFile.create(tmp_path / "s.jsonl", HEADER) as opened:
        yield opened


def go(bench, file, cells=CELLS, budget_s=None):
    return run_plan(bench, Plan(cells, budget_s=budget_s), file, Progress(10, len(cells), io.StringIO()))


def reasons(records):
    return [(record.reason, record.attempt) for record in records if isinstance(record, Discarded)]


def test_all_cells_are_measured_in_order(fake_device, bench_on, file):
    outcome = go(bench_on(fake_device()), file)
    assert [record.cell for record in read_samples(file.path).records if isinstance(record, Solo | Colocation)] == [
        cell.id for cell in CELLS
    ]
    assert (outcome.measured, outcome.discarded, outcome.given_up, outcome.late) == (3, 0, (), ())


def test_what_is_done_is_not_measured_again(fake_device, bench_on, file):
    go(bench_on(fake_device()), file, CELLS[:2])
    device = fake_device()
    with SampleFile.resume(file.path) as again:
        outcome = go(bench_on(device), again)
    assert outcome.measured == 3
    assert all(names in (("a",), ("b",), ("a", "b")) for kind, names, *_ in device.log if kind == "backlog")
    assert not any(kind == "fire" for kind, *_ in device.log)  # the solo cells were there
    assert len(read_samples(file.path).of(Solo)) == 2


def test_an_interruption_keeps_whole_cells_and_the_run_goes_on(fake_device, bench_on, file):
    device = fake_device()
    device.backlog = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        go(bench_on(device), file)
    assert read_samples(file.path).done == {"solo:a@1", "solo:b@1"}
    with SampleFile.resume(file.path) as again:
        assert go(bench_on(fake_device()), again).measured == 3


class TestBudget:
    def test_what_there_is_no_time_for_is_named(self, fake_device, bench_on, file):
        outcome = go(bench_on(fake_device()), file, budget_s=0.5)
        assert outcome.late == ("solo:b@1", "pair:a@1+b@1")

    def test_what_every_profile_needs_is_measured_all_the_same(self, fake_device, bench_on, file):
        go(bench_on(fake_device()), file, budget_s=1e-9)
        assert read_samples(file.path).done == {"solo:a@1"}

    def test_time_of_cells_without_samples_does_not_count(self, fake_device, bench_on, file):
        file.commit([Discarded("solo:x@1", "drift", "")], Done("solo:x@1", 100.0))
        assert go(bench_on(fake_device()), file, budget_s=60.0).late == ()

    def test_time_of_an_earlier_run_counts(self, fake_device, bench_on, file):
        file.commit([Solo("solo:x@1", "x", 1, "fp32", "eager", (1.0,), (), False)], Done("solo:x@1", 100.0))
        assert len(go(bench_on(fake_device()), file, budget_s=60.0).late) == 2


class TestAttempts:
    PAIR = CELLS[2]

    def test_a_rejected_cell_is_measured_again(self, fake_device, bench_on):
        device = fake_device()
        bench = bench_on(device)
        gaps = itertools.chain([0.001] * 5, itertools.repeat(0.0))
        plain = device.backlog

        def backlog(lanes, seconds):
            device.gap_s = next(gaps)
            return plain(lanes, seconds)

        device.backlog = backlog
        records = measure_cell(bench, self.PAIR)
        assert reasons(records) == [("overlap", 1)]
        assert isinstance(records[1], Colocation)

    def test_a_cell_that_is_rejected_every_time_is_given_up(self, fake_device, bench_on, file):
        device = fake_device()
        device.gap_s = 0.001
        outcome = go(bench_on(device), file)
        assert outcome.given_up == ("pair:a@1+b@1",)
        assert outcome.discarded == 2
        assert outcome.measured == 2

    def test_given_up_cells_are_tried_again_by_the_next_run(self, fake_device, bench_on, file):
        device = fake_device()
        device.gap_s = 0.001
        go(bench_on(device), file)
        with SampleFile.resume(file.path) as again:
            outcome = go(bench_on(fake_device()), again)
        assert (outcome.measured, outcome.given_up) == (3, ())

    def test_a_solo_cell_that_is_given_up_is_tried_once_more_at_the_end_within_the_budget(
        self, fake_device, bench_on, file, monkeypatch
    ):
        failed = iter([True, False])

        def once(bench, cell):
            if cell.id == "solo:b@1" and next(failed):
                return [Discarded(cell.id, "drift", "of the clock", 1)]
            return measure_cell(bench, cell)

        monkeypatch.setattr("stratsim_profiler.campaign.measure_cell", once)
        outcome = go(bench_on(fake_device()), file)
        assert (outcome.measured, outcome.given_up) == (3, ())
        assert [done.cell for done in file.samples.of(Done)] == [*(cell.id for cell in CELLS), "solo:b@1"]

    def test_there_is_no_second_try_without_time_or_room(self, fake_device, bench_on, file, monkeypatch):
        def never(bench, cell):
            return [Discarded(cell.id, "memory" if cell.id == "solo:a@1" else "drift", "x", 1)]

        monkeypatch.setattr("stratsim_profiler.campaign.measure_cell", never)
        go(bench_on(fake_device()), file, CELLS[:2], budget_s=0.0)
        assert [done.cell for done in file.samples.of(Done)] == ["solo:a@1"]

    def test_doubtful_samples_are_kept_with_a_note_on_the_last_attempt(self, fake_device, fake_probe, bench_on):
        bench = bench_on(fake_device(), fake_probe(foreign_load=0.5), Settings(allow_shared=True))
        records = measure_cell(bench, self.PAIR)
        assert reasons(records) == [("foreign-load", 1)]
        (note,) = (record for record in records if isinstance(record, Note))
        assert note.text == "kept in spite of foreign-load: other processes used 50% of the cores"

    def test_co_locations_beside_busy_processes_are_not_kept_unless_allowed(self, fake_device, fake_probe, bench_on):
        bench = bench_on(fake_device(), fake_probe(foreign_load=0.5))
        assert reasons(measure_cell(bench, self.PAIR)) == [("foreign-load", 1), ("foreign-load", 2)]

    def test_what_every_profile_needs_is_kept_beside_busy_processes(self, fake_device, fake_probe, bench_on):
        records = measure_cell(bench_on(fake_device(), fake_probe(foreign_load=0.5)), CELLS[0])
        assert any(isinstance(record, Solo) for record in records)
        assert any(isinstance(record, Note) for record in records)

    def test_trouble_that_lasts_is_not_measured_twice(self, fake_device, fake_probe, bench_on):
        bench = bench_on(fake_device(), fake_probe(foreign_load=0.5), Settings(allow_shared=True))
        measure_cell(bench, self.PAIR)
        records = measure_cell(bench, self.PAIR)
        assert reasons(records) == []
        assert any(isinstance(record, Note) for record in records)

    def test_wrong_samples_are_never_kept(self, fake_device, fake_probe, bench_on):
        bench = bench_on(fake_device(), fake_probe(throttle=("sw_thermal_slowdown",)))
        assert reasons(measure_cell(bench, self.PAIR)) == [("thermal", 1), ("thermal", 2)]

    def test_a_full_device_is_not_tried_twice(self, fake_device, bench_on):
        assert reasons(measure_cell(bench_on(fake_device(memory_lanes=1)), self.PAIR)) == [("memory", 1)]

    def test_an_error_of_torch_is_recorded_in_one_line(self, fake_device, bench_on):
        device = fake_device()
        device.backlog = lambda *_: (_ for _ in ()).throw(RuntimeError("CUDA error:\n  misaligned"))
        (record,) = measure_cell(bench_on(device), self.PAIR)
        assert (record.reason, record.detail) == ("error", "CUDA error: misaligned")

    def test_a_broken_device_ends_the_run(self, fake_device, bench_on, file):
        device = fake_device()
        device.fire = lambda *_, **__: (_ for _ in ()).throw(RuntimeError("lost"))
        many = [Cell(f"solo:a@{batch}", "solo", loads=(Load("a", batch),)) for batch in range(1, 9)]
        with pytest.raises(ProfileError, match="5 cells in a row failed; the last, solo:a@5: lost"):
            go(bench_on(device), file, tuple(many))

    def test_telemetry_stands_with_the_cell(self, fake_device, fake_probe, bench_on):
        probe = fake_probe(sm_mhz=1500.0, power_w=300.0, memory_used_bytes=7)
        records = measure_cell(bench_on(fake_device(), probe), CELLS[0])
        (telemetry,) = (record for record in records if isinstance(record, Telemetry))
        assert telemetry.conditions.sm_mhz == 1500.0
        assert telemetry.memory_used_bytes == 7

    def test_without_readings_there_is_no_telemetry(self, fake_device, bench_on):
        assert [type(record) for record in measure_cell(bench_on(fake_device()), CELLS[0])] == [Solo]


class TestQuiet:
    def waits(self, bench, loads):
        """Return how many readings were taken before the wait ended."""
        left = iter(loads)
        bench.monitor.between = lambda *_: (Reading(0.0, foreign_load=next(left)),)
        wait_for_quiet(bench)
        return len(loads) - len(list(left))

    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch):
        monkeypatch.setattr("stratsim_profiler.campaign._QUIET_S", 0.001)

    def test_a_quiet_device_is_measured_at_once(self, fake_device, bench_on):
        assert self.waits(bench_on(fake_device(), settings=Settings(patience_s=60.0)), [0.1, 0.9]) == 1

    def test_a_busy_one_when_it_has_become_quiet(self, fake_device, bench_on):
        assert self.waits(bench_on(fake_device(), settings=Settings(patience_s=60.0)), [0.9, 0.5, 0.3, 0.0, 0.9]) == 4

    def test_patience_ends(self, fake_device, bench_on):
        assert self.waits(bench_on(fake_device(), settings=Settings(patience_s=0.01)), [0.9] * 10**4) < 10**4

    def test_where_sharing_is_allowed_nobody_waits(self, fake_device, bench_on):
        settings = Settings(patience_s=60.0, allow_shared=True)
        assert self.waits(bench_on(fake_device(), settings=settings), [0.9]) == 0


class TestWarmUp:
    def readings(self, bench, clocks):
        values = iter(clocks)
        bench.monitor.between = lambda *_: (Reading(0.0, sm_mhz=next(values)),)

    def test_it_ends_when_the_clock_is_stable(self, fake_device, bench_on):
        device = fake_device()
        bench = bench_on(device)
        self.readings(bench, [345.0, 1200.0, 1900.0, 1905.0, 1.0])
        warm_up(bench, CELLS[0])
        assert len(device.log) == 4

    def test_without_a_clock_some_seconds_must_do(self, fake_device, bench_on, monkeypatch):
        monkeypatch.setattr("stratsim_profiler.campaign._WARM_BLIND_S", 0.01)
        assert warm_up(bench_on(fake_device(), settings=Settings(warm_s=3600.0)), CELLS[0]) < 60.0

    def test_without_a_clock_it_takes_its_time(self, fake_device, bench_on):
        device = fake_device()
        assert warm_up(bench_on(device, settings=Settings(warm_s=0.01)), CELLS[0]) >= 0.01
        assert device.log


class TestProgress:
    def test_a_terminal_gets_a_bar(self):
        stream = io.StringIO()
        stream.isatty = lambda: True
        with Progress(100.0, 40, stream) as progress:
            progress.show(10, 75.0, "pair:a@1+b@1")
        assert "[######..................] 10/40  1:15 left  pair:a@1+b@1" in stream.getvalue()
        assert stream.getvalue().endswith("\x1b[K")

    def test_a_file_gets_a_line_now_and_then(self):
        stream = io.StringIO()
        with Progress(100.0, 40, stream) as progress:
            for done in range(40):
                progress.show(done, 100.0 - done, "x")
            progress.say("warmed up")
        assert stream.getvalue() == "0/40  1:40 left  x\nwarmed up\n"

    @pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (605, "10:05"), (-3, "0:00")])
    def test_durations(self, seconds, text):
        assert clock(seconds) == text
