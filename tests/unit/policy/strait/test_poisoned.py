"""A poisoned start, closed loop: what Strait believes to be harmful it does not try, and so never learns better.

High-priority `h` is always in flight. The profile says that `l` slows it 4.5 times, three times what is true: with that
it would be late, so `l` is refused. Only a trial now and then, and a belief that fades while nobody confirms it, let
`l` in before the last `h` has gone.
"""

from dataclasses import replace

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Pair, Sharing
from stratsim.policy.strait import Strait
from stratsim.testing import make_profile, make_workload

pytestmark = pytest.mark.slow  # long runs over several seeds


MS = 1e-3
TRUE, POISONED = 1.5, 4.5
UNTIL_S = 20.0
SHARED = dict.fromkeys("hl", Sharing(0.75, 1.0))
PAIRS = (Pair("h", 1, "h", 1, TRUE), Pair("l", 1, "l", 1, TRUE), Pair("l", 1, "h", 1, TRUE))
PROFILE = replace(
    make_profile(dict.fromkeys("hl", 10 * MS), sharing=SHARED), pairs=(*PAIRS, Pair("h", 1, "l", 1, POISONED))
)
ROWS = [
    *[(at_s, "h", "high", at_s + 22 * MS) for at_s in np.arange(0.0, UNTIL_S, 9 * MS)],
    *[(at_s, "l", "low") for at_s in np.arange(0.1, UNTIL_S, 0.1)],
]


def run(*, explore, half_life_s, pairs=PROFILE.pairs, seed=1):
    policy = Strait(
        predictor=f"rls(pair_variance=50.0, half_life_s={half_life_s})", explore=explore, max_batch=1, refresh=1
    )
    profile = replace(PROFILE, pairs=pairs)
    cluster = Cluster(max_concurrency=3, prefetch=0, transfers=False)
    result = simulate(make_workload(ROWS, profile=profile), profile, policy, cluster=cluster, seed=seed)
    slowdown = 1 / policy.belief.predict((("h", 1), ("l", 1)))[0]
    low = result.requests.priority == 1
    return slowdown, int((result.requests.finish_s[low] < UNTIL_S).sum())


def test_the_truth_lets_some_in():
    slowdown, served = run(explore=0.0, half_life_s="inf", pairs=(*PAIRS, Pair("h", 1, "l", 1, TRUE)))
    assert slowdown == pytest.approx(TRUE, rel=0.1)
    assert served > 0


@pytest.mark.parametrize("seed", range(1, 5))
def test_without_trials_and_decay_the_error_stays(seed):
    slowdown, served = run(explore=0.0, half_life_s="inf", seed=seed)
    assert slowdown > 0.8 * POISONED
    assert served == 0


@pytest.mark.parametrize("seed", range(1, 5))
def test_with_both_it_is_corrected(seed):
    slowdown, served = run(explore=0.02, half_life_s=2.0, seed=seed)
    assert slowdown == pytest.approx(TRUE, rel=0.1)
    assert served > 0
