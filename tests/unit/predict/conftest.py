"""A scheduler's knowledge of a small machine, and observations of batches made from true rates."""

import pytest

from stratsim.model.parts import Features, Kernels, Link
from stratsim.model.profile import Pair, SchedulerModel, SchedulerProfile
from stratsim.predict import Observation

LINK = Link(alpha_s=10e-6, bytes_per_s=25e9)


@pytest.fixture
def knowledge():
    """Make a SchedulerProfile: models with a solo latency of 10 ms, features and pairs as given."""

    def make(models=("a", "b", "c"), *, features=None, pairs=(), kernels=None, sizes=8):
        features = features or {}
        entries = {
            name: SchedulerModel(
                name,
                (0.010,) * (sizes + 1),
                0,
                0,
                features={1: Features(*features[name])} if name in features else {},
                kernels=(kernels or {}).get(name),
            )
            for name in models
        }
        measured = tuple(Pair(own, 1, other, 1, slowdown) for own, other, slowdown in pairs)
        return SchedulerProfile("made", entries, LINK, LINK, measured)

    return make


@pytest.fixture
def kernels():
    return Kernels


@pytest.fixture
def batch():
    """Make an observation: a 10 ms batch beside others for given shares of its work, each at a true slowdown."""

    def make(target, *stretches, end_s=0.0, solo_s=0.010):
        member = target if isinstance(target, tuple) else (target, 1)
        left, intervals = 1.0, []
        for work, others, slowdown in stretches:
            left -= work
            beside = tuple((name, 1) for name in others)
            intervals.append((work * solo_s * slowdown, beside))
        if left > 1e-12:
            intervals.append((left * solo_s, ()))
        return Observation(member, solo_s, sum(length for length, _ in intervals), tuple(intervals), end_s)

    return make
