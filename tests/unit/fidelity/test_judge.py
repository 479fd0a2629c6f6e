"""The floor and the verdicts, by hand."""

import pytest

from stratsim.fidelity.levels.judge import (
    FAILS,
    NOT_JUDGED,
    NOT_MEASURABLE,
    PASSES,
    differences,
    judge_end_to_end,
    judge_stages,
    noise_floor,
    worst,
)


def figures(latency_s, violation=0.1):
    one = {"p50": latency_s, "p95": 2 * latency_s, "p99": 3 * latency_s, "mean": latency_s, "violation": violation}
    return {"all": one, "high": dict(one), "low": dict(one)}


def verdicts(live, simulated):
    return judge_end_to_end(differences(live, simulated), noise_floor(live))["all"]


def test_floor_is_the_median_over_pairs():
    """1.0, 1.1 and 1.3: gaps of 0.1 / 1.05, 0.3 / 1.15 and 0.2 / 1.2; violations 10, 11 and 15 %: 1, 5 and 4 points."""
    floor = noise_floor([figures(1.0, 0.10), figures(1.1, 0.11), figures(1.3, 0.15)])
    assert floor["all"]["p50"] == pytest.approx(0.2 / 1.2)
    assert floor["all"]["violation_pp"] == pytest.approx(4)
    assert floor["n"] == 3


def test_one_run_has_no_floor():
    assert noise_floor([figures(1.0)])["all"]["p50"] is None


def test_missing_figures_have_no_floor_and_no_verdict():
    none = figures(1.0)
    none["high"]["p50"] = none["high"]["violation"] = None
    floor = noise_floor([none, none])
    assert floor["high"]["p50"] is None
    judged = judge_end_to_end(differences([none], [none]), floor)
    assert judged["high"] == {"p50": NOT_JUDGED, "p95": PASSES, "violation": NOT_JUDGED}


@pytest.mark.parametrize(("simulated", "expected"), [(1.0, PASSES), (1.099, PASSES), (1.101, FAILS), (0.899, FAILS)])
def test_ten_per_cent_without_a_floor(simulated, expected):
    assert verdicts([figures(1.0)], [figures(simulated)])["p50"] == expected


@pytest.mark.parametrize(("simulated", "expected"), [(1.14, PASSES), (1.17, FAILS)])
def test_a_floor_of_ten_per_cent_allows_fifteen(simulated, expected):
    """0.95 and 1.05 differ by 10 % of their mean; their median is 1."""
    assert verdicts([figures(0.95), figures(1.05)], [figures(simulated)] * 2)["p50"] == expected


def test_a_floor_above_twenty_per_cent_is_not_measurable():
    assert verdicts([figures(0.85), figures(1.15)], [figures(1.0)] * 2)["p50"] == NOT_MEASURABLE


@pytest.mark.parametrize(("violation", "expected"), [(0.129, PASSES), (0.131, FAILS), (0.069, FAILS)])
def test_three_points_of_violations(violation, expected):
    assert verdicts([figures(1.0)], [figures(1.0, violation)])["violation"] == expected


def test_short_stages_are_shown_and_not_judged():
    stages = {"copy_in": {"error": 0.5, "share": 0.005}, "execution": {"error": 0.1, "share": 0.9}}
    stages |= {"wait": {"error": 0.11, "share": 0.01}, "slot_wait": {"error": 0.11, "share": 0.01}}
    stages |= {"copy_out": {"error": None, "share": None}}
    assert judge_stages(stages) == {
        "copy_in": NOT_JUDGED,
        "execution": PASSES,
        "wait": FAILS,
        "slot_wait": NOT_JUDGED,
        "copy_out": NOT_JUDGED,
    }


def test_the_worst_counts():
    assert worst([PASSES, FAILS, NOT_MEASURABLE]) == FAILS
    assert worst([PASSES, NOT_MEASURABLE]) == NOT_MEASURABLE
    assert worst([NOT_JUDGED, PASSES]) == PASSES
    assert worst([]) == NOT_JUDGED
