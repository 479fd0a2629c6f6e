import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.errors import SpecError
from stratsim.stats.fairness import jain_index, normalised_progress, slowdown_figures


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ([1, 1, 1, 1], 1),
        ([1, 0, 0, 0], 0.25),
        ([0.98, 0.80], 0.98988),
        ([0.99, 0.40], 0.84734),
        ([0, 0], 1),
        ([1e-200, 1e-200], 1),
    ],
)
def test_jain_known_answers(values, index):
    assert jain_index(values) == pytest.approx(index, abs=5e-6)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_jain_lies_between_one_nth_and_one(values):
    assert 1 / len(values) - 1e-9 <= jain_index(values) <= 1 + 1e-9


@pytest.mark.parametrize("values", [[], [-1.0, 2.0], [float("nan")], [float("inf")]])
def test_jain_refuses_what_is_no_share(values):
    with pytest.raises(SpecError, match="Jain"):
        jain_index(values)


def test_slowdowns():
    solo, shared = [10.0, 10.0, 4.0], [10.0, 20.0, 12.0]
    assert normalised_progress(solo, shared) == pytest.approx([1, 0.5, 1 / 3])
    figures = slowdown_figures(normalised_progress(solo, shared))
    assert figures == pytest.approx({"mean": 2, "max": 3, "progress": (1 + 0.5 + 1 / 3) / 3})
    assert slowdown_figures(np.empty(0)) == {"mean": None, "max": None, "progress": None}


def test_a_time_of_zero_has_no_progress():
    with pytest.raises(SpecError, match="> 0 seconds"):
        normalised_progress(np.array([1.0]), np.array([0.0]))
