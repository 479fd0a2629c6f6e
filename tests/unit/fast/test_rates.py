"""What kernels ask the device model."""

import pytest

from stratsim.engine.options import Options
from stratsim.fast.rates import Rates
from stratsim.fast.run import simulate_fast
from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010, "b": 0.010})
EITHER_FIRST = [(0.0, "a"), (0.001, "b"), (0.1, "b"), (0.101, "a")]


@pytest.mark.slow
def test_the_device_model_is_asked_about_two_batches_once_whichever_starts_first(monkeypatch):
    asked, answer = [], Rates.of_loads

    def of_loads(rates, gpu, count):
        asked.append(count)
        answer(rates, gpu, count)

    monkeypatch.setattr(Rates, "of_loads", of_loads)
    options = Options("fifo", Cluster(max_concurrency=2), max_batch=1, drop=DropMode.NEVER, seed=0)
    result = simulate_fast(make_workload(EITHER_FIRST, profile=PROFILE), PROFILE, Fifo(), options)
    # a alone for 1 ms, 18 ms at half speed, b alone for 1 ms; then the same with b first.
    assert result.batches.copy_out_end_s.tolist() == pytest.approx([0.019, 0.020, 0.119, 0.120])
    assert asked == [2]
