"""Errors on what was not seen: what each split leaves out, the baselines, the laws between batch sizes."""

import itertools
import math

import numpy as np
import pytest

from stratsim.fit.baselines import Constant, Gpulet, Streams
from stratsim.fit.batches import complete
from stratsim.fit.cells import Cell, Load
from stratsim.fit.holdout import SPLITS, cross_validate, leave_one_batch_out, on_held_out, splits
from stratsim.fit.scores import score
from stratsim.fit.sharing import Shares
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.fit.solo import solo_features

A, B, C, A8 = Load("a", 1), Load("b", 1), Load("c", 1), Load("a", 8)


def cell(*loads, slowdown=1.5):
    return Cell(loads, (slowdown,) * len(loads))


def test_the_two_errors():
    found = score([1.1, 2.0], [1.0, 4.0])
    assert found.count == 2
    assert found.mean == pytest.approx((0.1 + 0.5) / 2)
    assert found.median == pytest.approx(0.3)
    assert found.worst == 0.5
    assert found.excess == pytest.approx(2.1 / 3.0)


def test_no_slowdown_is_wrong_by_all_of_it():
    assert score([1.0, 1.0], [1.2, 1.01]).excess == pytest.approx(1.0)
    assert score([], []) is None
    assert math.isnan(score([1.0], [1.0]).excess)


CELLS = (cell(A, A), cell(A, B), cell(A8, B), cell(A, B, B), cell(A, C), cell(B, C), cell(B, B))


def test_a_pair_of_models_is_left_out_with_all_its_batches_and_repeats():
    folds = list(splits("leave-one-pair-out", CELLS))
    assert len(folds) == 3
    kept, out = folds[0]
    assert all({"a", "b"} - cell.models for cell in kept)
    assert set(out) == {CELLS[1], CELLS[2]}
    assert set(kept) == {CELLS[0], CELLS[4], CELLS[5], CELLS[6]}


def test_a_model_is_left_out_with_everything_but_its_own_copies():
    kept, out = next(iter(splits("leave-one-model-out", CELLS)))
    assert set(kept) == {CELLS[0], CELLS[5], CELLS[6]}
    assert set(out) == set(CELLS) - set(kept)


def test_a_random_split_leaves_each_mixed_cell_out_once_and_copies_never():
    cells = [cell(A, B, slowdown=1 + at / 100) for at in range(11)] + [cell(A, A)]
    folds = list(splits("random", cells))
    assert len(folds) == 5
    left_out = [one for _, out in folds for one in out]
    assert sorted(one.slowdowns for one in left_out) == sorted(one.slowdowns for one in cells[:11])
    assert all(cells[11] in kept for kept, _ in folds)
    assert folds == list(splits("random", cells))


@pytest.mark.slow
def test_the_same_pairs_unseen_are_predicted_where_the_design_allows_it(make_bench):
    bench = make_bench(5, seed=4, noise=0.02, demand=(0.4, 0.9))
    cells = [bench.cell((load,) * count, "self") for load in bench.loads for count in (2, 3)]
    cells += [bench.cell(pair) for pair in itertools.combinations(bench.loads, 2)]
    rows = {name: cross_validate(name, cells, Streams(starts=2)).score for name in SPLITS}
    assert rows["leave-one-pair-out"].mean < 0.08
    assert rows["leave-one-pair-out"].mean < cross_validate("leave-one-pair-out", cells, Constant()).score.mean
    assert rows["leave-one-model-out"].mean > rows["leave-one-pair-out"].mean
    assert rows["leave-one-pair-out"].count == 20
    assert rows["leave-one-model-out"].count == 40


def test_nothing_to_split():
    assert cross_validate("leave-one-pair-out", [cell(A, A)], Constant()).score is None


def test_the_constant_is_a_geometric_mean_by_number_of_streams():
    fitted = Constant().fit([Cell((A, B), (1.0, 4.0)), Cell((A, B, C), (3.0, 3.0, 3.0))])
    two, three, five = fitted.predict([cell(A, B), cell(A, B, C), cell(A, A, A, A, A)])
    assert two == pytest.approx((2.0, 2.0))
    assert three == pytest.approx((3.0,) * 3)
    assert five == pytest.approx((3.0,) * 5)
    assert Constant().predict([cell(A, B)]) == [(1.0, 1.0)]


