"""The fit of `kernel-queue` to DISB's cells: its pieces by known answers, and what the shipped fit is worth."""

import json
import os
from itertools import pairwise
from math import log
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.model.codec import load_profile
from stratsim.validate.disb import (
    FIXED,
    Cell,
    Client,
    Measured,
    Solo,
    fit,
    held_out,
    hold_and_lengths,
    kernel_queue_family,
    leave_out,
    multi_start,
    near_best,
    read_cells,
    read_clients,
    read_measured,
    solo_of,
    steady_slowdowns,
)

SOLO = {"vgg19": Solo(0.010, 0.0), "other": Solo(0.010, 0.0), "copied": Solo(0.010, 0.010)}
LENGTH_S = {"vgg19": 100e-6, "other": 20e-6}


def halves(models):
    return [1 / len(models)] * len(models)


# Steady state


def test_one_client_alone_is_not_slowed():
    assert steady_slowdowns([Client("a", "vgg19", None)], SOLO, halves) == {"a": pytest.approx(1.0)}


def test_two_closed_loops_without_pauses_share_all_the_time():
    clients = [Client("a", "vgg19", None), Client("b", "vgg19", None)]
    found = steady_slowdowns(clients, SOLO, halves)
    assert found["a"] == found["b"] == pytest.approx(2.0, rel=1e-3)  # but for the think time


def test_copies_give_the_other_room_and_dilute_the_slowdown():
    # b executes for x s of every x + 10 ms: the share u = x / (x + .01) of the time, and meets a, always there, at rate
    # 1/2: x = 20 ms. a meets b for 2/3 of the time: rate 2/3 * 1/2 + 1/3 = 2/3, slowdown 1.5; b: (20 + 10) / 20 = 1.5
    clients = [Client("a", "vgg19", None), Client("b", "copied", None)]
    found = steady_slowdowns(clients, SOLO, halves)
    assert found["a"] == pytest.approx(1.5, rel=1e-3)
    assert found["b"] == pytest.approx(1.5, rel=1e-3)


def test_an_open_loop_is_met_for_its_utilisation():
    # b executes 20 ms beside a, ten times a second: 20 % of the time. a: rate .2 * .5 + .8 = .9
    clients = [Client("a", "vgg19", None), Client("b", "other", 10.0)]
    found = steady_slowdowns(clients, SOLO, halves)
    assert found == {"a": pytest.approx(1 / 0.9, rel=1e-3), "b": pytest.approx(2.0, rel=1e-3)}


def test_an_open_loop_that_cannot_keep_up_is_a_closed_one():
    closed = [Client("a", "vgg19", None), Client("b", "copied", None)]
    flooded = [Client("a", "vgg19", None), Client("b", "copied", 1000.0)]
    assert steady_slowdowns(flooded, SOLO, halves) == steady_slowdowns(closed, SOLO, halves)


def test_three_clients_meet_every_set_of_the_others():
    # b and c are there half of the time each (25 ms at 20 per second): a has 1/3, 1/2, 1/2 or 1, each for a quarter
    def rates(models):
        return [{1: 1.0, 2: 0.5, 3: 1 / 3}[len(models)] if name == "vgg19" else 0.4 for name in models]

    clients = [Client("a", "vgg19", None), Client("b", "other", 20.0), Client("c", "other", 20.0)]
    found = steady_slowdowns(clients, SOLO, rates)
    assert found["a"] == pytest.approx(1 / ((1 + 0.5 + 0.5 + 1 / 3) / 4), rel=1e-3)
    assert found["b"] == found["c"] == pytest.approx(2.5, rel=1e-6)


# The family, and its fit to cells made with known numbers


def test_numbers_stand_for_the_share_held_and_the_lengths():
    hold, length_s = hold_and_lengths(np.array([0.0, log(2.0)]), LENGTH_S)
    assert hold == 0.5
    assert length_s == {FIXED: 100e-6, "other": pytest.approx(40e-6)}


def test_hold_alone_leaves_the_lengths():
    family = kernel_queue_family(LENGTH_S, lengths=False)
    assert len(family.start) == 1
    assert hold_and_lengths(family.start, LENGTH_S) == (0.5, LENGTH_S)


def made(numbers, length_s=LENGTH_S):
    """Cells as a GPU with these numbers would give them."""
    clients = {
        "A": [Client("vgg19_rt", "vgg19", 40.0), Client("other_be", "other", None)],
        "B": [Client("vgg19_be", "vgg19", None), Client("other_be", "other", None)],
        "C": [Client("v_be", "vgg19", None), Client("w_be", "vgg19", None), Client("other_be", "other", None)],
    }
    rates = kernel_queue_family(LENGTH_S).rates(np.array(numbers))
    slowdown = {
        Cell(name, client): value
        for name, listed in clients.items()
        for client, value in steady_slowdowns(listed, SOLO, rates).items()
    }
    return Measured(slowdown, clients, SOLO, length_s)


def test_the_fit_finds_the_numbers_that_made_the_cells():
    measured = made([0.8, 0.0])
    best = fit(measured, kernel_queue_family(LENGTH_S), measured.cells)
    assert best.numbers == pytest.approx([0.8, 0.0], abs=1e-3)
    assert best.cost == pytest.approx(0.0, abs=1e-5)


def test_a_length_far_from_the_counted_one_is_found_and_paid_for():
    measured = made([0.8, 0.6])
    best = fit(measured, kernel_queue_family(LENGTH_S), measured.cells)
    assert best.numbers[1] == pytest.approx(0.6, abs=0.02)
    assert best.cost == pytest.approx((0.6 / log(2)) ** 2, rel=0.05)


