"""A column of rare values is the array that it stands for, however it is read."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.engine.rare import RareColumn

NAN = float("nan")


@st.composite
def columns(draw):
    length = draw(st.integers(0, 12))
    rows = draw(st.lists(st.integers(0, length - 1), unique=True)) if length else []
    values = np.array(draw(st.lists(st.floats(0, 9), min_size=len(rows), max_size=len(rows))), dtype=np.float64)
    dense = np.full(length, NAN)
    dense[rows] = values
    return dense, RareColumn(length, np.array(rows, dtype=np.int32), values, NAN)


@given(columns(), st.data())
def test_every_index_gives_what_the_array_gives(both, data):
    dense, rare = both
    n = len(dense)
    assert len(rare) == n
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = st.sampled_from([None, 1, 2, -1])
    index = slice(data.draw(bound), data.draw(bound), data.draw(step))
    np.testing.assert_array_equal(rare[index], dense[index])
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    np.testing.assert_array_equal(rare[mask], dense[mask])
    if n:
        rows = data.draw(st.lists(st.integers(-n, n - 1)))
        np.testing.assert_array_equal(rare[np.array(rows, dtype=np.int64)], dense[np.array(rows, dtype=np.int64)])
        one = data.draw(st.integers(-n, n - 1))
        np.testing.assert_array_equal(rare[one], dense[one])


@given(columns())
def test_it_computes_and_compares_as_the_array_does(both):
    dense, rare = both
    np.testing.assert_array_equal(np.asarray(rare), dense)
    np.testing.assert_array_equal(np.isnan(rare), np.isnan(dense))
    np.testing.assert_array_equal(rare > 4, dense > 4)
    np.testing.assert_array_equal(1 - rare, 1 - dense)
    assert np.fmax.reduce(rare, initial=0.0) == np.fmax.reduce(dense, initial=0.0)
    np.testing.assert_array_equal(rare.tolist(), dense.tolist())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rare)), dense)


def test_codes_keep_their_type():
    rare = RareColumn(4, np.array([2]), np.array([7], dtype=np.int16), -1)
    assert np.asarray(rare).tolist() == [-1, -1, 7, -1]
    assert {rare[:].dtype, rare[[0, 2]].dtype, rare[2].dtype, rare.dtype} == {np.dtype(np.int16)}


def test_no_view_can_be_had():
    with pytest.raises(ValueError, match="has to be made"):
        RareColumn(2, np.array([0]), np.array([1.0]), NAN).__array__(copy=False)
