"""A real result folder of a small run; `browser`, which opens pages, is in tests/conftest.py."""

import pytest

from stratsim import simulate
from stratsim.cli import main
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import summarize, write_results
from stratsim.testing import make_profile, make_workload


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Three policies, one of which preempts, on two GPUs under load: late, dropped and stopped."""
    folder = tmp_path_factory.mktemp("report") / "small"
    status = main(
        [
            *("replay", "--policy", "fifo,edf(max_batch=4),preempt-ideal", "--gpus", "2", "--limit", "3000"),
            *("--load", "1.1", "--drop", "never", "--profile", "rtx3080-disb", "--out", str(folder), "--quiet"),
        ]
    )
    assert status == 0
    return folder


def _write(folder, profile, requests, name):
    result = simulate(
        make_workload(requests, profile=profile), profile, make_policy(parse_policies("fifo")[0]), name=name
    )
    write_results([result], folder, manifest={"trace": {"name": name}, "notes": [name]}, summaries=[summarize(result)])
    return folder


@pytest.fixture
def hostile(tmp_path):
    """A folder whose every name would like to be markup."""
    evil = "</script><script>window.hacked=1</script><b><img src=x onerror='window.hacked=1'>\"&amp;"
    profile = make_profile({evil: 0.010, "javascript:alert(1)": 0.005})
    requests = [(0.001 * n, evil if n % 2 else "javascript:alert(1)", "high", 0.001 * n + 0.025) for n in range(30)]
    return _write(tmp_path / "a <i>b", profile, requests, evil)


@pytest.fixture
def nothing(tmp_path):
    """A folder of a run to which nothing arrived."""
    return _write(tmp_path / "nothing", make_profile({"m": 0.010}), [], "fifo")


SWEEP = """
title = "Two <i>policies</i> & two axes"

[sweep]
seeds = [1, 2, 3]

[base]
profile = "a100-80gb-parvagpu"

[arrivals]
process = "poisson"
requests = 150

[axes]
policy = ["fifo", "edf"]
load = [0.6, 1.3]
max_concurrency = [1, 2]
"""


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """A sweep of two policies, loads and numbers of slots, three seeds each."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweep.toml").write_text(SWEEP)
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"
