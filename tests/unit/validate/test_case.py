"""How a measured claim becomes a case."""

import json
import math
from pathlib import Path

import pytest

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval
from stratsim.validate import Case, Claim, Setting, Status
from stratsim.validate.case import judge

CLAIM = Claim("a figure", 10.0, 0.5, "by hand", "ms")


def interval(low, high):
    return Interval((low + high) / 2, low, high, 8, 0.99)


@pytest.mark.parametrize(
    ("got", "status", "error"),
    [
        (10.0, Status.PASSED, 0.0),
        (10.5, Status.PASSED, 0.5),
        (9.5, Status.PASSED, 0.5),
        (10.75, Status.FAILED, 0.75),
        (9.25, Status.FAILED, 0.75),
    ],
)
def test_a_figure_must_be_within_the_tolerance(got, status, error):
    case = judge("suite", CLAIM, got)
    assert (case.status, case.error, case.tolerance, case.got) == (status, error, 0.5, got)
    assert (case.reason == "") == (status is Status.PASSED)


def test_a_tolerance_of_nothing_means_exactly():
    claim = Claim("a count", 3, 0, "by hand")
    assert judge("suite", claim, 3).status is Status.PASSED
    assert judge("suite", claim, 3.0000001).status is Status.FAILED


@pytest.mark.parametrize("got", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_fails_and_is_no_json_number(got):
    case = judge("suite", CLAIM, got)
    assert (case.status, case.got, case.error) == (Status.FAILED, None, None)


@pytest.mark.parametrize(
    ("low", "high", "status", "reason"),
    [
        (9.8, 10.2, Status.PASSED, "99% interval of 8 replications"),
        (10.0, 10.4, Status.PASSED, "99% interval of 8 replications"),
        (10.01, 10.4, Status.FAILED, "outside the 99% interval of 8 replications"),
        (9.0, 11.0, Status.FAILED, "the 99% interval of 8 replications is too wide to decide: more than 0.5"),
        (14.0, 19.0, Status.FAILED, "the 99% interval of 8 replications is too wide to decide: more than 0.5"),
    ],
)
def test_an_interval_must_contain_what_is_expected_and_be_narrow(low, high, status, reason):
    case = judge("suite", CLAIM, interval(low, high))
    assert (case.status, case.reason) == (status, reason)
    assert case.tolerance == pytest.approx((high - low) / 2)
    assert case.got == pytest.approx((low + high) / 2)
    assert case.error == pytest.approx(abs((low + high) / 2 - 10))


def test_remarks_stay_whatever_the_outcome():
    assert judge("suite", CLAIM, 10.0, "worst 3 %").reason == "worst 3 %"
    assert judge("suite", CLAIM, 20.0, "worst 3 %").reason == "error beyond the tolerance; worst 3 %"
    assert judge("suite", CLAIM, interval(9.9, 10.2), "seen").reason == "99% interval of 8 replications; seen"


def test_a_case_is_plain_json_with_these_keys():
    case = judge("suite", CLAIM, 10.25)
    assert json.loads(json.dumps(case.as_dict())) == {
        "name": "suite/a figure",
        "expected": 10.0,
        "got": 10.25,
        "error": 0.25,
        "tolerance": 0.5,
        "status": "passed",
        "reason": "",
        "source": "by hand",
        "unit": "ms",
    }


def test_a_claims_name_may_hold_the_separator():
    case = judge("closed-forms", Claim("M/D/1: wait", 1.0, 0.1, "by hand"), 1.0)
    assert isinstance(case, Case)
    assert case.name == "closed-forms/M/D/1: wait"
    assert case.suite == "closed-forms"


@pytest.mark.parametrize(("quick", "full", "count"), [(False, 32, 32), (True, 32, 8), (True, 80, 20), (True, 8, 8)])
def test_quick_runs_a_quarter_of_the_replications_but_eight(quick, full, count):
    assert Setting(quick=quick).replications(full) == count


def test_where_data_files_are():
    assert Setting(Path("there")).path("disb/a.json") == Path("there/disb/a.json")
    with pytest.raises(SpecError, match=r"disb/a\.json needs the folder with the public data files"):
        Setting().path("disb/a.json")
