"""Batches that overlap in part: hand-made cases, and the simulator's answer to the same question."""

import pytest

from stratsim.fit.cells import Load
from stratsim.fit.sharing import Shares
from stratsim_profiler.fit.walk import Job, durations, measured_slowdowns, offset_slowdowns
from stratsim_profiler.samples import Offset, OffsetStream

A, B, C = (Load(name, 1) for name in "abc")
EQUAL = Shares({A: 1.0, B: 1.0, C: 1.0}, {A: 1.0, B: 1.0, C: 1.0})


def test_two_jobs_share_a_processor():
    """Two 10 ms jobs that start at 0 and 5 end at 15 and 20."""
    assert durations([Job(A, 0.0, 0.01), Job(B, 0.005, 0.01)], EQUAL.rates) == pytest.approx([0.015, 0.015])


def test_the_order_of_the_jobs_does_not_matter():
    jobs = [Job(B, 0.005, 0.01), Job(C, 0.001, 0.02), Job(A, 0.0, 0.01)]
    forward, backward = durations(jobs, EQUAL.rates), durations(jobs[::-1], EQUAL.rates)
    assert forward == pytest.approx(backward[::-1])


def test_jobs_that_do_not_meet_take_their_own_time():
    jobs = [Job(A, 0.0, 0.01), Job(B, 0.02, 0.005), Job(A, 0.5, 0.01)]
    assert durations(jobs, EQUAL.rates) == pytest.approx([0.01, 0.005, 0.01])


def test_a_job_that_starts_as_another_ends_does_not_meet_it():
    assert durations([Job(A, 0.0, 0.01), Job(B, 0.01, 0.01)], EQUAL.rates) == pytest.approx([0.01, 0.01])


def test_weights_decide_who_waits():
    """Rates 1 and 0.25 together: after 10 ms a is done, b has 7.5 ms of work left."""
    shares = Shares({A: 0.8, B: 0.8}, {A: 5.0, B: 1.0})
    assert durations([Job(A, 0.0, 0.01), Job(B, 0.0, 0.01)], shares.rates) == pytest.approx([0.01, 0.0175])


def test_no_jobs():
    assert durations([], EQUAL.rates) == []


def test_measured_and_predicted_slowdowns_of_a_run():
    streams = (OffsetStream("a", 1, 0.0, 0.015, 0.01), OffsetStream("b", 1, 0.005, 0.022, 0.01))
    run = Offset("offset", "a+b", streams, "fp16", "graph")
    assert measured_slowdowns(run) == pytest.approx([1.5, 1.7])
    assert offset_slowdowns(run, EQUAL.rates) == pytest.approx([1.5, 1.5])


def test_the_work_done_never_exceeds_the_device(make_bench):
    bench = make_bench(3, seed=1, demand=(0.6, 1.0))
    jobs = [Job(load, 0.002 * at, 0.01) for at, load in enumerate(bench.loads)]
    took = durations(jobs, bench.truth.rates)
    busy = max(job.start_s + time for job, time in zip(jobs, took, strict=True))
    work = sum(bench.demand[job.load] * job.work_s for job in jobs)
    assert work <= busy * (1 + 1e-9)
    assert all(time >= job.work_s * (1 - 1e-9) for time, job in zip(took, jobs, strict=True))
