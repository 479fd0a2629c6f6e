"""What is known of figures, and who is the best by them: cases whose answer is known."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import read_results, summarize, write_results
from stratsim.testing import make_profile, make_workload
from stratsim_plots.report.html import Cell, table
from stratsim_plots.report.intervals import judge
from stratsim_plots.report.tables import class_table, span
from stratsim_plots.report.worst import Worst, run_verdict
from stratsim_plots.series import select

pytestmark = pytest.mark.slow  # resamples whole runs
INF = np.inf


def folder(path, policies, *, requests, solo_s=0.010):
    """Run policies on one GPU; deadlines 25 ms after arrival."""
    profile = make_profile({"m": solo_s})
    workload = make_workload(requests, profile=profile)
    runs = [simulate(workload, profile, make_policy(parse_policies(text)[0]), name=text) for text in policies]
    write_results(runs, path, manifest={}, summaries=[summarize(run) for run in runs], timeline=False)
    return read_results(path)


def arrivals(count, gap_s, seed=1):
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(gap_s, count))
    return [(float(t), "m", "high" if n % 2 else "low", float(t) + 0.025) for n, t in enumerate(at)]


def stars(judged, figure):
    return {(place, name) for (place, name, each), known in judged.figures.items() if each == figure and known.mark}


def test_runs_that_are_equal_are_marked_together(tmp_path):
    """One at a time, in the order of arrival: fifo and fifo(max_batch=1) are the same run here."""
    stored = folder(
        tmp_path / "a", ["fifo(max_batch=1)", "fifo(max_batch=1,drop=infeasible)"], requests=arrivals(400, 0.015)
    )
    judged = judge(select([stored]))
    assert stars(judged, "violation") == {(0, "high"), (0, "low"), (1, "high"), (1, "low")}
    assert stars(judged, "p99_s") == set()  # of completed requests: nobody is the best by dropping


def test_a_difference_beyond_chance_marks_the_best_alone(tmp_path):
    stored = folder(tmp_path / "a", ["fifo(max_batch=1)", "priority-edf(max_batch=1)"], requests=arrivals(1500, 0.0105))
    judged = judge(select([stored]))
    assert stars(judged, "violation") >= {(1, "high"), (0, "low")}
    assert (0, "high") not in stars(judged, "violation")
    for place, run in enumerate(stored.runs):
        for name in ("high", "low"):
            known = judged.figures[place, name, "violation"]
            assert known.low <= run["classes"][name]["violation"] <= known.high


def test_one_run_has_intervals_and_no_mark(tmp_path):
    judged = judge(select([folder(tmp_path / "a", ["fifo"], requests=arrivals(300, 0.012))]))
    assert judged.figures
    assert not any(known.mark for known in judged.figures.values())
    assert judged.groups == (0,)


def test_runs_of_other_requests_are_not_compared(tmp_path):
    stored = [
        folder(tmp_path / name, ["fifo", "edf"], requests=arrivals(300, gap_s))
        for name, gap_s in (("a", 0.012), ("b", 0.05))
    ]
    judged = judge(select(stored))
    assert judged.groups == (0, 0, 2, 2)
    assert {judged.groups[place] for place, _ in stars(judged, "p50_arrived_s")} == {0, 2}
    assert any("each group has its own marks" in note for note in judged.notes)


def test_folders_of_the_same_requests_are_compared(tmp_path):
    requests = arrivals(800, 0.0105)
    slow = folder(tmp_path / "slow", ["fifo"], requests=requests)
    fast = folder(tmp_path / "fast", ["fifo"], requests=requests, solo_s=0.002)
    judged = judge(select([slow, fast]))
    assert judged.groups == (0, 0)
    assert stars(judged, "violation") == {(1, "high"), (1, "low")}


def test_nothing_arrived_and_nothing_is_known(tmp_path):
    judged = judge(select([folder(tmp_path / "a", ["fifo"], requests=[])]))
    assert judged.figures == {}
    assert judged.groups == (0,)
    assert len(judged.notes) == 1
    assert "★" not in class_table(select([read_results(tmp_path / "a")]), judged)


def test_an_interval_without_an_upper_end_says_so():
    assert span(0.0033, INF, 1e3) == "≥ 3.30"
    assert span(0.0033, 0.0044, 1e3) == "3.30–4.40"


def test_a_cell_is_sorted_by_its_value_not_by_its_text():
    made = table(["a", "b"], [["x", Cell("dropped", INF, "≥ 3", "best")], ["y", Cell("<i>", float("nan"))]])
    assert 'data-by="1e+300"' in made
    assert made.count("data-by") == 1
    assert made.count("★") == 1
    assert "&lt;i&gt;" in made


def test_the_verdict_says_who_shares_the_first_place(tmp_path):
    chosen = select([folder(tmp_path / "a", ["fifo(max_batch=1)", "edf(max_batch=1)", "priority-edf(max_batch=1)"],
                            requests=arrivals(1500, 0.0105))])  # fmt: skip
    judged = judge(chosen)
    best = {place for place, name in stars(judged, "violation") if name == "high"}
    nothing = Worst({}, {}, {})
    for place in range(3):
        said = run_verdict(place, chosen, judged, nothing).partition("low-priority")[0]
        assert ("fewest of 3 runs" in said) == (place in best)
        assert ("(among the fewest" in said) == (place in best and len(best) > 1)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_the_same_each_time(tmp_path, seed):
    chosen = select([folder(tmp_path / "a", ["fifo", "edf"], requests=arrivals(200, 0.012, seed))])
    assert judge(chosen) == judge(chosen)
