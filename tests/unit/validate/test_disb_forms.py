"""Forms of the contention rule for DISB, and clients that are followed: by hand-worked answers."""

import numpy as np
import pytest

from stratsim.solve import kernel_queue
from stratsim.validate.disb import THINK_S, Client, Solo
from stratsim.validate.disb_forms import FORMS, behind_launches
from stratsim.validate.disb_unseen import followed

COUNTED = {"vgg19": 112e-6, "resnet152": 26e-6, "densenet201": 27e-6, "inceptionv3": 25e-6, "distilbert": 20e-6}


def halves(models):
    """Processor sharing."""
    return [1.0 / len(models)] * len(models)


def apart(models):
    """Nobody slows anybody."""
    return [1.0] * len(models)


def test_without_a_gap_launches_hide_nothing():
    length, hold = [112.0, 22.0, 12.0], [90.0, 9.0, 5.0]
    assert behind_launches(length, hold, 0.6, 0.0) == pytest.approx(kernel_queue(length, hold, 0.6), rel=1e-6)


def test_a_wait_shorter_than_the_gap_costs_nothing():
    """Holds of 1, residual 1: a kernel waits for less than one of the other, and 4 of its 10 are a gap."""
    assert behind_launches([10.0, 10.0], [1.0, 1.0], 1.0, 4.0) == pytest.approx([1.0, 1.0])


def test_a_wait_longer_than_the_gap_costs_the_difference():
    """Two alike, all of the bare kernel held, residual 1: w = h (w + h) / (b + w) with b = h has w = h = 6 of 10."""
    assert behind_launches([10.0, 10.0], [6.0, 6.0], 1.0, 4.0) == pytest.approx([10 / 12, 10 / 12], rel=1e-6)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_rates_of_streams(name):
    form = FORMS[name]
    rates = form.rates(np.array(form.start), COUNTED)
    assert len(form.start) == len(form.sigma)
    assert rates(["resnet152"]) == pytest.approx([1.0])
    models = ["densenet201", "resnet152", "vgg19", "vgg19"]
    found = rates(models)
    assert all(0 < rate <= 1 for rate in found)
    assert found[2] == pytest.approx(found[3])
    assert found[2] >= found[1]  # long kernels lose less


def test_a_client_alone_takes_its_solo_time():
    clients = [Client("a", "m", 20.0)]
    assert followed(clients, {"m": Solo(0.010, 0.001)}, halves) == {"a": pytest.approx(1.0)}


def test_two_closed_loops_that_begin_together_share_all_but_their_copies():
    """The second begins as the first sends again: both execute 20 ms side by side, and then copy at once for 1 ms."""
    solo = {"m": Solo(0.010, 0.001 - THINK_S)}
    found = followed([Client("a", "m", None), Client("b", "m", None)], solo, halves)
    expected = (0.021 - THINK_S) / (0.011 - THINK_S)
    assert found["a"] == pytest.approx(expected, rel=1e-3)
    assert found["b"] == pytest.approx(expected, rel=1e-3)


def test_clients_of_one_queue_wait_for_each_other():
    """On a GPU that slows nobody: two closed loops of 10 ms in one queue take turns, one in another does not wait."""
    solo = {"m": Solo(0.010, 0.0)}
    clients = [Client(name, "m", None) for name in "abc"]
    found = followed(clients, solo, apart, queues=2)
    assert found["b"] == pytest.approx(1.0)
    assert found["a"] == pytest.approx(2.0, rel=1e-3)
    assert found["c"] == pytest.approx(2.0, rel=1e-3)
