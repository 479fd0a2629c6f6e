"""A compiled `triton` decides what the reference decides: random runs, every column equal to the byte.

A short run here, uncompiled; `make test-slow` compiles. `STRATSIM_ENGINES=1000 pytest -s
tests/property/test_compiled_triton.py` makes so many, and prints what they covered.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.errors import SpecError
from stratsim.fast import covers
from stratsim.fast.run import simulate_fast
from stratsim.model.cluster import Cluster
from stratsim.policy.base import DropMode
from stratsim.policy.triton import Triton
from stratsim.policy.triton.config import FILE_NAME, InstanceGroup, ModelConfig, QueuePolicy
from stratsim.policy.triton.write import config_text
from stratsim.testing import make_profile, make_workload
from tests.property.test_engines import CASES, COVERED, MODELS, assert_same, circumstances, note_what_it_had

HAD: Counter[str] = Counter()
"""What the cases of this process had of Triton's own."""

sizes = st.lists(st.integers(1, 9), max_size=3)
delays_s = st.sampled_from([0.0, 0.0, 0.0005, 0.002, 0.005, 0.05])
timeouts_s = st.sampled_from([0.0, 0.001, 0.003, 0.003, 0.01, 0.02, 0.1, 0.6])
actions = st.sampled_from(["reject", "delay"])
most_queued = st.sampled_from([0, 0, 0, 1, 3, 8])
levels = st.sampled_from([0, 0, 1, 2, 5])


@st.composite
def arguments(draw):
    """Parameters for all models, most of them left out."""
    given_ones = {
        "preferred": sizes,
        "max_queue_delay_s": delays_s,
        "priority_levels": levels,
        "timeout_s": timeouts_s,
        "timeout_action": actions,
        "allow_timeout_override": st.booleans(),
        "max_queue_size": most_queued,
        "instances": st.integers(1, 3),
        "prefetch": st.sampled_from(["auto", "on", "off"]),
        "max_batch": st.integers(1, 9),
    }
    return {name: draw(values) for name, values in given_ones.items() if draw(st.booleans())}


queues = st.builds(QueuePolicy, timeouts_s, actions, st.booleans(), most_queued)


@st.composite
def configs(draw, largest, gpus):
    """How one model is served, as a repository says it."""
    groups = [InstanceGroup(draw(st.integers(1, 2)))]
    if draw(st.booleans()):
        groups = [InstanceGroup(draw(st.integers(1, 2)), (draw(st.integers(0, gpus - 1)),))]
    if draw(st.integers(0, 4)) == 0:
        return ModelConfig(1, dynamic_batching=False, groups=tuple(groups))
    most, count = draw(st.integers(1, largest)), draw(levels)
    return ModelConfig(
        max_batch=most,
        preferred=tuple(size for size in draw(sizes) if size <= most),
        max_queue_delay_s=draw(delays_s),
        priority_levels=count,
        default_priority_level=draw(st.integers(1, count)) if count else 0,
        queue=draw(st.just(QueuePolicy()) | queues),
        level_queues=draw(st.dictionaries(st.integers(1, count), queues, max_size=2)) if count else {},
        groups=tuple(groups),
        variable_inputs=draw(st.booleans()),
    )


def served_as(texts, parameters):
    """Return a policy that reads a repository of these configurations."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).mkdir()
            (Path(folder) / name / FILE_NAME).write_text(text, encoding="utf-8")
        return Triton(repository=folder, **parameters)


@st.composite
def runs(draw):
    """All arguments of a run."""
    workload, profile, options = draw(circumstances() | circumstances(crowded=True))
    parameters = draw(arguments())
    if draw(st.booleans()):
        return workload, profile, lambda: Triton(**parameters), options
    parameters = {name: value for name, value in parameters.items() if name in ("max_batch", "prefetch", "timeout_s")}
    texts = {}
    for name in MODELS:
        config = draw(configs(max(profile.observable.models[name].latency_s), options.cluster.gpus))
        lines = [*config_text(name, config), *["input { dims: [ -1 ] }"] * config.variable_inputs]
        texts[name] = "\n".join(lines)
    return workload, profile, lambda: served_as(texts, parameters), options


@st.composite
def slow_runs(draw):
    """Runs in which batches take longer than Triton's 500 ms between its looks for requests whose time is up."""
    profile = make_profile({name: {1: draw(st.sampled_from([0.2, 0.7, 1.3])), 4: 1.7} for name in "ab"})
    gap_s = st.sampled_from([0.0, 0.01, 0.05, 0.25])
    rows, at_s = [], draw(st.sampled_from([0.0, 86_400.1]))
    for step_s in draw(st.lists(gap_s, max_size=80)):
        at_s += step_s
        level, own_s = draw(st.sampled_from(["high", "low"])), draw(st.sampled_from([0.1, 0.4, float("inf")]))
        rows.append((at_s, draw(st.sampled_from("ab")), level, at_s + own_s))
    parameters = draw(arguments()) | {"timeout_s": draw(st.sampled_from([0.1, 0.5, 0.77, 1.0]))}
    cluster = Cluster(gpus=draw(st.integers(1, 2)), max_concurrency=draw(st.integers(1, 3)), prefetch=0)
    options = Options("triton", cluster, max_batch=8, drop=DropMode.NEVER, seed=0)
    return make_workload(rows, profile=profile), profile, lambda: Triton(**parameters), options


