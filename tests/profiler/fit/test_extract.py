"""From samples to cells: which statistic, which samples are used for what, and what is refused."""

from dataclasses import replace

import pytest

from stratsim.errors import ProfileError
from stratsim.fit.cells import Load, tabulate
from stratsim_profiler.fit.extract import extract_samples
from stratsim_profiler.fit.launcher import launcher_score, launcher_slowdowns
from stratsim_profiler.fit.stressors import features, responses
from stratsim_profiler.samples import Colocation, Conditions, Kernels, Model, Offset, OffsetStream, Solo, Stream

A, B = Load("a", 1), Load("b", 1)


def solo(model, seconds=(0.01,) * 5, enqueue=0.001, launch_bound=False, dtype="fp16", batch=1):
    return Solo("solo", model, batch, dtype, "graph", tuple(seconds), (enqueue,) * 3, launch_bound)


def model(name, flops=1e9):
    return Model("model", name, "zoo", 10, 40, 100, 10, flops)


def stream(name, loaded, before=(0.01,), after=(0.01,)):
    return Stream(name, 1, tuple(loaded), tuple(before), tuple(after), len(loaded), 1.0)


def colocation(*streams, role="pair", held_out=False, dtype="fp16", **conditions):
    group = "+".join(sorted({stream.model for stream in streams}))
    return Colocation(
        "cell", role, held_out, group, streams, 1.0, 0.2, dtype, "graph", conditions=Conditions(**conditions)
    )


BASIS = (model("a"), model("b"), solo("a"), solo("b"))


@pytest.fixture
def of(bench_class):
    """Return a function that extracts from these records, after models and solo samples of a and b."""

    def run(*records, basis=BASIS):
        bench = bench_class({A: 0.5, B: 0.5}, {A: 1.0, B: 1.0}, records=[*basis, *records])
        return extract_samples(bench.samples())

    return run


def test_solo_figures_are_medians_that_outliers_do_not_move(of):
    times = [0.010, 0.011, 0.009, 0.010, 5.0]
    found = of(basis=(model("a"), solo("a", times))).solo[A]
    assert found.seconds == 0.010
    assert found.count == 5
    assert found.cv == pytest.approx(0.001 / 1.349 / 0.010)
    assert found.cv_all > 1
    assert found.p99_s == 5.0
    assert found.enqueue_s == 0.001


def test_solo_records_of_one_load_are_pooled(of):
    found = of(basis=(model("a"), solo("a", (1.0, 2.0)), solo("a", (3.0,), launch_bound=True))).solo[A]
    assert (found.seconds, found.count, found.launch_bound) == (2.0, 3, True)


def test_a_slowdown_is_the_mean_loaded_over_the_mean_of_both_sides(of):
    found = of(colocation(stream("a", (0.02, 0.04), (0.01, 0.01, 0.01), (0.02,)), stream("b", (0.01,)))).cells
    assert found[0].slowdowns == pytest.approx((0.03 / 0.015, 1.0))
    assert found[0].loads == (A, B)


def test_one_side_of_solo_samples_is_enough_none_is_not(of):
    found = of(colocation(stream("a", (0.02,), (), (0.01,)), stream("b", (0.01,)))).cells
    assert found[0].slowdowns == (2.0, 1.0)
    lacking = of(colocation(stream("a", (0.02,), (), ()), stream("b", (0.01,))))
    assert (lacking.cells, lacking.left_out) == ((), ("cell: no solo samples of a with it",))
    with pytest.raises(ProfileError, match=r"took 0\.0 s loaded"):
        of(colocation(stream("a", (0.0,)), stream("b", (0.01,))))


def test_a_cell_whose_model_has_no_solo_samples_is_left_out_and_named(of):
    kept = colocation(stream("a", (0.02,)), stream("b", (0.03,)))
    found = of(kept, colocation(stream("a", (1.0,)), stream("c", (1.0,))))
    assert [cell.slowdowns for cell in found.cells] == [pytest.approx((2.0, 3.0))]
    assert found.left_out == ("cell: no solo samples of c x1",)


def test_a_model_without_solo_samples_at_batch_size_1_is_left_out_and_named(of):
    basis = (model("a"), model("b"), solo("a"), replace(solo("b"), batch=8))
    beside = colocation(stream("a", (0.02,)), replace(stream("b", (0.02,)), batch=8))
    found = of(beside, basis=basis)
    assert found.left_out == ("b: no solo samples at batch size 1", "cell: no solo samples of b x8")
    assert set(found.solo) == {A}
    with pytest.raises(ProfileError, match="no model has solo samples at batch size 1; `stratsim profile run` with"):
        of(basis=(model("b"), replace(solo("b"), batch=8)))


