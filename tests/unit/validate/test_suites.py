"""The suites themselves: complete, named, sourced; those that take no time run here, the statistical ones elsewhere."""

import os
from collections import Counter
from pathlib import Path

import pytest

from stratsim.validate import SUITES, Setting, Status, plan, validate
from stratsim.validate.run import Planned
from stratsim.validate.suites import disb, parvagpu

DATA = os.environ.get("STRATSIM_DATA")
CLAIMS = [(suite, claim) for suite, checks in SUITES.items() for check in checks for claim in check.claims]
FAST = [
    pytest.param(suite, check, id=f"{suite}/{check.claims[0].name}")
    for suite in ("execution", "transfers", "decisions", "orderings")
    for check in SUITES[suite]
    if not check.needs and not check.blocked
]
needs_data = pytest.mark.skipif(not DATA, reason="STRATSIM_DATA names no folder with public data")


def cases(suite, check, setting):
    return validate([Planned(suite, check, frozenset(claim.name for claim in check.claims))], setting).cases


@pytest.mark.slow_cases(
    "orderings/preemption (XSched, level 3): P99 of the foreground, over alone",
    "orderings/preemption by priority: background's violations grow with the foreground's load (1: they do)",
)
@pytest.mark.parametrize(("suite", "check"), FAST)
def test_known_answers(suite, check):
    for case in cases(suite, check, Setting(quick=True)):
        assert case.status is Status.PASSED, case


def test_no_two_cases_share_a_name():
    names = Counter(f"{suite}/{claim.name}" for suite, claim in CLAIMS)
    assert [name for name, count in names.items() if count > 1] == []


def test_every_case_says_who_says_so():
    assert [claim.name for _, claim in CLAIMS if not claim.source.strip()] == []
    assert all(claim.tolerance >= 0 for _, claim in CLAIMS)


def test_names_fit_a_line():
    assert max(len(claim.name) for _, claim in CLAIMS) <= 110


def test_nothing_is_lost_without_data_or_ciw(monkeypatch):
    """What cannot be checked here is skipped case by case: the list of cases is the same everywhere."""
    monkeypatch.setattr("stratsim.validate.run.find_spec", lambda name: None)
    planned = [one for one in plan(SUITES) if one.check.needs or one.check.modules or one.check.blocked]
    found = validate(planned, Setting())
    assert {case.status for case in found.cases} == {Status.SKIPPED}
    assert len(found.cases) == sum(len(one.check.claims) for one in planned)
    assert {case.suite for case in found.cases} == {"transfers", "ciw", "parvagpu", "disb", "gavel", "fidelity"}


def test_the_ten_published_cells():
    assert len(disb.CELLS) == 10
    published = {(cell.workload, cell.client): round(cell.slowdown, 2) for cell in disb.CELLS}
    assert published["A", "resnet152_be"] == 1.24
    assert published["B", "vgg19_rt"] == 1.11
    assert published["C", "densenet201_be"] == 11.64


@pytest.mark.data
@needs_data
def test_slowdowns_of_the_a100_reach_their_goal():
    """Median at most 5 %, mean at most 12 %, over all 326 points; the cells' data comes with it."""
    (check,) = SUITES["parvagpu"]
    found = validate([Planned("parvagpu", check, frozenset(claim.name for claim in check.claims))], Setting(Path(DATA)))
    assert {case.status for case in found.cases} == {Status.PASSED}
    goals = {case.name.rpartition("slowdown, ")[2]: case for case in found.cases[1:3]}
    assert goals["median"].tolerance == parvagpu.MEDIAN == 0.05
    assert goals["mean"].tolerance == parvagpu.MEAN == 0.12
    assert [(table.name, len(table.rows)) for table in found.tables] == [
        ("parvagpu-slowdowns", 326),
        ("parvagpu-models", 11),
    ]


@pytest.mark.data
@needs_data
def test_the_simulated_gpu_gives_what_the_law_says():
    """Batches side by side in the whole simulator against max(1, n s): demands are rounded to four decimals."""
    from stratsim.validate.parvagpu import fit, points, read_tables

    measured = points(read_tables(Path(DATA) / "parvagpu"))
    law = fit(measured)
    assert parvagpu.simulated(measured) == pytest.approx([law.slowdown(point) for point in measured], rel=2e-3)


@pytest.mark.data
@needs_data
def test_disb_is_replayed_cell_by_cell():
    check, *_ = SUITES["disb"]
    found = validate([Planned("disb", check, frozenset(claim.name for claim in check.claims))], Setting(Path(DATA)))
    assert [case.expected for case in found.cases[:10]] == [cell.slowdown for cell in disb.CELLS]
    assert all(case.got is not None and case.got > 1 for case in found.cases[:10])
    assert found.cases[10].got == pytest.approx(
        sum(case.error / case.expected for case in found.cases[:10]) / 10, rel=1e-9
    )
    (table,) = found.tables
    assert table.columns[-2:] == ("p95_ms", "p99_ms")
    assert all(row[-2] <= row[-1] for row in table.rows)


@pytest.mark.data
@needs_data
def test_a_measured_link_is_alpha_and_a_rate():
    found = validate(plan(SUITES, "transfers/V100*"), Setting(Path(DATA)))
    (case,) = found.cases
    assert case.status is Status.PASSED
    assert "alpha 32.6 us, 12.57 GB/s" in case.reason
