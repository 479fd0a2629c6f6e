"""The cells of a request, their order, and what a budget leaves of them."""

import dataclasses
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest

from stratsim_profiler.cells import all_cells, held_out_pairs
from stratsim_profiler.design import d_optimal_order
from stratsim_profiler.device.base import DeviceInfo, Inference, Stress
from stratsim_profiler.plan import Cell, Load, Plan, Request, within_budget
from stratsim_profiler.settings import Settings, settings_for

GPU = DeviceInfo("cuda", "a GPU", 1 << 34, True, ("graph", "eager"), ("fp16", "fp32"))
CPU = DeviceInfo("cpu", "a CPU", 1 << 34, False, ("eager",), ("fp32",))
NAMES = tuple("abcdefgh")


def request(models=NAMES, solo=(1, 2, 4, 8, 16, 32), batches=(1, 8), **changes):
    return Request(models, solo, batches, "fp16", "graph", Load(models[0], max(batches)), **changes)


def cells(info=GPU, **changes):
    return all_cells(request(**changes), settings_for(info.kind), info)


def of(found, group):
    """Return a group's cells, without those of batch sizes that only judge."""
    return [cell for cell in found if cell.group == group and not other_batch(cell)]


def other_batch(cell):
    return cell.kind == "colocation" and any(load.batch not in (1, 8) for load in cell.loads)


def test_the_default_plan_of_a_gpu_has_the_documented_cells():
    counts = Counter(cell.group for cell in cells() if not other_batch(cell))
    assert counts["solo"] == 8 * 6
    assert counts["self"] == 16 * 3
    assert counts["anchor"] == 15 * 2
    assert counts["pair"] == 60
    assert counts["triple"] == 12
    assert counts["offset"] * Settings().offset_rounds >= 20
    assert counts["stressor"] == 8 * 4 * 2
    assert counts["control"] == 8
    assert counts["model"] == 8


def test_cell_names_are_unique_and_stable():
    names = [cell.id for cell in cells()]
    assert len(set(names)) == len(names)
    assert names == [cell.id for cell in cells()]
    assert {"solo:a@32", "self:b@8+b@8+b@8+b@8", "anchor:b@1+a@8+a@8", "transfer:h2d:pinned:x4"} <= set(names)


def test_triples_and_offsets_are_held_out_and_selves_and_anchors_are_not():
    found = cells()
    assert all(cell.held_out for cell in of(found, "triple") + of(found, "offset"))
    assert not any(cell.held_out for cell in of(found, "self") + of(found, "anchor") + of(found, "stressor"))


def test_whole_pairs_of_models_are_held_out():
    held = held_out_pairs(NAMES)
    assert len(held) == int(0.2 * 28)
    for cell in of(cells(), "pair"):
        assert cell.held_out == (frozenset(load.model for load in cell.loads) in held)


def test_few_models_are_judged_at_all_their_batch_sizes():
    five = [cell for cell in of(cells(models=tuple("abcde")), "pair") if cell.held_out]
    assert len(five) == 2 * 4
    eight = [cell for cell in of(cells(), "pair") if cell.held_out]
    assert len(eight) == 5 * 2


def test_batch_sizes_that_are_not_fitted_judge_the_law_between_those_that_are():
    found = [cell for cell in cells() if other_batch(cell)]
    assert all(cell.held_out and not {1, 8} & {load.batch for load in cell.loads} for cell in found)
    copies = [cell for cell in found if cell.role == "self"]
    assert [cell.loads for cell in copies] == [(Load(name, 4), Load(name, 4)) for name in NAMES]
    assert Counter(cell.role for cell in found) == {"self": 8, "pair": 8}
    assert not any(other_batch(cell) for cell in cells(solo=(1, 8)))


def test_the_order_of_models_does_not_change_who_is_held_out():
    assert held_out_pairs(NAMES) == held_out_pairs(NAMES[::-1])