def test_gpulet_finds_a_linear_law_and_takes_the_worst_of_several():
    features = {A: (0.1, 0.9), B: (0.7, 0.2), C: (0.4, 0.5), A8: (0.9, 0.8)}

    def slowdown(target, other):
        return (
            1.0
            + 0.2 * features[target][0]
            + 0.1 * features[target][1]
            + 0.5 * features[other][0]
            + 0.3 * features[other][1]
        )

    cells = [Cell(pair, (slowdown(*pair), slowdown(*pair[::-1]))) for pair in itertools.combinations(features, 2)]
    fitted = Gpulet(features).fit(cells)
    assert fitted.coefficients == pytest.approx((1.0, 0.2, 0.1, 0.5, 0.3))
    ((first, _, _),) = fitted.predict([cell(A, B, C)])
    assert first == pytest.approx(max(slowdown(A, B), slowdown(A, C)))


def test_gpulet_predicts_no_speed_up_and_nothing_unfitted():
    features = {A: (0.0, 0.0), B: (1.0, 1.0)}
    fitted = Gpulet(features).fit([Cell((A, B), (0.9, 0.9)), Cell((A, A), (0.9, 0.9))])
    assert fitted.predict([cell(A, B)]) == [(1.0, 1.0)]
    assert Gpulet(features).fit([cell(A, B, B)]).predict([cell(A, B)]) == [(1.0, 1.0)]


def test_solo_features_are_shares_of_the_largest(make_bench):
    bench = make_bench(2)
    bench.measure_models()
    features, described = solo_features(extract_samples(bench.samples()))
    assert max(compute for compute, _ in features.values()) == 1.0
    assert all(0 < share <= 1 for pair in features.values() for share in pair)
    assert described.startswith("operations per second")


def test_known_batch_sizes_are_interpolated_by_the_law():
    shares = Shares({A: 0.2, A8: 0.8, B: 0.5}, {A: 1.0, A8: 4.0, B: 2.0})
    wanted = [Load("a", 4), Load("a", 32), Load("z", 1)]
    linear, log = (complete(shares, wanted, law) for law in ("linear", "log-log"))
    assert linear.demand[wanted[0]] == pytest.approx(0.2 + 0.6 * 3 / 7)
    assert log.demand[wanted[0]] == pytest.approx(0.2 * 4 ** (2 / 3))
    assert linear.demand[wanted[1]] == log.demand[wanted[1]] == 0.8
    assert linear.demand[wanted[2]] == 0.5
    assert linear.weight[wanted[2]] == pytest.approx(2.0)
    assert linear.demand[A] == 0.2


@pytest.mark.parametrize(("demands", "better"), [((0.2, 0.4, 0.8), "log-log"), ((0.2, 0.3, 0.9), "linear")])
def test_leaving_a_batch_size_out_tells_the_laws_apart(bench_class, demands, better):
    """Batch sizes 1, 4 and 16: log-log puts the middle at the geometric mean, linear at a fifth of the way."""
    middle = demands[1] if better == "log-log" else 0.2 + (0.9 - 0.2) * 3 / 15
    loads = [Load("a", batch) for batch in (1, 4, 16)] + [B]
    bench = bench_class(dict(zip(loads, (demands[0], middle, demands[2], 0.9), strict=True)), dict.fromkeys(loads, 1.0))
    cells = [bench.cell((load,) * count, "self") for load in loads for count in (2, 3, 4)]
    cells += [bench.cell((load, B, B), "anchor") for load in loads[:3]]
    errors = {law: leave_one_batch_out(cells, Streams(law=law)).mean for law in ("linear", "log-log")}
    assert min(errors, key=errors.get) == better
    assert errors[better] < 0.01


def test_two_batch_sizes_leave_nothing_between():
    assert leave_one_batch_out([cell(A, A), cell(A8, A8)], Constant()) is None


def test_a_fitted_predictor_is_judged_on_given_cells():
    row = on_held_out("held-out pairs", [cell(A, B, slowdown=2.0)], Constant().fit([cell(A, B, slowdown=1.0)]))
    assert (row.split, row.predictor) == ("held-out pairs", "constant")
    assert row.score.mean == 0.5
    assert on_held_out("none", [], Constant()).score is None


def test_streams_without_a_fit_predict_no_slowdown():
    assert Streams().predict([cell(A, B)]) == [(1.0, 1.0)]
    assert np.isfinite(Streams().fit([cell(A, A)]).predict([cell(B, B)])).all()
