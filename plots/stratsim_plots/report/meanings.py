"""What the columns of the report's tables mean, in a line each: short forms of docs/reference/metrics.md."""

from __future__ import annotations

__all__ = ["CAUSES", "CHECKED", "COLUMNS"]

COLUMNS = {
    "policy": "what decided which requests run when",
    "class": "priority of the requests",
    "arrived": "requests that arrived (within the measured window, where there is a warm-up)",
    "met": "answered by their deadline, or without one; what counts is when the output is back on the host",
    "late": "answered after their deadline",
    "dropped": "given up by the policy",
    "unfinished": "still waiting or in flight when the run ended",
    "violations %": "1 - met / arrived: late, dropped and unfinished together",
    "p50 ms": "median latency, arrival to output, of all requests: one without an answer counts as infinitely late",
    "p95 ms": "95 % of all requests were answered within so long; 'dropped': fewer were answered at all",
    "p99 ms": "99 % of all requests were answered within so long; 'dropped': fewer were answered at all",
    "completed p99 ms": "99 % of the completed requests took at most so long: falls as more are dropped",
    "completed mean ms": "mean latency of completed requests",
    "met/s": "requests met per second: goodput",
    "worst model %": "smallest met / arrived over the models of the class: who fares worst",
    "slowdown": "mean of latency / latency alone on the machine, of answered requests",
    "GPU": "GPU, counted from 0",
    "busy %": "share of the time during which at least one batch executes; not how much of the GPU is in use",
    "at once": "batches executing at once, mean over time",
    "batches": "batches whose execution began",
    "batch size": "mean requests per batch",
    "execution slowdown": "mean of execution time / time alone on the GPU, over batches; 1 is undisturbed",
    "in %": "share of the time during which the copy engine to the GPU is busy",
    "out %": "share of the time during which the copy engine from the GPU is busy",
    "loads": "copies of model weights; 0 where all weights are always there",
}

CAUSES = {
    "waited": "they were still waiting when it became too late even for a run alone",
    "given up": "the policy dropped them although alone they could still have been in time",
    "known": "they were dispatched although the policy estimated them to be late",
    "later dispatch": "batches dispatched after them slowed them too much",
    "preempted": "they were stopped on the way",
    "belief": "the policy estimated them to be in time when it dispatched them, and was wrong",
    "unknown": "of a reason that the result does not tell",
}
"""Ends of a sentence: requests failed because ..."""

CHECKED = (
    ("I1", "conservation", "every request has exactly one status, and the columns that belong to it"),
    ("I2", "stage order", "dispatch, copy-in, execution and copy-out follow each other"),
    ("I3", "causality", "nothing is dispatched, dropped or answered before it arrived, or runs faster than alone"),
    ("I4", "capacity", "no GPU executes more batches at once than it may"),
    ("I5", "membership", "a batch holds as many requests as it says, all of its model"),
    ("I6", "clock", "arrivals and dispatches are in order, everything lies within the run"),
    ("I7", "deadlines", "met means answered by the deadline, late means after it"),
    ("I8", "engines", "no GPU has more copies under way than it has engines for"),
    ("I9", "memory", "no GPU holds more weights than it has room for"),
    ("I10", "pauses", "stops of a batch follow each other between its start and its end"),
)
"""What is checked after each replay; a run that breaks one ends with an error and leaves no result."""