def note_what_triton_had(policy, result):
    """Count the settings of a case, and what came up in it."""
    batchers = policy._batchers.values()
    queue_policies = [level.policy for batcher in batchers for level in batcher._levels]
    times_out = [queue for queue in queue_policies if queue.timeout_s]
    reasons = np.array([*result.reasons, ""])[np.asarray(result.requests.reason)]
    dropped_s = np.asarray(result.requests.dropped_s)[reasons == "timeout"]
    had = {
        "a model repository": policy.repository is not None,
        "preferred sizes": any(batcher._preferred != {batcher._limit} for batcher in batchers),
        "a delay": any(batcher._delay_s for batcher in batchers),
        "priority levels": any(len(batcher._levels) > 1 for batcher in batchers),
        "timeouts that reject": any(queue.timeout_action == "reject" for queue in times_out),
        "timeouts that delay": any(queue.timeout_action == "delay" for queue in times_out),
        "timeouts of requests": any(queue.allow_timeout_override for queue in times_out),
        "queue limits": any(queue.max_queue_size for queue in queue_policies),
        "several instances": any(max(counts) > 1 for counts in policy._instances.values()),
        "no instance on a GPU": any(min(counts) == 0 for counts in policy._instances.values()),
        "batches ahead": any(batcher._most_ahead for batcher in batchers),
        "variable inputs": any(batcher._wakes_always for batcher in batchers),
        "rejected by timeout": "timeout" in result.reasons,
        "several rejected at once": bool((np.diff(np.sort(dropped_s)) == 0).any()),
        "rejected by a full queue": "queue full" in result.reasons,
        "rejected while no instance was free": bool(np.setdiff1d(dropped_s, result.batches.dispatch_s).size),
    }
    HAD.update(name for name, holds in had.items() if holds)


def check(workload, profile, make_policy, options):
    """Compare both engines on a run; return the result."""
    policy = make_policy()
    assert covers(workload, profile, policy, options) is None
    fast = simulate_fast(workload, profile, policy, options)
    assert fast.engine == "fast"  # it did not leave the run to the reference
    policy = make_policy()
    assert_same(fast, simulate_with(workload, profile, policy, options))
    note_what_triton_had(policy, fast)
    return fast, policy


@pytest.mark.slow  # compiles for half a minute
@settings(
    max_examples=CASES or 60,
    deadline=None,
    derandomize=not CASES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(run=runs() | runs() | slow_runs())
def test_compiled_batchers_give_the_same_bytes(run):
    workload, profile, _, options = run
    fast, policy = check(*run)
    note_what_it_had(fast, workload, profile, policy, options)


@pytest.mark.slow
def test_and_so_they_do_with_thousands_that_wait():
    rows = [(0.0, "ab"[number % 2], "high" if number % 3 else "low", 1.0 + number % 7) for number in range(3_000)]
    profile = make_profile({"a": {1: 0.010, 4: 0.020}, "b": {1: 0.005, 8: 0.010}})
    options = Options("triton", Cluster(gpus=2), max_batch=8, drop=DropMode.NEVER, seed=0)
    workload = make_workload(rows, profile=profile)
    for parameters in ({"max_queue_delay_s": 0.1}, {"priority_levels": 2, "timeout_s": 2.0}, {"max_queue_size": 999}):
        result, _ = check(workload, profile, lambda own=parameters: Triton(**own), options)
        assert len(result.batches.gpu) > 200


@pytest.mark.slow
def test_a_model_that_the_repository_lacks_is_named_as_by_the_reference():
    profile = make_profile({"a": 0.010, "b": 0.010})
    workload = make_workload([(0.0, "a"), (0.001, "b")], profile=profile)
    policy = served_as({"a": 'name: "a"'}, {})
    with pytest.raises(SpecError, match=r"there is no .*b/config.pbtxt, but requests for the model"):
        simulate_fast(workload, profile, policy, Options("triton", Cluster(), max_batch=8, drop=DropMode.NEVER, seed=0))


@pytest.mark.skipif(CASES < 1000, reason="fewer may miss something")
def test_the_cases_covered_all_that_is_claimed():
    for name, count in sorted((COVERED + HAD).items()):
        print(f"{count:9,} {name}")
    assert min(HAD.values()) > 0


@pytest.mark.slow
def test_the_source_gives_the_same_bytes_uncompiled():
    """Where numba is not installed the same source runs as it stands."""
    asked = {**os.environ, "NUMBA_DISABLE_JIT": "1", "STRATSIM_ENGINES": "40"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "same_bytes and not source"]
    found = subprocess.run([*command, __file__], env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