def test_cells_are_sorted_by_what_they_are_for(of):
    pair = (stream("a", (0.02,)), stream("b", (0.02,)))
    stressed = (stream("a", (0.02,)), stream("stress:dram:1.00", (0.02,)))
    found = of(
        colocation(*pair),
        colocation(*pair, held_out=True),
        colocation(*stressed, role="stressor"),
        colocation(stream("a", (0.02,)), stream("stress:empty:1.00", (0.02,)), role="control"),
    )
    assert [len(part) for part in (found.training, found.held_out, found.stressor_cells, found.control_cells)] == [
        1
    ] * 4
    assert found.launch_cells == ()


def test_launch_bound_loads_are_kept_out_of_the_fit(of):
    basis = (model("a"), model("b"), solo("a", launch_bound=True, enqueue=0.008), solo("b"))
    streams = tuple(OffsetStream(name, 1, 0.0, 0.02, 0.01) for name in "ab")
    run = Offset("offset", "a+b", streams, "fp16", "graph")
    found = of(colocation(stream("a", (0.02,)), stream("b", (0.02,))), run, basis=basis)
    assert found.cells == ()
    assert found.offsets == ()
    assert len(found.launch_cells) == 1


def test_conditions_come_along(of):
    pair = (stream("a", (0.02,)), stream("b", (0.02,)))
    (cell,) = of(colocation(*pair, sm_mhz=1410.0, power_capped=True)).cells
    assert (cell.clock, cell.power_capped) == (1410.0, True)


@pytest.mark.parametrize(
    ("basis", "records", "message"),
    [
        ((), (), "no solo samples"),
        ((solo("a"),), (), "model 'a' has solo samples but no model record"),
        ((model("a"), solo("a"), solo("a", dtype="fp32")), (), "mixes fp16 graph, fp32 graph"),
    ],
)
def test_what_makes_no_profile_is_refused(of, basis, records, message):
    with pytest.raises(ProfileError, match=message):
        of(*records, basis=basis)


def test_loads_that_were_not_listed_are_an_error(of):
    cells = of(colocation(stream("a", (0.02,)), stream("b", (0.02,)))).cells
    with pytest.raises(KeyError):
        tabulate(cells, [A])


def test_the_launcher_serves_streams_in_turn(of):
    basis = (model("a"), model("b"), solo("a", launch_bound=True, enqueue=0.008), solo("b", enqueue=0.006))
    found = of(colocation(stream("a", (0.014,)), stream("b", (0.021,))), basis=basis)
    (cell,) = found.launch_cells
    assert launcher_slowdowns(cell, found.solo) == pytest.approx((1.4, 1.4))
    score = launcher_score(found.launch_cells, found.solo)
    assert (score.count, score.worst) == (2, pytest.approx(1 / 3))
    assert launcher_score((), found.solo) is None


def test_a_launcher_that_is_not_the_bottleneck_slows_nothing(of):
    found = of(colocation(stream("a", (0.02,)), stream("b", (0.02,))))
    assert launcher_slowdowns(found.cells[0], found.solo) == (1.0, 1.0)


def stressed(name, load, stressor):
    return colocation(stream("a", (load,)), stream(name, (stressor,)), role="stressor")


def test_stressors_show_sensitivity_and_pressure(of):
    cells = of(
        stressed("stress:dram:0.50", 0.011, 0.0125),
        stressed("stress:dram:1.00", 0.015, 0.02),
        stressed("stress:compute:1.00", 0.012, 0.0125),
        stressed("stress:l2:1.00", 0.010, 0.009),
    ).stressor_cells
    found = {(r.kind, r.level): (r.sensitivity, r.pressure) for r in responses(cells)}
    assert found["dram", 0.5] == pytest.approx((1.1, 0.2))
    assert found["dram", 1.0] == pytest.approx((1.5, 0.5))
    assert found["l2", 1.0] == pytest.approx((1.0, 0.0))
    (entry,) = features(responses(cells)).values()
    assert (entry.memory, entry.compute, entry.l2) == (0.5, 0.2, 0.0)


def test_features_need_both_resources(of):
    cells = of(stressed("stress:dram:1.00", 0.015, 0.02)).stressor_cells
    assert features(responses(cells)) == {}


def test_kernels_are_found_by_load(of):
    found = of(Kernels("kernels", "a", 1, 7, 1e-5, 2e-5, 7e-5))
    assert found.kernels[A].count == 7


def test_drift_is_the_median_change_around_co_locations(of):
    pair = (stream("a", (0.02,), (0.01,), (0.011,)), stream("b", (0.02,), (0.01,), (0.007,)))
    assert of(colocation(*pair)).drift == pytest.approx(0.2)
    assert of().drift is None
    assert of(colocation(stream("a", (0.02,), (), (0.01,)), stream("b", (0.02,), (), (0.01,)))).drift is None
