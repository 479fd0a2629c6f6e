"""Parts of latencies: they sum to the latency in every kind of run, and are what was worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.explain.parts import PARTS, parts_of, read_run
from stratsim.explain.verdict import explain, interference_of, worst
from stratsim.policy.registry import make_policy
from stratsim.results import read_results, write_results
from stratsim.results.machine import find_machine
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec

RUNS = {
    "default": {"policy": "fifo,priority-edf,strait", "load": 1.1},
    "three slots": {"max_concurrency": 3, "policy": "edf,native,triton", "load": 1.3, "drop": "never"},
    "shared uplink": {"gpus": 3, "uplink_bytes_per_s": 2e8, "load": 0.8, "policy": "least-slack"},
    "topology": {"topology": "8x-h800", "load": 0.8, "policy": "edf"},
    "weights": {"memory": 1.5e9, "load": 0.4, "policy": "edf", "drop": "never"},
    "clockwork": {"load": 0.9, "policy": "clockwork", "profile": "rtx3080-disb"},
    "no copies": {"transfers": False, "policy": "aware-edf", "load": 1.0},
    "roofline": {"device_model": "roofline(copies=true)", "load": 1.1, "policy": "edf"},
    "sharing": {"device_model": "processor-sharing", "max_concurrency": 3, "load": 0.9, "policy": "edf"},
    "kernel queue": {"device_model": "kernel-queue", "profile": "rtx3080-disb", "load": 0.9, "policy": "edf"},
    "context switch": {"load": 0.9, "policy": "preempt-ideal", "profile": "rtx3080-disb", "limit": 800, "seed": 0},
    "gating": {"load": 0.9, "policy": "preempt-gated", "profile": "rtx3080-disb", "limit": 800, "seed": 0},
    "kernel boundary": {"load": 0.9, "policy": "preempt-kernel", "profile": "rtx3080-disb", "limit": 800, "seed": 0},
    "reset": {"load": 0.9, "policy": "preempt-reset", "profile": "rtx3080-disb", "limit": 800, "seed": 0},
    "blocks": {"device_model": "block-priority", "profile": "rtx3080-disb", "load": 0.9, "policy": "priority-edf"},
}


def written(folder, **settings):
    outcome = replay(prepare(make_spec({"limit": 400, "seed": 3, **settings})))
    summaries = list(outcome.summaries)
    write_results(list(outcome.results), folder, manifest=outcome.manifest(), summaries=summaries, timeline=False)
    return read_results(folder)


@pytest.mark.slow_cases(
    "blocks",
    "clockwork",
    "context switch",
    "gating",
    "kernel boundary",
    "kernel queue",
    "roofline",
    "shared uplink",
    "three slots",
)
@pytest.mark.parametrize("name", RUNS)
def test_parts_and_shares_are_exact(name, tmp_path):
    stored = written(tmp_path / "out", **RUNS[name])
    machine = find_machine(stored)
    assert machine.notes == ()
    for policy in stored.policies:
        run = read_run(stored, policy, machine)
        parts = run.parts.dropna()
        assert len(parts) == run.requests["latency_s"].notna().sum() > 50
        latency_s = run.requests["latency_s"][parts.index]
        assert (abs(parts.sum(axis=1) - latency_s) <= 1e-12 * latency_s).all()
        assert (parts >= 0).all(axis=None)
        interference = interference_of(run, run.batches.index)
        batch = run.requests["batch_id"][parts.index].astype(int)
        for victim, lost_s in dict(zip(batch, parts["interference"], strict=True)).items():
            shares = interference.by.get(victim, {})
            assert sum(shares.values()) + interference.other_s.get(victim, 0.0) == pytest.approx(lost_s, rel=1e-12)
            assert all(share_s >= -1e-12 for share_s in shares.values())
        if name != "roofline":
            assert not interference.other_s  # the same unit, run again, loses the same
        assert not interference.overlap


@pytest.mark.slow
def test_what_the_machines_show(tmp_path):
    """The parts that only some machines have are there."""
    uplink = read_run(written(tmp_path / "a", **RUNS["shared uplink"])).parts
    assert uplink["copy_in_contention"].max() > 1e-4
    weights = read_run(written(tmp_path / "b", **RUNS["weights"])).parts
    assert weights["weights"].max() > 1e-3
    shared = read_run(written(tmp_path / "c", **RUNS["sharing"])).parts
    assert shared["interference"].max() > 1e-3
    stopped = read_run(written(tmp_path / "e", **RUNS["reset"])).parts
    assert stopped["preemption"].max() > 1e-3
    free = read_run(written(tmp_path / "d", **RUNS["no copies"])).parts
    assert not free[["copy_in", "copy_out", "copy_in_contention"]].sum().any()


def test_a_copy_alone_has_no_contention(tmp_path):
    parts = read_run(written(tmp_path / "a", policy="edf", load=0.9)).parts.dropna()
    assert not parts[["copy_in_contention", "copy_out_contention"]].any(axis=None)
    assert (parts["copy_in"] > 0).all()


def test_every_part_has_a_name_and_a_definition():
    text = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in PARTS if f"`{name}`" not in text] == []


class TestChangedProfile:
    @pytest.fixture
    def changed(self, tmp_path):
        stored = written(tmp_path / "out", policy="edf", load=0.9, device_model="processor-sharing")
        path = stored.directory / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["profile"]["sha256"] = "0" * 64
        path.write_text(json.dumps(manifest))
        return read_results(stored.directory)

    @pytest.mark.slow
    def test_it_says_so_and_shares_by_overlap(self, changed):
        run = read_run(changed)
        assert run.machine.notes == ("profile 'a100-80gb-parvagpu' has changed since this run",)
        interference = interference_of(run, run.batches.index)
        assert interference.by
        assert interference.overlap == set(interference.by)
        (request,) = worst(run, 1)
        found = explain(run, request)
        assert found.alone_s is None
        assert found.notes == run.machine.notes
        dropped = worst(run, 1, None, "dropped")
        assert dropped
        assert "whether it could still have been in time is not known".capitalize() in explain(run, dropped[0]).verdict

    @pytest.mark.slow
    def test_parts_sum_all_the_same(self, changed):
        parts = read_run(changed).parts.dropna()
        assert not parts["copy_in_contention"].any()
        latency_s = read_run(changed).requests["latency_s"].dropna()
        np.testing.assert_allclose(parts.sum(axis=1), latency_s, rtol=1e-12)


def test_one_of_several_runs_must_be_named(tmp_path):
    stored = written(tmp_path / "out", policy="fifo,edf", limit=20)
    with pytest.raises(SpecError, match=r"several policies: fifo, edf; name one"):
        read_run(stored)
    with pytest.raises(SpecError, match=r"no run of policy 'edt'.*'edf'"):
        read_run(stored, "edt")


@pytest.mark.slow
def test_a_folder_of_an_older_version_can_be_read(tmp_path, monkeypatch):
    stored = written(tmp_path / "out", policy="edf", limit=50)
    expected = read_run(stored).parts
    batches = stored.batches().drop(columns="expected_s")
    monkeypatch.setattr(type(stored), "batches", lambda self: batches.copy())
    run = read_run(stored)
    assert run.parts.equals(expected)
    assert explain(run, 0).expected_s is None


@pytest.mark.slow_cases("context switch", "gating", "no copies", "reset", "three slots", "weights")
@pytest.mark.parametrize(
    "name", ["default", "three slots", "weights", "context switch", "gating", "reset", "no copies"]
)
def test_a_run_in_memory_has_the_parts_of_its_folder(name, tmp_path):
    outcome = replay(prepare(make_spec({"limit": 300, "seed": 3, **RUNS[name]})))
    summaries = list(outcome.summaries)
    folder = tmp_path / "out"
    write_results(list(outcome.results), folder, manifest=outcome.manifest(), summaries=summaries, timeline=False)
    stored = read_results(folder)
    links = find_machine(stored).links()
    for result, call in zip(outcome.results, outcome.inputs.policies, strict=True):
        found = parts_of(result, links, getattr(make_policy(call), "preemption", None))
        kept = read_run(stored, call.text).parts
        assert found.columns.tolist() == list(PARTS)
        assert np.array_equal(found.to_numpy(), kept.to_numpy(), equal_nan=True)
