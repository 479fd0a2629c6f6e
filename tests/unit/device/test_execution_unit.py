"""Executing batches over time: work left, rates that change in mid-batch, phases. Times in ms unless named `_s`."""

from math import inf

import pytest

from stratsim.device import FluidModel, FluidUnit, Phase, execution_model
from stratsim.model.contention import Sharing, SharingPhase
from stratsim.testing import make_profile

MS = 1e-3
WHOLE = (Phase(1.0, None),)


def hardware(**sharing):
    names = sharing or {"a": None}
    given = {name: entry for name, entry in sharing.items() if entry is not None}
    return make_profile(dict.fromkeys(names, 0.01), sharing=given).for_hardware()


def sharing_unit():
    return execution_model("processor-sharing", hardware()).unit()


def drive(unit, starts):
    """Run batches (start, key, solo, phases) to their ends, in ms; the owner's part of the contract."""
    todo = sorted(starts, key=lambda start: start[0])
    ends = {}
    while todo or len(unit):
        if todo and todo[0][0] * MS <= unit.next_s:
            at, key, solo, phases = todo.pop(0)
            unit.add(at * MS, key, solo * MS, phases)
        else:
            now_s = unit.next_s
            ends |= {batch.key: now_s / MS for batch in unit.complete(now_s)}
    return ends


def test_two_jobs_share_a_processor():
    """Two of 10 ms at 0 and 5: the first has 5 left at 5, which takes until 15; the second then has 5 left: 20."""
    assert drive(sharing_unit(), [(0, "a", 10, WHOLE), (5, "b", 10, WHOLE)]) == pytest.approx({"a": 15, "b": 20})


def test_three_jobs_of_different_lengths():
    """3, 6 and 9 ms together: the first ends at 3 * 3 = 9, the second 2 * 3 later at 15, the third at 18."""
    ends = drive(sharing_unit(), [(0, "a", 3, WHOLE), (0, "b", 6, WHOLE), (0, "c", 9, WHOLE)])
    assert ends == pytest.approx({"a": 9, "b": 15, "c": 18})


def test_a_heavy_batch_slows_a_light_one_and_not_the_other_way_round():
    """s .8 both, w 5 and 1: rates 1 and .25. The heavy one ends at 10; the light one did 2.5, ends at 17.5."""
    model = execution_model("streams", hardware(heavy=Sharing(0.8, 5.0), light=Sharing(0.8, 1.0)))
    unit = model.unit()
    starts = [(0, name, 10, model.work(name, 1)) for name in ("heavy", "light")]
    assert drive(unit, starts) == pytest.approx({"heavy": 10, "light": 17.5})


def test_batches_that_end_together_end_in_one_call():
    unit = sharing_unit()
    for key in "abc":
        unit.add(0.0, key, 0.01, WHOLE)
    assert unit.next_s == pytest.approx(0.03)
    assert [batch.key for batch in unit.complete(unit.next_s)] == ["a", "b", "c"]
    assert len(unit) == 0
    assert unit.next_s == inf


def test_a_unit_that_was_idle_starts_at_the_new_time():
    unit = sharing_unit()
    unit.add(0.0, "a", 0.25, WHOLE)
    unit.complete(0.25)
    unit.add(1.0, "b", 0.25, WHOLE)
    assert unit.next_s == 1.25


def test_alone_a_batch_takes_exactly_its_solo_time():
    unit = sharing_unit()
    unit.add(0.1, "a", 0.7, WHOLE)
    assert unit.next_s == 0.1 + 0.7


def test_running_lists_batches_in_the_order_of_their_start():
    unit = sharing_unit()
    for at, key in enumerate("abc"):
        unit.add(float(at), key, 10.0, WHOLE)
    assert [batch.key for batch in unit.running] == ["a", "b", "c"]
    assert [batch.rate for batch in unit.running] == [pytest.approx(1 / 3)] * 3


class TwoResources(FluidModel):
    """Memory and compute are separate resources; those who want the same one share it equally."""

    name = "two-resources"

    def _phases(self, model, batch):
        return (Phase(0.5, "memory"), Phase(0.5, "compute"))

    def rates(self, active):
        return [1.0 / active.count(load) for load in active]


@pytest.mark.parametrize(("offset", "ends"), [(0, (40, 40)), (10, (20, 30))])
def test_two_phases_overlap_by_their_offset(offset, ends):
    """10 ms of memory, then 10 of compute. Together both share memory until 20, compute until 40.

    10 ms apart, one computes while the other loads: neither slows the other. Average demand sees no difference.
    """
    model = TwoResources(hardware())
    unit, phases = model.unit(), model.work("any", 1)
    found = drive(unit, [(0, "a", 20, phases), (offset, "b", 20, phases)])
    assert found == pytest.approx(dict(zip("ab", ends, strict=True)))


