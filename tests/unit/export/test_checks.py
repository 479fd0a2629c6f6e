"""Each invariant holds on sound runs, and is the one that reports its own violation."""

import dataclasses

import numpy as np
import pytest

from stratsim.export import invariants

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
