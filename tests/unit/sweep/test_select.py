"""What the pilot chooses, by hand; and that it sees nothing but the pilot."""

import pytest

from stratsim.sweep.select import Choice, best_of, choose
from stratsim.sweep.spec import Select

AT_2 = Select(seeds=[1], axes=["max_concurrency"], fixed={"max_concurrency": 2})


def row(seed, high, low=0.5, goodput=1.0):
    figures = {"high_violation": repr(high), "low_violation": repr(low), "high_goodput_per_s": repr(goodput)}
    return {"seed": str(seed), **figures}


def at(setting, slots):
    return Choice(setting, (("max_concurrency", slots),))


def test_least_high_priority_violation():
    assert best_of({"x": ([0.2, 0.2], [0.1, 0.1]), "y": ([0.1, 0.1], [0.9, 0.9])}) == "y"


def test_a_tie_within_the_standard_error_goes_to_low_priority():
    """Best mean 0.10 of 0.08 and 0.12: standard error 0.02. 0.12 is a tie, 0.121 is not."""
    best = ([0.08, 0.12], [0.5, 0.5])
    assert best_of({"best": best, "tie": ([0.12, 0.12], [0.4, 0.4])}) == "tie"
    assert best_of({"best": best, "worse": ([0.121, 0.121], [0.4, 0.4])}) == "best"
    assert best_of({"best": best, "tie": ([0.12, 0.12], [0.6, 0.6])}) == "best"


def test_one_seed_has_no_standard_error():
    assert best_of({"best": ([0.1], [0.9]), "near": ([0.1001], [0.0])}) == "best"


def test_equals_go_to_the_first():
    assert best_of({"x": ([0.1], [0.2]), "y": ([0.1], [0.2])}) == "x"


def test_best_and_fixed_concurrency():
    violations = {at("s", 1): 0.1, at("t", 1): 0.2, at("s", 2): 0.4, at("t", 2): 0.3}
    rows = {choice: [row(1, value)] for choice, value in violations.items()}
    assert choose(rows, AT_2) == {"best": at("s", 1), "fixed": at("t", 2)}


def test_without_fixed_values_there_is_one_choice():
    assert choose({Choice("s"): [row(1, 0.1)]}, Select(seeds=[1])) == {"best": Choice("s")}


def test_a_figure_of_which_more_is_better():
    rows = {Choice("s"): [row(1, 0.0, goodput=3.0)], Choice("t"): [row(1, 0.9, goodput=4.0)]}
    assert choose(rows, Select(seeds=[1], metric="high_goodput_per_s", most=True))["best"] == Choice("t")


def test_a_latency_of_which_nothing_was_answered_is_the_worst():
    """A policy that drops a whole class has no percentile of it, and is not the quickest for that."""
    rows = {
        Choice("drops"): [row(1, 1.0) | {"high_p99_s": "", "high_arrived": "30"}],
        Choice("serves"): [row(1, 0.1) | {"high_p99_s": "0.2", "high_arrived": "30"}],
    }
    assert choose(rows, Select(seeds=[1], metric="high_p99_s"))["best"] == Choice("serves")
    none = {choice: [own[0] | {"high_arrived": "0", "high_p99_s": ""}] for choice, own in rows.items()}
    assert choose(none, Select(seeds=[1], metric="high_p99_s", then=None))["best"] == Choice("drops"), "the first"


def test_where_all_are_infinite_the_second_figure_decides():
    """Percentiles of all that arrived, where every setting leaves too many unanswered."""
    never, second = [float("inf"), 0.2], {"x": [0.5, 0.5], "y": [0.4, 0.4]}
    assert best_of({name: (never, low) for name, low in second.items()}) == "y"


def test_without_a_second_figure_the_first_in_order_wins_among_ties():
    rows = {Choice("s"): [row(1, 0.1, 0.9)], Choice("t"): [row(1, 0.1, 0.1)]}
    assert choose(rows, Select(seeds=[1], then=None))["best"] == Choice("s")
    assert choose(rows, Select(seeds=[1]))["best"] == Choice("t")


@pytest.mark.parametrize("seeds", [[1, 2], [2]])
def test_a_trial_that_lacks_a_seed_is_no_candidate(seeds):
    rows = {at("s", 1): [row(1, 0.0)], at("t", 1): [row(1, 0.2), row(2, 0.2)]}
    assert choose(rows, Select(seeds=seeds))["best"] == at("t", 1)
    assert choose({at("s", 1): [row(1, 0.0)]}, Select(seeds=seeds)) == {}


def test_rows_of_other_seeds_choose_nothing():
    rows = {Choice("s"): [row(1, 0.2), row(9, 0.0)], Choice("t"): [row(1, 0.1), row(9, 1.0)]}
    assert choose(rows, Select(seeds=[1]))["best"] == Choice("t")
