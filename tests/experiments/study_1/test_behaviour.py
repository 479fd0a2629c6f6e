"""Random admission brings all sorts of co-locations about, and serves everybody."""

import numpy as np

from stratsim import simulate
from stratsim.compare.log import read_log
from stratsim.model.cluster import Cluster
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload
from study_1.behaviour import RandomAdmission

PROFILE = make_profile({name: {1: 0.010, 2: 0.012, 3: 0.014} for name in "abc"})
WORKLOAD = make_workload([(0.0, "abc"[i % 3]) for i in range(300)], profile=PROFILE)


def run(seed=1, **options):
    cluster = Cluster(max_concurrency=2, prefetch=0, transfers=False)
    return simulate(WORKLOAD, PROFILE, RandomAdmission(**options), cluster=cluster, max_batch=3, seed=seed)


def test_everybody_is_served():
    result = run()
    assert invariants(result, 2) == []
    assert result.batches.size.sum() == 300


def test_all_pairs_and_sizes_occur():
    result = run()
    assert set(result.batches.size.tolist()) == {1, 2, 3}
    log = read_log(result, PROFILE.for_scheduler())
    met = {(each.target[0], other) for each in log.observations for _, others in each.intervals for other, _ in others}
    assert met == {(own, other) for own in "abc" for other in "abc"}


def test_places_are_left_empty_at_random():
    alone = [sum(not any(o for _, o in e.intervals) for e in read_log(r, PROFILE.for_scheduler()).observations)
             for r in (run(wait=0.0), run(wait=0.5), run(wait=1.0))]  # fmt: skip
    assert alone[0] <= 1
    assert alone[1] < alone[2] == len(run(wait=1.0).batches)


def test_the_seed_decides():
    assert np.array_equal(run(seed=2).batches.size, run(seed=2).batches.size)
    assert not np.array_equal(run(seed=2).batches.model[:50], run(seed=3).batches.model[:50])
