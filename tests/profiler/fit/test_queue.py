"""The fit of `kernel-queue`: recovers what simulated devices are made of, and says what it cannot know."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from stratsim.fit.baselines import KernelQueue, Streams
from stratsim.fit.cells import Cell, Load
from stratsim.fit.holdout import cross_validate
from stratsim.fit.identify import intervals, singular_values
from stratsim.fit.queue import Queue, QueueProblem, fit_queue, log_rates
from stratsim.solve import kernel_queue
from stratsim_profiler.fit.solo import kernel_lengths

LOADS = [Load(name, batch) for name in "abcd" for batch in (1, 8)]
LENGTH = {load: 1e-6 * (2.0 + at) * (1.0 if load.batch == 1 else 2.5) for at, load in enumerate(LOADS)}
HOLD = {load: 0.3 + 0.08 * at for at, load in enumerate(LOADS)}
TRUTH = Queue(LENGTH, HOLD, residual=0.7, gap_s=0.6e-6)


def cell(*loads, role="pair"):
    return Cell(tuple(loads), (1.0,) * len(loads), role)


def measured(cells, noise=0.0, seed=0):
    random = np.random.default_rng(seed)
    found = zip(cells, TRUTH.slowdowns(cells), strict=True)
    return [
        replace(one, slowdowns=tuple(value * float(np.exp(random.normal(0, noise))) for value in row))
        for one, row in found
    ]


def design():
    copies = [cell(*[load] * count, role="self") for load in LOADS for count in (2, 3, 4)]
    return [*copies, *(cell(*pair) for pair in combinations(LOADS, 2) if pair[0].model != pair[1].model)]


def test_many_cells_at_once_are_the_rule_one_by_one():
    random = np.random.default_rng(1)
    length = random.uniform(1, 20, (50, 4))
    hold = length * random.uniform(0, 1, (50, 4))
    present = np.arange(4)[None, :] < random.integers(1, 5, 50)[:, None]
    found = log_rates(length, hold, present, 0.6, 0.5)
    for row in range(50):
        count = int(present[row].sum())
        one = kernel_queue(length[row, :count].tolist(), hold[row, :count].tolist(), 0.6, 0.5)
        assert np.exp(found[row, :count]) == pytest.approx(one, rel=1e-9)
        assert (found[row, count:] == 0).all()


def test_problems_that_are_solved_at_once_are_each_what_it_is_alone_to_the_bit():
    random = np.random.default_rng(2)
    length = random.uniform(1, 20, (50, 3))
    hold = length * random.uniform(0, 1, (6, 50, 3))
    present = np.arange(3)[None, :] < random.integers(1, 4, 50)[:, None]
    residual, gap = random.uniform(0.5, 1, 6), random.uniform(0, 5, 6)
    found = log_rates(length, hold, present, residual[:, None, None], gap[:, None, None])
    for at in range(6):
        assert np.array_equal(found[at], log_rates(length, hold[at], present, float(residual[at]), float(gap[at])))


def test_the_search_s_derivatives_are_differences_of_one_parameter_after_the_other():
    problem = QueueProblem(measured(design(), 0.03), LENGTH)
    values = np.array([*HOLD.values(), 0.7, 0.6])
    values[0] = 1.0  # at its bound: the step goes inwards
    found = problem.slope(values)
    for at in range(problem.size):
        step = 1e-6 if at else -1e-6
        moved = values.copy()
        moved[at] += step
        slope = (problem.residuals(moved) - problem.residuals(values)) / step
        assert found[:, at] == pytest.approx(slope, abs=1e-4)
        assert np.array_equal(problem.jacobian(values)[:, at], slope)


def test_without_noise_the_truth_comes_back():
    fit = fit_queue(measured(design()), LENGTH)
    for load in LOADS:
        assert fit.queue.hold[load] == pytest.approx(HOLD[load], abs=2e-3)
    assert fit.queue.residual == pytest.approx(0.7, abs=5e-3)
    assert fit.queue.gap_s == pytest.approx(0.6e-6, abs=1e-8)
    assert fit.starts[-1] < 1e-6  # every start ends there


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    inside = []
    for seed in range(6):
        fit = fit_queue(measured(design(), 0.03, seed), LENGTH, starts=1)
        truth = {**{("hold", load): HOLD[load] for load in LOADS}, ("residual", None): 0.7, ("gap", None): 0.6}
        inside += [found.low <= truth[found.kind, found.load] <= found.high for found in intervals(fit)]
    # 60 intervals of 95 %, dependent within a seed: fewer than 50 hits would be a wrong formula
    assert sum(inside) >= 50


@pytest.mark.slow
def test_a_hold_is_not_identified_by_cells_in_which_nobody_waits_for_it():
    # d's kernels meet only those of a, which are long and wait but little for them; a alone has copies
    long = {**LENGTH, Load("a", 1): 500e-6}
    rule = replace(TRUTH, length_s=long)
    cells = [cell(Load("a", 1), Load("a", 1)), cell(Load("a", 1), Load("d", 8))]
    noisy = [replace(one, slowdowns=row) for one, row in zip(cells, rule.slowdowns(cells), strict=True)]
    noisy = [replace(one, slowdowns=tuple(s * 1.01**k for k, s in enumerate(one.slowdowns))) for one in noisy * 4]
    fit = fit_queue(noisy, long)
    unknown = {(found.kind, found.load) for found in intervals(fit) if not found.identified}
    assert ("hold", Load("d", 8)) in unknown
    assert len(singular_values(fit)) == 4


@pytest.mark.slow
def test_it_beats_streams_on_a_device_that_works_like_it():
    cells = measured(design(), 0.02)
    own = cross_validate("leave-one-pair-out", cells, KernelQueue(LENGTH)).score
    other = cross_validate("leave-one-pair-out", cells, Streams()).score
    assert own.mean < 0.03
    assert own.mean < 0.7 * other.mean


def test_a_model_that_met_no_other_is_known_by_its_copies_and_its_kernels():
    cells = measured(design(), 0.02)
    assert cross_validate("leave-one-model-out", cells, KernelQueue(LENGTH)).score.mean < 0.04


def test_other_batch_sizes_lie_on_the_line_over_the_logarithm_of_the_length():
    length = {Load("a", 1): 2e-6, Load("a", 8): 8e-6, Load("a", 4): 4e-6, Load("a", 32): 64e-6, Load("b", 1): 1e-6}
    rule = Queue(length, {Load("a", 1): 0.3, Load("a", 8): 0.7})
    assert rule.hold_of(Load("a", 4)) == pytest.approx(0.5)
    assert rule.hold_of(Load("a", 32)) == 1.0  # 0.3 + 0.2 * 5, cut
    assert rule.hold_of(Load("b", 1)) == pytest.approx(0.5)  # nothing is known of b: the median
    flat = Queue({**length, Load("a", 8): 1e-6}, rule.hold)
    assert flat.hold_of(Load("a", 4)) == 0.3  # kernels that do not grow say nothing of the law: the nearest


def test_lengths_are_solo_time_over_kernels_of_the_nearest_count(full_bench):
    from stratsim_profiler.fit.extract import extract_samples

    found = kernel_lengths(extract_samples(full_bench.samples()))
    assert found[full_bench.loads[0]] == pytest.approx(0.01 / 100, rel=0.03)


def test_the_profile_names_the_rule_that_predicts_pairs_left_out_best(full_fit):
    # the simulated device shares by weights: kernels of equal length cannot say so
    assert full_fit.summary.sharing.rule == "streams"
    assert full_fit.profile.device_model is None
    queue = full_fit.profile.truth.kernel_queue
    assert set(queue.holds) == set(full_fit.profile.observable.models)
    errors = {
        row.predictor: row.score.mean for row in full_fit.summary.sharing.rows if row.split == "leave-one-pair-out"
    }
    assert errors["streams"] < errors["kernel-queue"]


@pytest.mark.slow
def test_a_cpu_has_no_block_scheduler(full_bench):
    from stratsim_profiler.fit import fit_samples

    samples = full_bench.samples()
    header = replace(samples.header, device={**samples.header.device, "kind": "cpu"})
    found = fit_samples(replace(samples, header=header), starts=1)
    assert found.summary.sharing.queue is None
    assert found.profile.truth.kernel_queue is None
