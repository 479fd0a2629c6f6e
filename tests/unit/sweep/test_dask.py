"""Sweeps on a real Dask cluster of two worker processes: the same bytes, and no run lost or counted twice."""

import os
import signal
from collections import Counter
from importlib.util import find_spec

import pytest

from stratsim.errors import SimulationError, SpecError
from stratsim.model.codec import load_profile
from stratsim.sweep import How, make_sweep, run_sweep
from stratsim.sweep.backends import Setup, make_backend

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("distributed") is None, reason="needs Dask: pip install 'stratsim[dask]'"),
]

SWEEP = {
    "title": "on a cluster",
    "sweep": {"seeds": [1, 2], "until": {"metric": "high_violation", "half_width": 0.02, "most": 4}},
    "arrivals": {"requests": 400},
    "base": {"profile": "asymmetric-six"},
    "axes": {"load": [0.8, 1.2, 2.0], "policy": ["fifo", "edf", "priority-edf"]},
}


def run(out, **options):
    outcome = run_sweep(make_sweep(SWEEP), SWEEP, out, How(**options))
    assert outcome.failures == []
    return outcome


def table(out):
    return (out / "results.csv").read_bytes()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    out = tmp_path_factory.mktemp("serial")
    run(out)
    return table(out)


@pytest.fixture(scope="module")
def cluster():
    import distributed  # half a second, and collected in every run

    made = distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=":0")
    with made:
        yield made


def test_two_processes_give_the_same_bytes(expected, tmp_path):
    run(tmp_path, jobs=2)
    assert table(tmp_path) == expected


def test_a_cluster_of_its_own_gives_the_same_bytes(expected, tmp_path):
    run(tmp_path, jobs=2, dask="local")
    assert table(tmp_path) == expected


def test_an_existing_cluster_gives_the_same_bytes(expected, tmp_path, cluster):
    run(tmp_path, dask=cluster.scheduler_address)
    assert table(tmp_path) == expected


def test_a_killed_worker_loses_no_run_and_doubles_none(expected, tmp_path, cluster):
    pids = {each: worker.process.pid for each, worker in cluster.workers.items()}
    assert len(pids) == 2
    killed = []

    def kill(done, total):
        if done == 4:
            os.kill(pids[0], signal.SIGKILL)
            killed.append(total - done)

    outcome = run(tmp_path, dask=cluster.scheduler_address, progress=kill)
    assert killed[0] > 0, "nothing was left to do"
    assert table(tmp_path) == expected
    counts = Counter(line.split(b",")[0] for line in expected.splitlines()[1:])
    assert outcome.made == len(counts)
    assert set(counts.values()) == {1}


def test_a_pilot_and_a_measured_load_run_there_too(tmp_path, cluster):
    data = {
        "title": "tiny",
        "sweep": {"seeds": [11, 12], "select": {"seeds": [1], "axes": ["max_concurrency"]}},
        "arrivals": {"requests": 60},
        "base": {"profile": "asymmetric-six", "load_unit": "saturation"},
        "axes": {"load": [0.8], "max_concurrency": [1, 2]},
        "policies": {"strait": {"policy": "strait(predictor=constant(slowdown={f}))", "settings": {"f": [1, 2]}}},
        "saturation": {"requests": 200, "width": 0.2, "concurrency": [1]},
    }
    run_sweep(make_sweep(data), data, tmp_path / "here")
    run_sweep(make_sweep(data), data, tmp_path / "there", How(dask=cluster.scheduler_address))
    assert table(tmp_path / "here") == table(tmp_path / "there")


def test_a_worker_that_cannot_be_set_up_is_told(cluster):
    with pytest.raises(SpecError, match=r"Dask at .*: nobody"):
        make_backend(1, cluster.scheduler_address, Setup(load_profile, ("nobody",)))


def test_a_worker_that_was_not_prepared_makes_no_run():
    from stratsim.sweep.backends.cluster import _prepared_call

    with pytest.raises(SimulationError, match="could not be prepared"):
        _prepared_call("session", abs, -1)


def test_workers_with_other_code_are_refused(cluster, monkeypatch):
    from stratsim.sweep.backends import cluster as module

    monkeypatch.setattr(module, "code_sha256", lambda code: "other")
    with pytest.raises(SpecError, match="has another version of stratsim: install the same everywhere"):
        make_backend(1, cluster.scheduler_address)
