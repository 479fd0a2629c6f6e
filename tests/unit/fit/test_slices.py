"""The fit of `time-slicing`: over many cells its rule is the solver's, and truths come out of pairs that they gave."""

from dataclasses import replace

import numpy as np
import pytest

from stratsim.errors import ProfileError
from stratsim.fit.cells import Cell, Load, cells_of
from stratsim.fit.identify import local_intervals
from stratsim.fit.slices import SlicesProblem, fit_slices, log_rates, log_rates_and_blocks
from stratsim.fit.truth import fit_pairs
from stratsim.model.contention import TimeSlices
from stratsim.run.pairs import Campaign, measure_pairs
from stratsim.solve import time_slices
from stratsim.testing import make_profile

BUSY = {"a": 0.9, "b": 0.5, "c": 0.3, "d": 0.7}
BURST = {"a": 1.0, "b": 0.2, "c": 0.6, "d": 0.05}
EXACT = Campaign(device_model="time-slicing", batches=(1,), noise_cv=0.0, held_out=0.0)


@pytest.fixture(scope="module")
def sliced():
    """Four processes that take turns, and the exact slowdowns of their pairs; the truth is taken away again."""
    profile = make_profile(dict.fromkeys(BUSY, 0.01))
    slices = TimeSlices({name: {1: value} for name, value in BUSY.items()}, {k: {1: v} for k, v in BURST.items()})
    measured = measure_pairs(replace(profile, truth=replace(profile.truth, time_slicing=slices)), EXACT)
    return replace(measured, truth=profile.truth)


def drawn(seed=3):
    random = np.random.default_rng(seed)
    busy, burst = random.uniform(0.05, 1.0, (40, 3)), random.uniform(0.01, 1.0, (40, 3))
    present = np.ones((40, 3), dtype=bool)
    present[::2, 2] = False
    return busy, burst, present


def test_the_rule_over_many_cells_is_that_of_the_solver():
    busy, burst, present = drawn()
    found = np.exp(log_rates(busy, burst, present))
    for rates, own, length, there in zip(found, busy, burst, present, strict=True):
        assert rates[there] == pytest.approx(time_slices(own[there].tolist(), length[there].tolist()), rel=1e-9)
        assert (rates[~there] == 1.0).all()


def test_two_like_processes_slow_each_other_as_worked_out_by_hand():
    # u = 1/2, b = 1: 1 / rate = 1 + (1 - rate / 2) / 2, of which rate = 3 - sqrt(5) is the root below 1.
    both = np.full((1, 2), 0.5), np.ones((1, 2)), np.ones((1, 2), dtype=bool)
    assert np.exp(log_rates(*both))[0] == pytest.approx([3 - np.sqrt(5)] * 2)


def test_derivatives_are_those_of_differences():
    busy, burst, present = drawn()
    _, by_busy, by_burst = log_rates_and_blocks(busy, burst, present)
    step = 1e-6
    for at in range(3):
        nudge = np.zeros(3)
        nudge[at] = step
        for blocks, low, high in (
            (by_busy, (busy - nudge, burst), (busy + nudge, burst)),
            (by_burst, (busy, burst * np.exp(-nudge)), (busy, burst * np.exp(nudge))),
        ):
            slope = (log_rates(*high, present) - log_rates(*low, present)) / (2 * step)
            assert np.where(present, blocks[:, :, at], 0.0) == pytest.approx(slope, abs=1e-5)


def test_where_no_burst_is_longer_than_a_slice_only_their_ratios_count():
    busy, burst, present = drawn()
    assert log_rates(busy, burst, present) == pytest.approx(log_rates(busy, 0.01 * burst, present), abs=1e-9)


def test_the_truth_that_gave_the_pairs_is_found_again(sliced):
    fit = fit_slices(cells_of(sliced.pairs))
    assert {load.model: value for load, value in fit.slices.busy.items()} == pytest.approx(BUSY, abs=1e-3)
    assert {load.model: value for load, value in fit.slices.burst.items()} == pytest.approx(BURST, rel=1e-2)
    assert abs(fit.residuals).max() < 1e-3  # the pull of bursts to their mean, no more


@pytest.mark.slow
def test_of_all_rules_the_one_that_gave_the_pairs_predicts_those_left_out_best(sliced):
    found = fit_pairs(sliced)
    errors = {(row.split, row.predictor): row.score.mean for row in found.rows}
    assert found.rule == found.profile.device_model == "time-slicing"
    assert errors["leave-one-pair-out", "time-slicing"] < 0.01 < errors["leave-one-pair-out", "streams"]
    assert found.profile.truth.time_slicing.busy["b"][1] == pytest.approx(0.5, abs=1e-3)
    assert "leave-one-model-out" in found.profile.provenance["truth.time_slicing"].note
    again = measure_pairs(replace(found.profile, pairs=()), EXACT)
    assert [pair.slowdown for pair in again.pairs] == pytest.approx([p.slowdown for p in sliced.pairs], rel=1e-3)


def test_a_process_beside_its_copy_alone_leaves_its_burst_open():
    a, b = Load("a", 1), Load("b", 1)
    fit = fit_slices([Cell((a, a), (1.5, 1.5)), Cell((b, b), (1.8, 1.8))], starts=2)
    unknown = {(one.kind, one.load) for one in local_intervals(fit) if not one.identified}
    assert {kind for kind, _ in unknown} == {"burst"}
    assert len(SlicesProblem([Cell((a, a), (1.5, 1.5))]).names()) == 2


def test_without_a_cell_nothing_is_fitted():
    with pytest.raises(ProfileError, match="no co-location cell to fit: busy shares and bursts cannot be known"):
        fit_slices([])