def test_two_phases_of_one_resource():
    """Phases of demand 1 and .2. Together: 20 ms for the first phases, then both at full speed: 30.

    10 ms apart: 1 + .2 > 1 from 10 on, both at 1/1.2: a's second phase takes 12, until 22, when b has done its first
    10 ms too; b's second phase runs alone: 32.
    """
    given = Sharing(phases=(SharingPhase(0.5, 1.0), SharingPhase(0.5, 0.2)))
    model = execution_model("streams", hardware(a=given))
    phases = model.work("a", 1)
    together = drive(model.unit(), [(0, "a", 20, phases), (0, "b", 20, phases)])
    apart = drive(model.unit(), [(0, "a", 20, phases), (10, "b", 20, phases)])
    assert together == pytest.approx({"a": 30, "b": 30})
    assert apart == pytest.approx({"a": 22, "b": 32})


def test_the_end_of_a_phase_is_not_the_end_of_the_batch():
    model = TwoResources(hardware())
    unit = model.unit()
    unit.add(0.0, "a", 0.02, model.work("any", 1))
    assert unit.next_s == 0.01
    assert unit.complete(0.01) == []
    assert unit.running[0].load == "compute"
    assert unit.next_s == 0.02
    assert [batch.key for batch in unit.complete(0.02)] == ["a"]


def test_no_work_is_lost_after_a_day_of_small_rates():
    """Rounding must not make an end that never comes: 16 sharers late in a simulated day all end."""
    unit = sharing_unit()
    for key in range(16):
        unit.add(86_400.0 + key * 1e-5, key, 1e-3 / 3, WHOLE)
    ended, rounds = [], 0
    while len(unit):
        ended += [batch.key for batch in unit.complete(unit.next_s)]
        rounds += 1
    assert sorted(ended) == list(range(16))
    assert rounds <= 16


def test_what_counts_as_done_is_relative_to_the_batch():
    """1 and 3 units of work together end at 2 and 4, whatever the unit: no absolute tolerance ends one early."""
    for unit_s in (1.0, 2.0**-30, 2.0**-50):
        unit = sharing_unit()
        for key, units in (("a", 1), ("b", 3)):
            unit.add(0.0, key, units * unit_s, WHOLE)
        ends = []
        while len(unit):
            at_s = unit.next_s
            ends += [(batch.key, at_s / unit_s) for batch in unit.complete(at_s)]
        assert ends == [("a", 2.0), ("b", 4.0)]


def test_two_units_share_nothing():
    model = execution_model("processor-sharing", hardware())
    one, other = model.unit(), model.unit()
    one.add(0.0, "a", 1.0, WHOLE)
    other.add(0.0, "b", 1.0, WHOLE)
    assert one.next_s == other.next_s == 1.0


def test_rates_are_solved_once_per_set_of_loads():
    """Ten pairs one after the other, and every phase of them: two sets, and nothing to solve for one alone."""
    solved = []

    def rates(active):
        solved.append(active)
        return [0.5] * len(active)

    unit = FluidUnit(rates)
    phases = (Phase(0.5, "memory"), Phase(0.5, "compute"))
    now_s = 0.0
    for _ in range(10):
        unit.add(now_s, "a", 1.0, phases)
        unit.add(now_s, "b", 1.0, phases)
        while len(unit):
            now_s = unit.next_s
            unit.complete(now_s)
    assert solved == [("memory", "memory"), ("compute", "compute")]


def test_levels_and_copies_make_no_difference_to_a_fluid_unit():
    unit = sharing_unit()
    unit.add(0.0, "a", 0.01, WHOLE, 1)
    unit.add(0.0, "b", 0.01, WHOLE, 0)
    unit.copying(0.005, 25e9)
    assert unit.next_s == pytest.approx(0.02)
    assert not execution_model("processor-sharing", hardware()).heeds_copies


def test_three_phases_of_one_batch_take_its_solo_time():
    """Shares written with rounding are taken in proportion."""
    given = Sharing(phases=tuple(SharingPhase(0.3333333, 0.5) for _ in range(3)))
    model = execution_model("streams", hardware(a=given))
    assert sum(phase.share for phase in model.work("a", 1)) == pytest.approx(1.0, rel=1e-15)
    assert drive(model.unit(), [(0, "a", 9, model.work("a", 1))]) == pytest.approx({"a": 9})