def test_cells_left_out_are_predicted_by_the_others():
    measured = made([0.8, 0.0])
    best = fit(measured, kernel_queue_family(LENGTH_S), measured.cells)
    assert held_out(measured, best) == pytest.approx(measured.slowdown, rel=1e-3)


@pytest.mark.slow
def test_a_cell_that_is_wrong_does_not_speak_for_itself_when_left_out():
    true = made([0.8, 0.0])
    wrong = Cell("C", "v_be")
    spoilt = Measured({**true.slowdown, wrong: 9.0}, true.clients, true.solo, true.length_s)
    family = kernel_queue_family(LENGTH_S)
    found = leave_out(spoilt, fit(spoilt, family, spoilt.cells), [[wrong]])
    assert found == {wrong: pytest.approx(true.slowdown[wrong], rel=1e-3)}


@pytest.mark.slow
def test_all_starts_are_tried_and_the_best_comes_first():
    found = multi_start(made([0.8, 0.3]), kernel_queue_family(LENGTH_S), 3)
    assert len(found) == 3
    assert all(one.cost <= other.cost for one, other in pairwise(found))


@pytest.mark.slow
def test_fits_near_the_best_cost_little_more_and_differ():
    measured = made([0.8, 0.3])
    best = fit(measured, kernel_queue_family(LENGTH_S), measured.cells)
    found = near_best(measured, best, 0.5, 20)
    assert len(found) == 20
    assert all(best.cost - 1e-9 <= one.cost <= best.cost + 0.5 for one in found)
    assert len({tuple(one.numbers) for one in found}) == 20
    assert [one.cost for one in near_best(measured, best, 0.5, 20)] == [one.cost for one in found]


# Files


def test_cells_are_loaded_over_alone(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("fw,wl,client,solo_us,tot_us\ntrt,A,x_be,100,250\n")
    assert read_cells(path) == {Cell("A", "x_be"): 2.5}


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "wl,client,solo_us,tot_us\nA,x,none,1\n"])
def test_other_tables_are_refused(tmp_path, text):
    path = tmp_path / "results.csv"
    path.write_text(text)
    with pytest.raises(SpecError, match="is not a table of DISB's results"):
        read_cells(path)


def test_clients_are_read_with_the_profile_s_names(tmp_path):
    tasks = [
        {"id": "a_rt", "load": {"type": "periodic", "frequency": 20}, "client": {"model_name": "m"}},
        {"id": "b_be", "load": {"type": "continuous"}, "client": {"model_name": "m"}},
    ]
    path = tmp_path / "workload.json"
    path.write_text(json.dumps({"time": 60, "tasks": tasks}))
    assert read_clients(path, {"m": "own"}.__getitem__) == [Client("a_rt", "own", 20.0), Client("b_be", "own", None)]
    path.write_text("{}")
    with pytest.raises(SpecError, match="is not a DISB workload"):
        read_clients(path, str)


def test_solo_figures_are_those_of_the_profile():
    profile = load_profile("rtx3080-disb")
    scheduler = profile.for_scheduler()
    for name, solo in solo_of(profile.observable).items():
        assert solo.execution_s + solo.copies_s == pytest.approx(scheduler.end_to_end_s(name))


# The measured cells


@pytest.fixture(scope="module")
def measured():
    data = os.environ.get("STRATSIM_DATA")
    if not data:
        pytest.skip("needs the public data files: set STRATSIM_DATA")
    return read_measured(Path(data) / "disb", load_profile("rtx3080-disb").observable)


@pytest.fixture(scope="module")
def best(measured):
    return fit(measured, kernel_queue_family(measured.length_s), measured.cells)


def errors(measured, found):
    return [abs(value / measured.slowdown[cell] - 1) for cell, value in found.items()]


@pytest.mark.data
def test_five_numbers_for_ten_cells(measured, best):
    assert (len(best.numbers), len(measured.cells)) == (5, 10)
    found = errors(measured, best.predict(measured, "ABC"))
    assert mean(found) < 0.015
    assert max(found) < 0.05


@pytest.mark.data
def test_the_shipped_profile_has_that_fit(measured, best):
    shipped = load_profile("rtx3080-disb")
    hold, length_s = hold_and_lengths(best.numbers, measured.length_s)
    assert shipped.device_model == "kernel-queue"
    assert shipped.truth.kernel_queue.hold == round(hold, 3)
    for name, value in length_s.items():
        assert shipped.truth.kernel_queue.length_s[name] == {1: pytest.approx(value, abs=1e-7)}


@pytest.mark.data
def test_two_clients_are_predicted_from_six(measured, best):
    unseen = [cell for cell in measured.cells if cell.workload in "AB"]
    assert max(errors(measured, leave_out(measured, best, [unseen]))) < 0.06


@pytest.mark.data
def test_a_workload_left_out_is_predicted(measured, best):
    groups = [[cell for cell in measured.cells if cell.workload == name] for name in "AB"]
    assert max(errors(measured, leave_out(measured, best, groups))) < 0.06


@pytest.mark.data
def test_the_counted_lengths_alone_predict_the_pairs(measured):
    """One free number: what the architecture says of kernel lengths is enough for A and B, not for densenet201."""
    found = fit(measured, kernel_queue_family(measured.length_s, lengths=False), measured.cells)
    by_cell = found.predict(measured, "AB")
    assert max(errors(measured, by_cell)) < 0.12
