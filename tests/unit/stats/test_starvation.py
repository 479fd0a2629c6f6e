import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.stats.starvation import Waits, longest_starvation_s


def starvation(rows, *, at_once=2, **options):
    """Of rows (arrival, until, served or None), given some at once."""
    rows = sorted(rows, key=lambda row: row[0])
    assert all(served in (None, until) for _, until, served in rows)
    pieces = [rows[first : first + at_once] for first in range(0, len(rows), at_once)]
    return longest_starvation_s((waits(piece) for piece in pieces), **options)


def waits(rows):
    arrival, until, served = zip(*rows, strict=True)
    return Waits(np.array(arrival, float), np.array(until, float), np.array([at is not None for at in served]))


def test_known_answer():
    rows = [(0, 2, 2), (1, 4, 4), (5, 9, 9)]  # served at 2, 4 and 9; nobody waits from 4 to 5
    assert starvation(rows) == 4
    assert starvation(rows, span=(0, 6)) == 2
    assert starvation(rows, span=(7, 8)) == 1


def test_drops_do_not_end_it():
    assert starvation([(0, 3, None), (2, 5, None), (4, 7, None)]) == 7
    assert starvation([(0, 3, None), (2, 5, None), (4, 7, 7)]) == 7


def test_who_is_served_at_once_ends_it():
    assert starvation([(0, 10, 10), (6, 6, 6)]) == 6


def test_nobody_waits():
    assert starvation([]) == 0
    assert starvation([(1, 1, 1), (2, 2, 2)]) == 0


def test_a_service_while_nobody_waits_begins_nothing():
    assert starvation([(0, 1, 1), (2, 2, 2), (9, 10, 10)]) == 1


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8), st.booleans()), max_size=8))
def test_agrees_with_walking_step_by_step(drawn):
    rows = [(at, at + wait, at + wait if served else None) for at, wait, served in drawn]
    services = {served for _, _, served in rows if served is not None}
    longest = run = 0
    for step in range(21):  # from `step` to `step + 1`
        run = 0 if step in services else run
        run = run + 1 if any(at <= step < until for at, until, _ in rows) else 0
        longest = max(longest, run)
    assert starvation(rows) == pytest.approx(longest)
