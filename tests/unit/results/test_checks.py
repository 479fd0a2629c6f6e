"""Each invariant holds on sound runs, and is the one that reports its own violation."""

import dataclasses

import numpy as np
import pytest

from stratsim.engine.columns import batch_chunks
from stratsim.engine.result import LoadTable
from stratsim.results import invariants
from stratsim.results.timeline import timeline_events

NAN = float("nan")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gpus", [1, 3])
def test_a_sound_run_violates_nothing(make_result, seed, gpus):
    assert invariants(make_result(seed, gpus=gpus, concurrency=2), max_concurrency=2) == []


def test_an_empty_run_is_sound(make_result):
    result = make_result(requests=3)
    none = {
        name: type(table)(*(getattr(table, column)[:0] for column in table.__slots__))
        for name, table in (("requests", result.requests), ("batches", result.batches))
    }
    assert invariants(dataclasses.replace(result, **none), 1) == []


def corrupt(result, table, column, row, value):
    """Return the run with one entry changed."""
    rows = getattr(result, table)
    values = getattr(rows, column).copy()
    values[row] = value
    return dataclasses.replace(result, **{table: dataclasses.replace(rows, **{column: values})})


def row_of(result, status):
    return int(np.flatnonzero(result.requests.status == status)[0])


@pytest.mark.parametrize(
    ("table", "column", "row", "value", "line"),
    [
        ("requests", "status", 0, 7, "I1: request without a known status (request 0; 1 of 200 in all)"),
        ("requests", "finish_s", "met", NAN, "I1: answered is not the same as met or late"),
        ("requests", "status", "dropped", 0, "I1: dropped without a time, or a time without a drop"),
        ("requests", "reason", "dropped", -1, "I1: dropped without a reason"),
        ("requests", "batch", "dropped", 0, "I1: dropped after it was dispatched"),
        ("requests", "batch", "met", -1, "I1: answered without a batch"),
        ("requests", "batch", "met", 10_000, "I1: in a batch that does not exist"),
        ("batches", "copy_in_end_s", 3, 0.0, "I2: copy_in_end_s before copy_in_start_s"),
        ("batches", "execution_end_s", 3, NAN, "I2: copy_out_start_s without execution_end_s"),
        ("requests", "dropped_s", "dropped", 0.5, "I3: dropped before it arrived"),
        ("batches", "solo_s", 3, 99.0, "I3: executed faster than alone"),
        ("batches", "solo_s", 3, 99.0, "I3: answered before arrival + solo time of its batch"),
        ("batches", "dispatch_s", 3, 0.9, "I3: dispatched before it arrived"),
        ("batches", "gpu", 3, 1, "I4: on a GPU outside 0 to 0"),
        ("batches", "size", 3, 50, "I5: size differs from the number of members (batch 3; 1 of"),
        ("batches", "copy_out_end_s", 3, 9e9, "I5: not answered at the end of its batch's copy-out"),
        ("requests", "arrival_s", 1, 0.5, "I6: arrival_s runs back"),
        ("batches", "dispatch_s", 3, 0.5, "I6: dispatch_s runs back"),
        ("batches", "copy_out_end_s", 3, 9e9, "I6: something happens outside the run"),
        ("requests", "deadline_s", "met", 0.0, "I7: met, but answered after the deadline"),
        ("requests", "deadline_s", "late", 9e9, "I7: late, but answered by the deadline"),
    ],
)
def test_each_violation_is_reported_in_one_line(make_result, table, column, row, value, line):
    sound = make_result()
    at = row_of(sound, {"met": 1, "late": 2, "dropped": 3}[row]) if isinstance(row, str) else row
    found = invariants(corrupt(sound, table, column, at, value), max_concurrency=2)
    assert any(text.startswith(line) for text in found), found
    assert all("\n" not in text for text in found)


def test_a_batch_of_another_model_is_found(make_result):
    sound = make_result()
    met = row_of(sound, 1)
    wrong = (sound.requests.model[met] + 1) % 3
    found = invariants(corrupt(sound, "requests", "model", met, wrong))
    assert found == [f"I5: in a batch of another model (request {met}; 1 of 200 in all)"]


def test_more_batches_than_slots_are_found_per_gpu(make_result):
    result = make_result(gpus=2, concurrency=3)
    assert invariants(result, max_concurrency=3) == []
    assert invariants(result, max_concurrency=None) == []
    assert invariants(result, max_concurrency=1)[0] == "I4: GPU 0 executed 3 batches at once, at most 1 may"


def test_rounding_is_no_violation(make_result):
    sound = make_result()
    end = sound.batches.execution_end_s[3]
    solo = end - sound.batches.execution_start_s[3]
    exact = corrupt(sound, "batches", "solo_s", 3, solo + 4 * np.spacing(end))
    assert invariants(exact) == []