def test_held_out_pairs_stand_among_the_others():
    places = [index for index, cell in enumerate(of(cells(), "pair")) if cell.held_out]
    assert 5 < places[len(places) // 2] < 55
    assert max(b - a for a, b in pairwise(places)) < 15


def test_no_cell_needs_more_streams_than_there_are():
    assert max(len(cell.works("fp16", "graph")) for cell in cells()) == 4


def test_pairs_are_of_different_models():
    assert all(len({load.model for load in cell.loads}) == 2 for cell in of(cells(), "pair"))


@pytest.mark.parametrize("models", [("a",), ("a", "b"), ("a", "b", "c")])
def test_few_models_make_fewer_cells_and_no_error(models):
    counts = Counter(cell.group for cell in cells(models=models) if not other_batch(cell))
    assert counts["self"] == 3 * 2 * len(models)
    assert counts["triple"] == (0 if len(models) < 3 else min(12, 8))
    assert counts["pair"] == 4 * len(models) * (len(models) - 1) // 2


def test_a_cpu_has_no_pinned_copies_and_no_launcher():
    found = cells(CPU)
    assert not of(found, "control")
    assert all("pinned" not in cell.id for cell in of(found, "transfer"))
    assert {cell.copies.pinned for cell in of(found, "transfer")} == {False}


def test_several_gpus_copy_at_once():
    peers = dataclasses.replace(GPU, peers=3)
    assert {cell.copies.devices for cell in of(all_cells(request(), Settings(), peers), "transfer")} == {1, 2, 3}


def test_priorities_are_measured_both_ways_and_held_out():
    found = of(cells(models=("a", "b"), priorities=True), "priority")
    assert [[load.model for load in cell.loads] for cell in found] == [["a", "b"], ["b", "a"]]
    assert all(cell.priorities == (1, 0) and cell.held_out for cell in found)


def test_a_cell_says_what_its_streams_run():
    cell = next(cell for cell in cells() if cell.id == "stressor:c@1+dram:0.50")
    assert cell.works("fp16", "graph") == [Inference("c", 1, "fp16", "graph"), Stress("dram", 0.5)]
    assert cell.model_group == "c"
    assert next(cell for cell in cells() if cell.role == "triple").model_group.count("+") == 2


class TestBudget:
    def test_no_budget_keeps_all(self):
        found = cells()
        plan = within_budget(found, None)
        assert len(plan.cells) == len(found)
        assert plan.left_out == ()

    @pytest.mark.parametrize("budget_s", [120, 300, 600, 1200])
    def test_a_plan_fits_its_budget_and_says_what_it_leaves_out(self, budget_s):
        found = cells()
        plan = within_budget(found, budget_s)
        assert plan.estimate_s <= budget_s
        assert len(plan.cells) + len(plan.left_out) == len(found)
        assert plan.as_record()["left_out"] == [cell.id for cell in plan.left_out]

    def test_ten_minutes_hold_most_of_the_default_plan(self):
        plan = within_budget(cells(), 600)
        counts = plan.counts()
        assert counts["pair"][0] >= 40
        assert counts["triple"][0] >= 8
        assert counts["offset"][0] >= 4

    def test_a_small_budget_thins_all_groups_alike(self):
        counts = within_budget(cells(), 300).counts()
        shares = [counts[group][0] / sum(counts[group]) for group in ("self", "anchor", "pair", "triple")]
        assert max(shares) - min(shares) < 0.15
        assert min(shares) > 0

    def test_what_every_profile_needs_is_planned_whatever_the_budget(self):
        plan = within_budget(cells(), 1.0)
        assert {cell.group for cell in plan.cells} == {"model", "solo", "transfer"}
        assert {cell.copies.direction for cell in plan.cells if cell.copies} == {"h2d", "d2h"}
        assert plan.estimate_s > 1.0

    def test_a_larger_budget_measures_the_same_cells_and_more(self):
        small, large = (within_budget(cells(), budget) for budget in (200, 500))
        assert {cell.id for cell in small.cells} <= {cell.id for cell in large.cells}

    def test_cells_that_are_done_count_with_what_they_took(self):
        spent = {cell.id: 0.0 for cell in cells() if cell.rank == 0}
        plan = within_budget(cells(), 30.0, spent)
        assert len(plan.cells) > len(spent)
        assert plan.estimate_s <= 30.0

    def test_an_empty_plan_takes_no_time(self):
        assert Plan(()).estimate_s == 0
        assert within_budget([], 10).cells == ()

    def test_every_cell_takes_some_time(self):
        assert all(cell.estimate_s > 0 for cell in cells())


class TestDesign:
    def test_every_pair_is_ordered_once(self):
        pairs = list(combinations(range(6), 2))
        assert sorted(d_optimal_order(6, 0, pairs)) == list(range(len(pairs)))

    def test_pairs_with_the_heaviest_come_last(self):
        # Cells beside the heaviest are there already: other pairs tell more.
        pairs = list(combinations(range(5), 2))
        order = d_optimal_order(5, 0, pairs)
        assert all(0 not in pairs[index] for index in order[:6])

    def test_the_first_pairs_cover_all_loads(self):
        pairs = list(combinations(range(1, 9), 2))
        first = [pairs[index] for index in d_optimal_order(9, 0, pairs)[:4]]
        assert sorted(load for pair in first for load in pair) == list(range(1, 9))

    def test_the_order_beats_the_alphabetical_one(self):
        pairs = list(combinations(range(8), 2))
        chosen = [pairs[index] for index in d_optimal_order(8, 7, pairs)[:8]]
        beside_heaviest = [(load, 7) for load in range(7)]
        assert information(8, beside_heaviest + chosen) > information(8, beside_heaviest + pairs[:8]) + 0.5

    def test_nothing_to_order(self):
        assert d_optimal_order(3, 0, []) == []


def information(count, pairs):
    """Log-determinant of the weights' information, with a weak prior."""
    matrix = 0.01 * np.eye(count)
    for i, j in pairs:
        row = np.zeros(count)
        row[i], row[j] = 1, -1
        matrix += np.outer(row, row)
    return np.linalg.slogdet(matrix)[1]


def test_cells_are_hashable_and_ordered_by_rank():
    early, late = Cell("x", "solo", rank=0.1), Cell("a", "solo", rank=0.2)
    assert [cell.id for cell in within_budget([late, early], None).cells] == ["x", "a"]
