"""The law of the A100's demands, and the tables that it is fitted to."""

import math

import pytest

from stratsim.errors import SpecError
from stratsim.validate.parvagpu import APART, Law, Point, fit, leave_out, points, read_tables, utilisation

HEADER = "Mig instance,Batch size,Workload Number,Throughput,Latency\n"
LAW = Law(0.9, 0.5, 0.45)


@pytest.fixture
def folder(tmp_path):
    """Two models; rows of other instances and rows out of memory are there to be left out."""
    (tmp_path / "net.csv").write_text(
        HEADER + "1,1,1,9,0\n7,1,1,100,0\n7,1,2,100,0\n7,2,1,160,0\n7,2,2,80,0\n7,2,3,50,0\n7,4,1,200,0\n7,4,2,0,0\n"
    )
    (tmp_path / f"{APART}.csv").write_text(HEADER + "7,1,1,10,0\n7,1,2,8,0\n")
    (tmp_path / "SLO_latency.csv").write_text("1,2\n")
    return tmp_path


def test_tables_hold_the_whole_gpu_and_what_fitted_into_memory(folder):
    tables = read_tables(folder)
    assert tables == {
        APART: {(1, 1): 10.0, (1, 2): 8.0},
        "net": {(1, 1): 100.0, (1, 2): 100.0, (2, 1): 160.0, (2, 2): 80.0, (2, 3): 50.0, (4, 1): 200.0},
    }
    assert utilisation(tables["net"]) == {1: 0.5, 2: 0.8, 4: 1.0}


def test_points_are_the_slowdowns_of_several_processes(folder):
    assert points(read_tables(folder)) == [
        Point(APART, 1, 2, 1.25, 1.0),
        Point("net", 1, 2, 1.0, 0.5),
        Point("net", 2, 2, 2.0, 0.8),
        Point("net", 2, 3, 3.2, 0.8),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Batch size,Workload Number,Throughput\n", "net.csv: has no column 'Mig instance'"),
        (HEADER + "7,1,1,fast,0\n", "net.csv: row 2 is not a row of numbers"),
        (HEADER + "7,1\n", "net.csv: row 2 is not a row of numbers"),
        (HEADER + "1,1,1,9,0\n", r"net.csv: has no row of the whole GPU \(MIG instance 7\)"),
        ("", "net.csv: has no column 'Mig instance'"),
    ],
)
def test_a_file_that_is_no_such_table_is_named(tmp_path, content, message):
    (tmp_path / "net.csv").write_text(content)
    with pytest.raises(SpecError, match=message):
        read_tables(tmp_path)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(SpecError, match="holds no table of ParvaGPU's measurements"):
        read_tables(tmp_path)


def test_the_law_by_hand():
    """c u (1 + k / b) = .9 x .5 x 1.5, .9 x .5 x 1.125, and never above 1."""
    assert LAW.demand("net", 1, 0.5) == pytest.approx(0.675)
    assert LAW.demand("net", 4, 0.5) == pytest.approx(0.50625)
    assert LAW.demand(APART, 1, 0.5) == pytest.approx(0.3375)
    assert LAW.demand("net", 1, 1.0) == 1.0
    assert LAW.slowdown(Point("net", 1, 2, 9.9, 0.5)) == pytest.approx(1.35)
    assert LAW.slowdown(Point(APART, 1, 2, 9.9, 0.5)) == 1.0


def made_by(law, *models, error=1.0):
    """Points that follow a law, some times a wrong factor."""
    made = []
    for model in models:
        for batch in (1, 2, 4, 8, 16, 64):
            for processes in (2, 3, 4, 5):
                share = 0.25 + 0.75 * batch / (batch + 3)
                exact = Point(model, batch, processes, 1.0, share)
                made.append(exact._replace(slowdown=law.slowdown(exact) * error))
    return made


def test_the_fit_finds_the_law_that_made_the_points():
    found = fit(made_by(LAW, "net", "other", APART))
    assert found == pytest.approx(LAW, abs=1e-9)


def test_a_wild_point_does_not_move_it():
    measured = made_by(LAW, "net", "other", APART)
    measured[7] = measured[7]._replace(slowdown=40.0)
    assert fit(measured) == pytest.approx(LAW, abs=1e-9)


def test_without_its_points_the_one_apart_is_taken_for_one_of_the_others():
    found = fit(made_by(LAW, "net"))
    assert found.busy_apart == found.busy == pytest.approx(0.9)


def test_leaving_a_model_out_predicts_it_from_the_others():
    """Two follow the law; the third is 20 % slower, which nothing about the others tells."""
    measured = made_by(LAW, "net", "other") + made_by(LAW, "odd", error=1.2)
    unseen = leave_out(measured, lambda point: point.model)
    for point, predicted in zip(measured, unseen, strict=True):
        if point.model == "odd":
            assert math.isclose(predicted * 1.2, point.slowdown, rel_tol=1e-9)


def test_groups_may_be_anything():
    measured = made_by(LAW, "net", "other", APART)
    for group in (lambda point: point.processes, lambda point: point.batch, lambda point: (point.model, point.batch)):
        predicted = leave_out(measured, group)
        assert predicted == pytest.approx([point.slowdown for point in measured], rel=1e-9)
