"""What a user of a profile is told: each thing to beware of, and nothing when all is well."""

from dataclasses import replace

import pytest

from stratsim.fit.identify import Interval
from stratsim.fit.scores import Score
from stratsim_profiler.fit.assumptions import MeanTest
from stratsim_profiler.fit.caveats import caveats_of
from stratsim_profiler.fit.links import fit_link
from stratsim_profiler.fit.summary import LIMITS
from stratsim_profiler.fit.transfers import EngineFit
from stratsim_profiler.report.tables import assumption_rows, copy_rows
from stratsim_profiler.samples import Discarded


@pytest.fixture
def summary(full_fit):
    """A fit of which nothing is to be said, to be spoilt one thing at a time."""
    sharing = replace(full_fit.summary.sharing, intervals=())
    return replace(full_fit.summary, sharing=sharing)


def with_links(summary, **links):
    return replace(summary, transfers=replace(summary.transfers, pinned={**summary.transfers.pinned, **links}))


@pytest.mark.slow
def test_nothing_to_say(summary):
    assert caveats_of(summary) == ()


@pytest.mark.slow
def test_a_link_that_is_no_line(summary):
    bent = fit_link({4096: 1e-5, 8192: 4e-5, 16384: 1.2e-5, 32768: 5e-5})
    assert any(
        "h2d copies do not follow alpha + bytes / rate" in text for text in caveats_of(with_links(summary, h2d=bent))
    )


def test_outliers_are_named_by_size(summary):
    times = {4096 * 2**step: 1e-5 + 4096 * 2**step / 1e9 for step in range(8)}
    times[65536] *= 4
    (text,) = caveats_of(with_links(summary, d2h=fit_link(times)))
    assert text == "d2h copies of these sizes are outliers and were left out: 65536 bytes"


def test_copies_that_run_faster_together(summary):
    engines = {"h2d": EngineFit("parallel", 4, {4: 0.3}, {4: 1.1})}
    (text,) = caveats_of(replace(summary, transfers=replace(summary.transfers, engines=engines)))
    assert text.startswith("concurrent copies run faster together")


def test_many_discarded_samples(summary):
    thrown = tuple(Discarded("cell", reason, "") for reason in ("thermal", "overlap", "overlap") * 5)
    (text,) = caveats_of(replace(summary, measured=replace(summary.measured, discarded=thrown)))
    assert text == "15 attempts were discarded (overlap 10, thermal 5)"


def test_a_device_that_was_not_quiet(summary):
    (text,) = caveats_of(replace(summary, measured=replace(summary.measured, drift=0.09)))
    assert "solo times changed by 9% (median)" in text


def test_parameters_that_are_not_identified(summary):
    load = summary.sharing.fit.loads[0]
    intervals = (Interval("weight", load, 1.0, 0.1, 9.0, False), Interval("thrash", None, 0.1, 0.0, 1.0, False))
    (text,) = caveats_of(replace(summary, sharing=replace(summary.sharing, intervals=intervals)))
    assert text == f"not identified by these measurements: weight of {load}, thrash"


def test_a_clock_that_matters(summary):
    (text,) = caveats_of(replace(summary, sharing=replace(summary.sharing, clock=(-0.8, 1e-4))))
    assert text == "slowdowns change with the clock (exponent -0.80, p = 0.0001)"
    assert caveats_of(replace(summary, sharing=replace(summary.sharing, clock=(-0.1, 0.4)))) == ()


def rated(summary, **scores):
    """Return the summary with these mean errors of the model and the constant on pairs left out."""
    rows = tuple(
        replace(row, score=Score(30, scores[row.predictor], 0.0, 0.9, 0.5))
        if row.split == "leave-one-pair-out" and row.predictor in scores
        else row
        for row in summary.sharing.rows
    )
    return replace(summary, sharing=replace(summary.sharing, rows=rows))


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_the_verdict_turns_at_the_limit_of_the_device(summary, kind):
    limit = LIMITS[kind]
    good, bad = (rated(replace(summary, device_kind=kind), streams=limit + by, constant=0.5) for by in (-0.001, 0.001))
    assert good.verdict.startswith("Good fit")
    assert bad.verdict.startswith("BAD FIT")
    assert f"the limit is {limit:.0%}" in good.verdict
    assert caveats_of(bad)[0] == bad.verdict


def test_a_fit_no_better_than_a_constant_says_so(summary):
    assert "A constant slowdown does as well (3.0%)" in rated(summary, streams=0.04, constant=0.03).verdict
    assert "constant" not in rated(summary, streams=0.03, constant=0.04).verdict


def test_violated_assumptions_are_marked_in_the_report(summary):
    tests = {2: MeanTest(9, 0.0, (-0.01, 0.01), False), 4: MeanTest(9, -0.2, (-0.25, -0.15), True)}
    rows = assumption_rows(replace(summary.sharing, saturated=tests, clock=(-0.9, 1e-5)))
    verdicts = {row[0]: row[3] for row in rows[1:]}
    assert verdicts["device fully used when saturated, 2 streams"] == "holds"
    assert verdicts["device fully used when saturated, 4 streams"] == "violated"
    assert verdicts["slowdown independent of the clock"] == "violated"
    assert verdicts["no global term needed"] == "holds"


def test_copies_together_are_told_in_times_of_one(summary):
    engines = {"h2d": EngineFit("serial", 1, {2: 1.0, 4: 1.01}, {2: 1.0, 4: 1.02})}
    rows = dict(copy_rows(replace(summary.transfers, engines=engines))[1:])
    text = (
        "serial; until the last ends, in times of one, by number: 2: 2.00, 4: 4.04; until the first: 2: 1.00, 4: 1.02"
    )
    assert rows["h2d, same direction"] == text
    assert rows["both directions"].startswith("0.")
