"""Who executed beside whom, by hand."""

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.fidelity.levels.colocation import ALONE, company, slowdowns, solo_times
from stratsim.fidelity.levels.stages import all_durations, compare_stages, errors
from stratsim.testing import make_profile

PROFILE = make_profile({"a": {1: 1.0, 2: 1.5}, "b": 2.0}).for_scheduler()


def executed(rows, gpus=None):
    """The result of batches (model, size, start, end), with copies of 0.1 s on either side."""
    models = ("a", "b")
    names, sizes, start_s, end_s = (list(column) for column in zip(*rows, strict=True))
    start_s, end_s = np.array(start_s, dtype=float), np.array(end_s, dtype=float)
    batches = BatchTable(
        np.array(gpus or [0] * len(rows), dtype=np.int32),
        np.array([models.index(name) for name in names], dtype=np.int32),
        np.array(sizes, dtype=np.int32),
        np.ones(len(rows), dtype=np.int8),
        *(start_s - 0.1, start_s - 0.1, start_s, start_s, end_s, end_s, end_s + 0.1),
        np.full(len(rows), np.nan),
    )
    none = RequestTable(*[np.empty(0)] * 12)
    return Result("by hand", none, batches, models, (), (), max(gpus or [0]) + 1, 0, 0.0, 1.0, 0.0)


def test_company():
    rows = [("a", 1, 0, 10), ("b", 1, 5, 15), ("a", 1, 9.9, 12), ("b", 1, 20, 22), ("a", 1, 22, 23)]
    assert company(executed(rows)) == ["b", "a", "b", ALONE, ALONE]  # 0.1 of 10 and of 2.1 are 1 and 4.8 %


def test_company_counts_models_once_and_gpus_apart():
    rows = [("a", 1, 0, 10), ("b", 1, 0, 5), ("b", 1, 5, 10), ("a", 1, 0, 10)]
    assert company(executed(rows)) == ["a+b", "a", "a", "a+b"]
    assert company(executed(rows, gpus=[0, 0, 0, 1])) == ["b", "a", "a", ALONE]


def test_a_batch_that_never_ended_is_nobody():
    assert company(executed([("a", 1, 0, np.nan), ("b", 1, 1, 2)])) == [ALONE, ALONE]


def test_solo_times_are_the_live_ones_where_there_are_enough():
    rows = [("a", 1, 10 * k, 10 * k + 1.1) for k in range(5)] + [("b", 1, 100, 103)]
    result = executed(rows)
    assert solo_times(result, company(result), PROFILE) == {
        ("a", 1): (pytest.approx(1.1), "live"),
        ("b", 1): (2.0, "profile"),
    }


def test_slowdowns():
    """Alone 1.1 s instead of the profile's 1; beside b 1.65 s live, 1.4 s in the simulator: 1.5 and 1.4."""
    alone = [("a", 1, 10 * k, 10 * k + 1.1) for k in range(5)]
    live = executed([*alone, ("a", 1, 100, 101.65), ("b", 1, 100, 104)])
    simulated = np.array([1.0] * 5 + [1.4, 4.0])
    first, *others = slowdowns(live, simulated, PROFILE)
    assert (first.company, first.n, first.measured, first.predicted) == (ALONE, 5, pytest.approx(1), pytest.approx(1))
    beside = next(each for each in others if each.model == "a")
    assert beside.measured == pytest.approx(1.5)
    assert beside.predicted == pytest.approx(1.4)
    assert (beside.company, beside.solo_from) == ("b", "live")


def test_errors_by_hand():
    """Off by +10, -20, 0 and +50 %."""
    found = errors(np.array([1.0, 1.0, 2.0, 4.0]), np.array([1.1, 0.8, 2.0, 6.0]))
    assert found["error"] == pytest.approx(0.15)
    assert found["median"] == pytest.approx(0.05)
    assert found["bias"] == pytest.approx(9.9 / 8 - 1)
    assert found["error_p90"] == pytest.approx(0.2 + 0.7 * 0.3)


def test_a_stage_that_took_no_time():
    found = errors(np.zeros(3), np.array([0.0, 0.0, 0.1]))
    assert (found["error"], found["bias"]) == (0, None)
    assert errors(np.zeros(1), np.ones(1))["error"] == 1
    assert errors(np.empty(0), np.empty(0)) == {"n": 0, **dict.fromkeys(list(found)[1:])}


def test_shares_of_the_residence():
    stages = compare_stages([(all_durations(executed([("a", 1, 0, 1.8)])),) * 2])
    assert stages["execution"]["share"] == pytest.approx(0.9)
    assert [stages[name]["share"] for name in ("copy_in", "copy_out")] == pytest.approx([0.05, 0.05])


def test_what_an_error_amounts_to():
    """The execution is 0.2 s short of 1.8, in 2 s in all."""
    stages = compare_stages([tuple(all_durations(executed([("a", 1, 0, end_s)])) for end_s in (1.8, 1.6))])
    assert [stages[name]["off"] for name in ("execution", "residence")] == pytest.approx([0.1, 0.1])
    assert stages["copy_in"]["off"] == 0
