"""What the pilot chooses, by hand; and that it sees nothing but the pilot."""

import pytest

from stratsim.experiment.selection import Choice, best_of, choose


def row(setting, slots, seed, high, low=0.5, *, policy="p", phase="pilot", cell="a"):
    return {
        "phase": phase, "cell": cell, "policy": policy, "setting": setting, "max_concurrency": str(slots),
        "seed": str(seed), "high_violation": repr(high), "low_violation": repr(low),
    }  # fmt: skip


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
    rows = [row("s", 1, 1, 0.1), row("t", 1, 1, 0.2), row("s", 2, 1, 0.4), row("t", 2, 1, 0.3)]
    assert choose(rows, ["cell"], [1], 2) == {("a",): {"p": {"best": Choice("s", 1), "fixed": Choice("t", 2)}}}


def test_cells_and_policies_choose_apart():
    rows = [row("s", 1, 1, 0.1), row("t", 1, 1, 0.2), row("s", 1, 1, 0.3, cell="b"), row("t", 1, 1, 0.2, cell="b")]
    found = choose(rows, ["cell"], [1], 1)
    assert (found["a",]["p"]["best"].setting, found["b",]["p"]["best"].setting) == ("s", "t")


def test_a_trial_that_lacks_a_seed_is_no_candidate():
    rows = [row("s", 1, 1, 0.0), row("t", 1, 1, 0.2), row("t", 1, 2, 0.2)]
    assert choose(rows, ["cell"], [1, 2], 1)["a",]["p"]["best"] == Choice("t", 1)
    assert choose(rows[:1], ["cell"], [1, 2], 1) == {("a",): {}}


def test_a_row_of_the_results_is_refused():
    with pytest.raises(ValueError, match="cannot take part in a choice"):
        choose([row("s", 1, 9, 0.0, phase="results")], ["cell"], [1], 1)
