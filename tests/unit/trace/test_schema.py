"""Columns of names, and the trace as a whole."""

import math

import numpy as np
import pytest

from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient, Workload
from stratsim.trace import ClientSpec, Names, OneAtATimeSpec, Trace
from stratsim.trace.summary import dispersion, gap_cv, summarise
from stratsim.trace.workload import to_trace


def test_names_are_numbered_by_first_appearance():
    column = Names.encode(["b", None, "a", "b"])
    assert column.names == ("b", "a")
    assert column.codes.tolist() == [0, -1, 1, 0]
    assert column.decode() == ["b", None, "a", "b"]
    assert not column.complete
    assert len(column) == 4


def test_taking_rows_drops_and_renumbers_names():
    column = Names.encode(["c", "b", None, "a", "b"]).take(np.asarray([4, 2, 3]))
    assert column.names == ("b", "a")
    assert column.codes.tolist() == [0, -1, 1]


def test_taking_no_rows():
    assert Names.encode(["a"]).take(slice(0)).names == ()


def test_head_keeps_rows_and_limits_clients():
    trace = Trace(
        arrival_s=np.asarray([0.0, 1.0, 2.0]),
        extra={"x": np.asarray([1, 2, 3]), "y": Names.encode(["a", "b", "c"])},
        closed_loop=(ClientSpec("a"), ClientSpec("b", limit=1)),
        first_row=2,
    )
    head = trace.head(2)
    assert head.arrival_s.tolist() == [0, 1]
    assert head.extra["x"].tolist() == [1, 2]
    assert head.extra["y"].names == ("a", "b")
    assert [spec.limit for spec in head.closed_loop] == [2, 1]
    assert [head.row_of(0), head.row_of(1)] == [2, 3]
    assert len(trace.head(9)) == 3


def test_span_and_rate():
    assert Trace(arrival_s=np.asarray([1.0, 2.0, 5.0])).rate == 0.5
    for stamps in ([], [1.0], [1.0, 1.0]):
        trace = Trace(arrival_s=np.asarray(stamps))
        assert trace.span == 0
        assert math.isnan(trace.rate)


def test_coefficient_of_variation():
    assert gap_cv(np.asarray([0.0, 1.0, 2.0, 3.0])) == 0
    assert gap_cv(np.asarray([0.0, 1.0, 4.0])) == 0.5  # gaps 1 and 3
    assert math.isnan(gap_cv(np.asarray([0.0, 1.0])))
    assert math.isnan(gap_cv(np.zeros(3)))


def test_dispersion_counts_full_windows_from_the_first_arrival():
    # Counts 3, 1 in the windows [10, 20) and [20, 30); the rest is no full window.
    assert dispersion(np.asarray([10.0, 11.0, 12.0, 25.0, 31.0]), 10.0) == 0.5
    assert math.isnan(dispersion(np.asarray([10.0, 11.0]), 10.0))
    assert math.isnan(dispersion(np.empty(0), 10.0))


def test_summary_of_a_full_trace():
    trace = Trace(
        arrival_s=np.arange(0.0, 301.0),
        model=Names.encode(["a", "b", "b"] * 100 + ["b"]),
        priority=np.asarray([0] + [1] * 300, dtype=np.int8),
        slo_s=np.asarray([0.5] * 300 + [np.inf]),
        bytes_in=np.ones(301, dtype=np.int64),
        bytes_out=np.ones(301, dtype=np.int64),
        client=Names.encode(["me"] * 301),
    )
    figures = summarise(trace)
    assert (figures["requests"], figures["span_s"], figures["rate_per_s"]) == (301, 300.0, 1.0)
    assert figures["interarrival_cv"] == 0
    assert figures["dispersion"] == {"1 s": 0.0, "10 s": 0.0, "60 s": 0.0}
    assert figures["peak_to_mean_per_minute"] == 1.0
    assert figures["models"] == {"b": 201, "a": 100}
    assert figures["priorities"] == {"high": 1, "low": 300}
    assert figures["deadlines"] == {"with": 300, "without": 1, "least_s": 0.5, "median_s": 0.5, "most_s": 0.5}
    assert (figures["clients"], figures["missing"]) == (1, [])


def test_summary_of_a_bare_shape():
    figures = summarise(Trace(arrival_s=np.asarray([0.0, 1.0]), normalised=True))
    assert figures["missing"] == ["model", "priority", "deadline", "bytes_in", "bytes_out", "rate"]
    assert figures["rate_per_s"] is None
    assert figures["interarrival_cv"] is None


def test_summary_says_what_clients_lack():
    figures = summarise(Trace(arrival_s=np.empty(0), closed_loop=(ClientSpec("a", "m", Priority.LOW),)))
    assert figures["missing"] == ["deadline", "bytes_in", "bytes_out"]
    free = summarise(Trace(arrival_s=np.zeros(2), deadline_free=True))
    assert "deadline" not in free["missing"]
    assert free["deadlines"]["without"] == 2


def test_a_workload_as_a_trace():
    client = ClosedLoopClient("c", "a", Priority.LOW, 1, 2, slo_s=math.inf, stop_s=5.0)
    workload = Workload(
        models=("a", "b"),
        arrival_s=np.asarray([0.0, 1.0]),
        model=np.asarray([1, 0], dtype=np.int32),
        priority=np.asarray([1, 0], dtype=np.int8),
        deadline_s=np.asarray([np.inf, 2.0]),
        bytes_in=np.asarray([1, 2]),
        bytes_out=np.asarray([3, 4]),
        client=np.asarray([-1, 0], dtype=np.int32),
        client_names=("me",),
        closed_loop=(client,),
        one_at_a_time=(OneAtATimeClient("me", 3.0),),
    )
    trace = to_trace(workload)
    assert trace.model.decode() == ["b", "a"]
    assert trace.client.decode() == [None, "me"]
    assert trace.deadline_s.tolist() == [np.inf, 2.0]
    assert trace.closed_loop == (ClientSpec("c", "a", Priority.LOW, math.inf, 0.0, 0.0, 5.0, None, 1, 2),)
    assert trace.one_at_a_time == (OneAtATimeSpec("me", 3.0),)


@pytest.mark.parametrize("deadlines", [[np.inf, np.inf], []])
def test_a_workload_without_deadlines(deadlines):
    n = len(deadlines)
    zeros = np.zeros(n, dtype=np.int64)
    workload = Workload(
        ("a",), zeros * 1.0, zeros.astype(np.int32), zeros.astype(np.int8), np.asarray(deadlines), zeros, zeros,
        zeros.astype(np.int32) - 1,
    )  # fmt: skip
    trace = to_trace(workload)
    assert trace.deadline_free
    assert trace.deadline_s is None
    assert (trace.model is None) == (n == 0)
