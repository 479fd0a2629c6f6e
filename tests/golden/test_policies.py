"""One small workload through each policy, compared with a committed file: any change of behaviour shows.

The arrivals are arithmetic, nothing is drawn, so the figures depend neither on numpy's generators nor on the platform.
A golden file says that something changed, not what is right: `test_golden_runs_are_sound` and the other suites do.

If a change is meant, regenerate the file and say in the commit why the figures moved:

    python tests/golden/test_policies.py
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.results.checks import invariants
from stratsim.testing import make_profile, make_workload

GOLDEN = Path(__file__).with_name("policies.json")
POLICIES = {"fifo": Fifo, "priority-fifo": PriorityFifo, "edf": Edf, "priority-edf": PriorityEdf}
MODELS = ("wide", "narrow", "long")
SLO_S = {"wide": 0.030, "narrow": 0.012, "long": 0.080}

PROFILE = make_profile(
    {
        "wide": {1: 0.006, 4: 0.014, 8: 0.024},
        "narrow": {1: 0.002, 8: 0.005},
        "long": {1: 0.016, 2: 0.026, 4: 0.044},
    },
    sharing={"wide": Sharing(0.8, 4.0), "narrow": Sharing(0.3, 1.0), "long": Sharing(0.9, 2.0)},
    h2d=Link(1e-5, 12e9),
    d2h=Link(1e-5, 12e9),
    bytes_in={"wide": 602_112, "narrow": 150_528, "long": 4_816_896},
    bytes_out=4_000,
)


def rows():
    """200 requests in half a second, in bursts; multiples of 1/8192 s, models and classes by remainders."""
    at = 0
    for i in range(200):
        at += (i * i * 31 + 7 * i) % 13 * (i % 5 > 1) * 5
        model = MODELS[(i * i + i // 3) % 3]
        level = Priority.HIGH if i * 7 % 10 < 3 else Priority.LOW
        arrival_s = at / 8192
        yield arrival_s, model, level, arrival_s + SLO_S[model] * (1 if level is Priority.HIGH else 2)


def run(name):
    workload = make_workload(rows(), profile=PROFILE)
    return simulate(workload, PROFILE, POLICIES[name](), cluster=Cluster(gpus=2))


def total(values):
    """An exactly rounded sum, as text that reads back to the same float."""
    return repr(math.fsum(values[np.isfinite(values)].tolist()))


def summary(result):
    requests, batches = result.requests, result.batches
    return {
        "status": {
            level.label: {
                kind.label: int(((requests.status == kind) & (requests.priority == level)).sum()) for kind in Status
            }
            for level in Priority
        },
        "reasons": {name: int((requests.reason == code).sum()) for code, name in enumerate(result.reasons)},
        "batches": len(batches),
        "batch_sizes": np.bincount(batches.size, minlength=9).tolist(),
        "batches_by_gpu": np.bincount(batches.gpu, minlength=2).tolist(),
        "events": result.events,
        "sum_finish_s": total(requests.finish_s),
        "sum_dropped_s": total(requests.dropped_s),
        "sum_copy_in_end_s": total(batches.copy_in_end_s),
        "sum_execution_end_s": total(batches.execution_end_s),
        "end_s": repr(result.end_s),
    }


def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_has_changed(name):
    found, expected = summary(run(name)), golden()[name]
    assert found == expected


@pytest.mark.parametrize("name", POLICIES)
def test_golden_runs_are_sound(name):
    result = run(name)
    assert invariants(result, Cluster().max_concurrency) == []
    statuses = [count for level in golden()[name]["status"].values() for count in level.values()]
    assert sum(statuses) == 200
    assert not (result.requests.status == Status.UNFINISHED).any()


def test_the_workload_is_worth_keeping():
    """It tells the four apart, drops, batches, uses both GPUs and is not hopeless."""
    expected = golden()
    sums = [entry["sum_finish_s"] for entry in expected.values()]
    assert len(set(sums)) == len(POLICIES)
    for entry in expected.values():
        assert sum(entry["reasons"].values()) > 5
        assert sum(entry["batch_sizes"][2:]) > 10
        assert min(entry["batches_by_gpu"]) > 10
        assert sum(level["met"] for level in entry["status"].values()) > 80
    high_met = {name: entry["status"]["high"]["met"] for name, entry in expected.items()}
    assert high_met["priority-edf"] > high_met["edf"]
    assert high_met["priority-fifo"] > high_met["fifo"]


def test_the_committed_file_is_complete():
    assert list(golden()) == list(POLICIES)


if __name__ == "__main__":
    text = json.dumps({name: summary(run(name)) for name in POLICIES}, indent=1)
    GOLDEN.write_text(text + "\n", encoding="utf-8")
