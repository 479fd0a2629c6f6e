"""The interval of one run, where the truth is known: violations of M/D/1 by the closed form."""

import numpy as np

from stratsim.model.request import Status
from stratsim.policy.queueing import Fifo
from stratsim.rng import Streams
from stratsim.stats.bootstrap import block_counts, block_length, percentile_interval
from stratsim.validate.suites.queueing import poisson, serve, tail, waits


def test_one_run_says_how_far_its_violation_may_be_off():
    truth, runs, hits, spread, means = tail(0.5, 10), 60, 0, [], []
    for seed in range(runs):
        result = serve(Fifo, poisson(50, 1000 + seed, 3000), slo_s=0.020)
        late = (result.requests.status == Status.LATE).astype(float)
        length = block_length([late, waits(result)])
        resampled = [counts @ late / counts.sum() for counts in block_counts(3000, length, 200, Streams(seed))]
        hits += truth in percentile_interval(late.mean(), resampled)
        spread.append(np.std(resampled))
        means.append(late.mean())
    assert hits >= 51  # 57 of 60 are to be expected, 51 or fewer come by chance once in 100
    assert 0.75 < np.mean(spread) / np.std(means, ddof=1) < 1.3  # 60 runs know their own spread to 10 %
