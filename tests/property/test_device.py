"""What holds for every mix of executions: work is conserved, capacity is not exceeded."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.device import ExecutionUnit, Load, Phase
from stratsim.solve import capped_weighted

loads = st.builds(Load, st.floats(0.05, 1.0), st.floats(0.1, 10.0))


class Capped:
    """The rule of `streams`, for any loads."""

    name = "capped"
    max_concurrency = None

    def phases(self, model, batch):
        raise NotImplementedError

    def rates(self, active):
        return capped_weighted([load.demand for load in active], [load.weight for load in active])


@st.composite
def jobs(draw):
    """(start, solo time, phases), sorted by start."""
    count = draw(st.integers(1, 8))
    found = []
    for _ in range(count):
        shares = draw(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=3))
        phases = tuple(Phase(share / sum(shares), draw(loads)) for share in shares)
        found.append((draw(st.floats(0.0, 10.0)), draw(st.floats(0.01, 5.0)), phases))
    return sorted(found, key=lambda job: job[0])


def drive(unit, todo, watch):
    """Run jobs to their ends; call `watch(unit, elapsed)` for every stretch between two changes."""
    todo = list(enumerate(todo))
    ends, now_s = {}, 0.0
    while todo or len(unit):
        at_s = min(todo[0][1][0] if todo else inf, unit.next_s)
        watch(unit, at_s - now_s)
        now_s = at_s
        if at_s == unit.next_s:
            ends |= {batch.key: at_s for batch in unit.complete(at_s)}
        else:
            key, (_, solo_s, phases) = todo.pop(0)
            unit.add(at_s, key, solo_s, phases)
    return ends


@settings(max_examples=150, deadline=None)
@given(given_jobs=jobs())
def test_work_is_conserved_and_capacity_respected(given_jobs):
    """For each batch the integral of its rate is its solo time; at every moment sum(demand * rate) <= 1.

    Saturated (the demands exceed 1) the sum is exactly 1: no capacity is lost.
    """
    done = dict.fromkeys(range(len(given_jobs)), 0.0)

    def watch(unit, elapsed_s):
        used = sum(batch.load.demand * batch.rate for batch in unit.running)
        wanted = sum(batch.load.demand for batch in unit.running)
        assert used <= 1 + 1e-9
        if wanted > 1:
            assert used == pytest.approx(1.0)
        else:
            assert all(batch.rate == 1 for batch in unit.running)
        for batch in unit.running:
            done[batch.key] += elapsed_s * batch.rate

    ends = drive(ExecutionUnit(Capped()), given_jobs, watch)
    for key, (start_s, solo_s, _) in enumerate(given_jobs):
        assert done[key] == pytest.approx(solo_s, rel=1e-9)
        assert ends[key] >= start_s + solo_s * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(given_jobs=jobs(), exponent=st.integers(-60, 60))
def test_scaling_time_by_a_power_of_two_scales_every_end(given_jobs, exponent):
    factor = 2.0**exponent
    scaled = [(start * factor, solo * factor, phases) for start, solo, phases in given_jobs]
    one = drive(ExecutionUnit(Capped()), given_jobs, lambda *_: None)
    other = drive(ExecutionUnit(Capped()), scaled, lambda *_: None)
    assert other == {key: end * factor for key, end in one.items()}
