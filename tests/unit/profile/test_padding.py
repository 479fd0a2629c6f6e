"""Padding to allowed batch sizes: what a batch costs is what the next allowed size costs."""

import pytest
from click.testing import CliRunner

from stratsim import simulate
from stratsim.cli import cli
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.padding import padded
from stratsim.model.profile import Sharing
from stratsim.policy.triton import Triton
from stratsim.testing import make_profile, make_workload

MS = 1e-3
ALONE = Cluster(max_concurrency=1, prefetch=0, transfers=False)
PROFILE = make_profile({"a": {1: 4 * MS, 2: 5 * MS, 8: 17 * MS}}, sharing={"a": {1: Sharing(0.2), 8: Sharing(0.9)}})


def service_ms(profile, size):
    """Return how long a batch of `size` requests executes alone."""
    workload = make_workload([(0.0, "a")] * size, profile=profile)
    batches = simulate(workload, profile, Triton(), cluster=ALONE).batches
    assert batches.size.tolist() == [size]
    return round(float(batches.execution_end_s[0] - batches.execution_start_s[0]) / MS, 6)


def test_a_batch_executes_as_the_next_allowed_size():
    """Linear between 2 and 8, a batch of 4 takes 9 ms; of 3 and 4 each takes that, of 5 to 8 those of 8, 17 ms."""
    times = [service_ms(padded(PROFILE, (1, 4, 8)), size) for size in range(1, 9)]
    assert times == [4, 9, 9, 9, 17, 17, 17, 17]
    assert [service_ms(PROFILE, size) for size in (1, 2, 4, 8)] == [4, 5, 9, 17]


def test_a_single_request_is_padded_too():
    assert service_ms(padded(PROFILE, (4, 8)), 1) == 9


def test_the_scheduler_believes_what_the_device_does():
    profile = padded(PROFILE, (2, 8))
    assert profile.for_scheduler().models["a"].latency_s == profile.for_hardware().models["a"].latency_s
    assert profile.for_scheduler().models["a"].latency_s == pytest.approx([5 * MS] * 3 + [17 * MS] * 6)


def test_the_truth_is_that_of_the_allowed_size():
    """Demand is linear from 0.2 at 1 to 0.9 at 8: 0.5 at 4."""
    sharing = padded(PROFILE, (4, 8)).truth.sharing["a"]
    demands = [sharing[size].as_phases()[0].demand for size in range(1, 9)]
    assert demands == pytest.approx([0.5] * 4 + [0.9] * 4)


def test_the_largest_batch_is_the_largest_allowed_size_that_is_covered():
    profile = padded(PROFILE, (1, 4, 16))
    assert profile.for_scheduler().models["a"].max_batch == 4


def test_allowing_all_sizes_changes_no_latency():
    profile = padded(PROFILE, tuple(range(1, 9)))
    assert profile.for_scheduler().models["a"].latency_s == PROFILE.for_scheduler().models["a"].latency_s


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), "must be positive and ascending"),
        ((4, 1), "must be positive and ascending, got"),
        ((0, 4), "must be positive and ascending"),
        ((9, 16), "begin at 9, but 'a' is profiled up to 8"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(SpecError, match=message):
        padded(PROFILE, sizes)


@pytest.mark.parametrize("name", ["asymmetric-six", "h200-fp16", "a100-80gb-parvagpu", "rtx3080-disb"])
def test_every_bundled_profile_can_be_padded_and_written(name, tmp_path):
    out = tmp_path / "padded.json"
    result = CliRunner().invoke(cli, ["profile", "pad", name, "--batches", "1,4,8", "--out", str(out)])
    assert result.exit_code == 0, result.output
    profile = load_profile(out)
    for model, few in profile.observable.models.items():
        before = load_profile(name).for_scheduler().models[model]
        most = 8 if before.max_batch >= 8 else 1
        assert max(few.latency_s) == most
        assert few.latency_s[most] == before.latency_s[most]
    assert dump_profile(profile) == out.read_text(encoding="utf-8")