class TestCopies:
    def test_one_engine_per_direction_carries_one_copy_at_a_time(self, make_result):
        result = dataclasses.replace(make_result(gpus=2), copy_engines=1)
        assert invariants(result) == []
        late = corrupt(result, "batches", "copy_in_end_s", 3, result.batches.execution_start_s[3] + 0.1)
        gpu = result.batches.gpu[3]
        assert f"I8: GPU {gpu} had 2 copies in under way, at most 1 may" in invariants(late)
        early = corrupt(result, "batches", "copy_out_start_s", 5, result.batches.copy_out_start_s[5] - 1.0)
        assert any(line.startswith("I8: GPU ") and " copies out under way" in line for line in invariants(early))

    def test_one_engine_for_both(self, make_result):
        one = dataclasses.replace(make_result(requests=1), copy_engines=0)
        assert invariants(one) == []
        busy = corrupt(one, "batches", "copy_in_start_s", 0, 1.0)
        busy = corrupt(busy, "batches", "copy_out_start_s", 0, 1.0)
        busy = corrupt(busy, "batches", "copy_in_end_s", 0, 9.0)
        assert "I8: GPU 0 had 2 copies in or out under way, at most 1 may" in invariants(busy)

    def test_copies_in_turns_may_overlap(self, make_result):
        result = make_result()
        late = corrupt(result, "batches", "copy_in_end_s", 3, result.batches.execution_start_s[3])
        assert result.copy_engines is None
        assert [line for line in invariants(late) if line.startswith("I8")] == []


class TestMemory:
    """Batch 0 loads its model before it executes; the load is at the start of the run."""

    @pytest.fixture
    def result(self, make_result):
        made = make_result(requests=40)
        models, first = np.unique(made.batches.model, return_index=True)
        order = np.sort(first)
        table = LoadTable(
            batch=order.astype(np.int64),
            start_s=np.full(len(models), 0.5) + 0.1 * np.arange(len(models)),
            end_s=np.full(len(models), 0.6) + 0.1 * np.arange(len(models)),
            evicted_s=np.full(len(models), NAN),
            weights_bytes=np.array([4, 3, 3][: len(models)]),
            capacity_bytes=10,
        )
        return dataclasses.replace(made, loads=table)

    def test_a_sound_run(self, result):
        assert len(result.loads) == 3
        assert invariants(result) == []

    def test_more_than_there_is_room_for(self, result):
        tight = dataclasses.replace(result, loads=dataclasses.replace(result.loads, capacity_bytes=9))
        assert invariants(tight) == ["I9: GPU 0 held 10 bytes of weights, has room for 9"]

    def test_who_goes_makes_room_for_who_comes_at_that_instant(self, result):
        gone = corrupt(result, "loads", "evicted_s", 0, 0.7)
        tight = dataclasses.replace(gone, loads=dataclasses.replace(gone.loads, capacity_bytes=7))
        assert not any("has room" in line for line in invariants(tight))

    def test_executing_without_weights(self, result):
        line = "I9: executed without the weights of its model"
        late = corrupt(result, "loads", "end_s", 0, 99.0)
        assert any(text.startswith(line) for text in invariants(late))
        gone = corrupt(result, "loads", "evicted_s", 0, result.batches.execution_start_s[0])
        assert any(text.startswith(line) for text in invariants(gone))
        assert any(
            text.startswith("I9: evicted before it was there")
            for text in invariants(corrupt(late, "loads", "evicted_s", 0, 1.0))
        )

    def test_a_load_uses_the_engine_of_inputs(self, result):
        busy = dataclasses.replace(corrupt(result, "loads", "start_s", 1, 0.55), copy_engines=1)
        assert invariants(busy) == ["I8: GPU 0 had 2 copies in under way, at most 1 may"]

    def test_the_exported_table_says_what_a_batch_had_loaded(self, result):
        (chunk,) = batch_chunks(result)
        first = int(result.loads.batch[0])
        assert chunk["load_start_s"][first] == 0.5
        assert chunk["load_end_s"][first] == 0.6
        assert np.isnan(chunk["evicted_s"]).all()
        assert np.isfinite(chunk["load_end_s"]).sum() == 3

    def test_the_timeline_shows_loads(self, result):
        events = [event for event in timeline_events(result) if event.get("cat") == "load"]
        assert [event["dur"] for event in events] == [pytest.approx(1e5)] * 3
        rows = {event["args"]["name"] for event in timeline_events(result) if event["name"] == "thread_name"}
        assert "weights" in rows


def test_a_measured_run_may_be_faster_than_the_profile_says(make_result):
    """What a batch would have taken alone is not known of a real device; all else is checked."""
    result = make_result(0, gpus=1, concurrency=2)
    solo_s = result.batches.solo_s * 10
    slow = dataclasses.replace(result, batches=dataclasses.replace(result.batches, solo_s=solo_s))
    assert any("faster than alone" in line for line in invariants(slow, 2))
    assert invariants(slow, 2, measured=True) == []
    early = corrupt(slow, "batches", "execution_end_s", 0, result.batches.execution_start_s[0] - 1.0)
    assert any(line.startswith("I2") for line in invariants(early, 2, measured=True))
    assert any(line.startswith("I3") for line in invariants(early, 2, measured=True))
