"""Nexus' batching, against a loop written from its source: every dispatch of random runs is the same.

What is compared: uwsampl/nexus, src/nexus/backend/model_exec.cpp, on one GPU whose models take turns: `by_earliest` is
`GetBatchTaskEarliest` of the last commit, `by_window` is `GetBatchTask` of commit 02ec95b, where the window shrinks.
Times are whole microseconds, so that the loop has no rounding of its own.
"""

import os
import random

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.policy.nexus import Nexus
from stratsim.testing import make_profile, make_workload

pytestmark = pytest.mark.slow  # hundreds of random runs, each simulated twice


US = 1e-6
RUNS = 300
MOST = int(os.environ.get("STRATSIM_SOURCES", "900"))
"""Runs of `make test-slow`; STRATSIM_SOURCES=3000 makes so many, minutes."""
SLO_MS = {"a": (30, 60), "b": (20, 90), "c": (25, 45)}


def random_case(seed):
    """Return (latencies by model and size, deadlines by model, arrivals as (time, model)), in microseconds."""
    draw = random.Random(seed)
    models = "abc"[: draw.randint(1, 3)]
    latency, slo = {}, {}
    for model in models:
        step, base = draw.randint(500, 5000), draw.randint(1000, 8000)
        latency[model] = [0] + [base + step * size for size in range(1, draw.randint(1, 10) + 1)]
        slo[model] = draw.randint(*SLO_MS[model]) * 1000
    span = draw.choice([50_000, 150_000, 400_000])
    # Steps of 500 us: arrivals together, and with the end of an execution.
    arrivals = sorted((draw.randrange(0, span, 500), draw.choice(models)) for _ in range(draw.randint(5, 60)))
    return latency, slo, arrivals


def by_earliest(queue, now, latency, planned):
    """Take a batch out of a queue of (deadline, number): as many as the first that can be met alone has time for."""
    while queue and queue[0][0] < now + latency[1]:
        queue.pop(0)
    if not queue:
        return []
    budget, count = queue[0][0] - now, 0
    while count < len(queue) and count + 1 <= planned and latency[count + 1] <= budget:
        count += 1
    batch = queue[:count]
    del queue[:count]
    return batch


def by_window(queue, now, latency, planned):
    """Take a batch out of a queue: what is late in one of the expected size goes; the size shrinks with the queue."""
    expected = min(planned, len(queue))
    finish = now + latency[expected]
    batch = []
    while len(batch) < expected and queue:
        request = queue.pop(0)
        if request[0] >= finish:
            batch.append(request)
        if len(batch) + len(queue) < expected:
            expected = len(batch) + len(queue)
            finish = now + latency[expected]
    return batch


def by_source(form, latency, slo, arrivals):
    """Return dispatches (time, requests) of one GPU that serves its models in turn."""
    # There in the order in which the planner loaded them: here in that in which they are first requested.
    models = list(dict.fromkeys(model for _, model in arrivals))
    planned = {}
    for model in models:
        fits = [size for size, us in enumerate(latency[model]) if size and 2 * us <= slo[model] - 2000]
        planned[model] = fits[-1] if fits else 1
    queues = {model: [] for model in models}
    now, arrived, turn, dispatches = 0, 0, 0, []
    while True:
        while arrived < len(arrivals) and arrivals[arrived][0] <= now:
            at, model = arrivals[arrived]
            queues[model].append((at + slo[model], arrived))
            queues[model].sort()
            arrived += 1
        for step in range(len(models)):
            model = models[(turn + step) % len(models)]
            batch = form(queues[model], now, latency[model], planned[model])
            if batch:
                dispatches.append((now, [number for _, number in batch]))
                now, turn = now + latency[model][len(batch)], (turn + step + 1) % len(models)
                break
        else:
            if arrived == len(arrivals):
                return dispatches
            now = arrivals[arrived][0]


def by_policy(batching, latency, slo, arrivals):
    profile = make_profile(
        {model: {size: us * US for size, us in enumerate(table) if size} for model, table in latency.items()}
    )
    rows = [(at * US, model, "low", (at + slo[model]) * US) for at, model in arrivals]
    result = simulate(
        make_workload(rows, profile=profile),
        profile,
        Nexus(batching=batching),
        cluster=Cluster(max_concurrency=1, transfers=False, device_model="exclusive"),
        max_batch=16,
    )
    members = [[] for _ in range(len(result.batches))]
    for number, batch in enumerate(result.requests.batch.tolist()):
        if batch >= 0:
            members[batch].append(number)
    times = [round(at / US) for at in result.batches.dispatch_s.tolist()]
    return list(zip(times, members, strict=True))


FORMS = pytest.mark.parametrize(("batching", "form"), [("head", by_earliest), ("window", by_window)])


@FORMS
def test_dispatches_are_those_of_the_source(batching, form):
    for seed in range(RUNS):
        case = random_case(seed)
        assert by_policy(batching, *case) == by_source(form, *case), seed


@FORMS
@pytest.mark.slow
def test_dispatches_are_those_of_the_source_in_many_runs(batching, form):
    for seed in range(RUNS, MOST):
        case = random_case(seed)
        assert by_policy(batching, *case) == by_source(form, *case), seed
