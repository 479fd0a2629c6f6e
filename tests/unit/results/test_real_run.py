"""Runs of the engine: sound, and their files agree with their summaries."""

import numpy as np
import pytest

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import SCHEMA_VERSION, Device, Link, Observable, ObservableModel, Pcie, Profile, Truth
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.results import invariants, read_results, summarize, write_results
from stratsim.results.timeline import timeline_events

POLICIES = {"fifo": Fifo, "priority-fifo": PriorityFifo, "edf": Edf, "priority-edf": PriorityEdf}
LINK = Link(alpha_s=1e-5, bytes_per_s=1e10)
PROFILE = Profile(
    schema_version=SCHEMA_VERSION,
    name="toy",
    device=Device("toy"),
    provenance={},
    observable=Observable(
        pcie=Pcie(LINK, LINK),
        models={
            "small": ObservableModel({1: 0.002, 4: 0.005}, bytes_in=600_000, bytes_out=4_000),
            "large": ObservableModel({1: 0.008, 4: 0.020}, bytes_in=2_000_000, bytes_out=100_000),
        },
    ),
    truth=Truth(noise_cv=0.02),
)


def workload(requests=400, load=1.3):
    rng = np.random.default_rng(11)
    model = rng.integers(0, 2, requests).astype(np.int32)
    arrival = np.cumsum(rng.exponential(0.005 / load, requests))
    priority = np.where(rng.random(requests) < 0.3, 0, 1).astype(np.int8)
    slo = np.where(priority == 0, 5, 10) * np.array([0.002, 0.008])[model]
    return Workload(
        models=("small", "large"),
        arrival_s=arrival,
        model=model,
        priority=priority,
        deadline_s=arrival + slo,
        bytes_in=np.array([600_000, 2_000_000])[model],
        bytes_out=np.array([4_000, 100_000])[model],
        client=np.full(requests, -1, dtype=np.int32),
    )


@pytest.fixture(scope="module")
def results():
    cluster = Cluster(gpus=2)
    return [
        simulate(workload(load=2.6), PROFILE, make(), cluster=cluster, name=name) for name, make in POLICIES.items()
    ]


@pytest.mark.parametrize("device_model", ["exclusive", "processor-sharing", "streams"])
@pytest.mark.parametrize("drop", list(DropMode))
@pytest.mark.parametrize("transfers", [True, False])
def test_every_run_is_sound(device_model, drop, transfers):
    concurrency = 1 if device_model == "exclusive" else 3
    cluster = Cluster(gpus=2, device_model=device_model, max_concurrency=concurrency, transfers=transfers)
    for make in POLICIES.values():
        result = simulate(workload(120), PROFILE, make(), cluster=cluster, drop=drop)
        assert invariants(result, concurrency) == []


def test_the_runs_are_interesting(results):
    # Guards the tests below: something was late, dropped, batched and slowed down.
    figures = [summarize(result) for result in results]
    high = [run["classes"]["high"] for run in figures]
    assert all(run["met"] and run["late"] and run["dropped"] for run in high)
    assert all(run["gpu"][0]["mean_batch_size"] > 1 for run in figures)
    assert all(run["gpu"][0]["mean_slowdown"] > 1.05 for run in figures)


@pytest.mark.parametrize("parquet", [True, False])
def test_the_summary_follows_from_the_tables(results, tmp_path, parquet):
    summaries = [summarize(result) for result in results]
    write_results(results, tmp_path / "run", manifest={}, summaries=summaries, parquet=parquet)
    stored = read_results(tmp_path / "run")
    requests, batches = stored.requests(), stored.batches()
    for run in stored.runs:
        own = requests[requests["policy"] == run["policy"]]
        executed = batches[batches["policy"] == run["policy"]]
        for name, figures in run["classes"].items():
            rows = own[own["priority"] == name]
            assert figures["arrived"] == len(rows)
            assert figures["violation"] == pytest.approx(1 - (rows["status"] == "met").mean())
            assert figures["latency_s"]["p99"] == pytest.approx(rows["latency_s"].quantile(0.99), rel=1e-12)
            completed = rows[rows["status"].isin(["met", "late"])]
            on_time = completed["copy_out_end_s"] <= completed["deadline_s"] * (1 + 1e-12)
            assert (on_time == (completed["status"] == "met")).all()
        for gpu, figures in enumerate(run["gpu"]):
            rows = executed[executed["gpu"] == gpu]
            assert figures["batches"] == len(rows)
            assert figures["mean_slowdown"] == pytest.approx(rows["slowdown"].mean())
            assert figures["mean_batch_size"] == pytest.approx(rows["batch_size"].mean())
        moved = [sum(link[f"{way}_bytes"] for link in run["pcie"]) for way in ("h2d", "d2h")]
        started = own[own["batch_id"].notna()]
        assert moved == [started["bytes_in"].sum(), started["bytes_out"].sum()]


def test_the_same_run_gives_the_same_files(tmp_path):
    for name in ("one", "two"):
        result = simulate(workload(100), PROFILE, Edf(), name="edf")
        write_results([result], tmp_path / name, manifest={}, summaries=[{"policy": "edf"}])
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_timeline_has_one_row_per_slot_and_engine(results):
    cluster = Cluster(gpus=2)
    for result in results:
        for pid in (1, 2):
            rows = {
                event["args"]["name"]
                for event in timeline_events(result)
                if event["name"] == "thread_name" and event["pid"] == pid
            }
            slots = {name for name in rows if name.startswith("slot")}
            assert slots == {f"slot {n}" for n in range(cluster.max_concurrency)}
            assert {name for name in rows if "2" in name} == {"h2d", "d2h"}  # one engine per direction


def test_without_transfers_nothing_is_copied(tmp_path):
    result = simulate(workload(100), PROFILE, Fifo(), cluster=Cluster(transfers=False))
    link = summarize(result)["pcie"][0]
    assert (link["h2d_utilization"], link["d2h_utilization"]) == (0.0, 0.0)
    categories = {event.get("cat") for event in timeline_events(result)}
    assert "execution" in categories
    assert not categories & {"copy-in", "copy-out"}
