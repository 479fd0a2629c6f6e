"""DISB workloads on the command line: who waits for replies, what that leaves out, and what a replay of it gives."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

PROFILE = ("--profile", "rtx3080-disb")


def task(name, model, kind="continuous", **load):
    client = {"name": name, "model_name": model, "batch_size": 1}
    return {"id": name, "load": {"type": kind, **load}, "client": client}


@pytest.fixture
def overloaded(write):
    """Two periodic clients and a Poisson one beside three closed loops; densenet201 cannot keep up with its beat."""
    tasks = [
        task("vgg19_rt", "vgg19-imagenet", "periodic", frequency=20),
        task("densenet201_rt", "densenet201-imagenet", "periodic", frequency=20),
        task("resnet152_rt", "resnet152-imagenet", "poisson", frequency=60),
        task("vgg19_be", "vgg19-imagenet"),
        task("inceptionv3_be", "inceptionv3-imagenet"),
        task("resnet152_be", "resnet152-imagenet"),
    ]
    return write("w.json", json.dumps({"time": 3.0, "tasks": tasks}))


@pytest.fixture(autouse=True)
def without_parquet(monkeypatch):
    monkeypatch.setattr("stratsim.results.write.has_parquet", lambda: False)


def requests(folder):
    return pd.read_csv(folder / "requests.csv.gz")


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["native", "fifo(max_batch=1)"])
def test_a_run_equals_the_replay_of_its_own_requests(call, here, overloaded, policy):
    argv = (*PROFILE, "--policy", policy, "--quiet", "--no-timeline", "--out")
    assert call("replay", overloaded, *argv, "first").status == 0
    assert call("replay", "first/requests.csv.gz", *argv, "again").status == 0
    assert len(requests(here / "first")) > 100
    for table in ("requests", "batches"):
        name = f"{table}.csv.gz"
        assert (here / "first" / name).read_bytes() == (here / "again" / name).read_bytes()


def test_a_client_that_cannot_keep_up_is_answered_like_a_closed_loop(call, here, overloaded):
    argv = (*PROFILE, "--policy", "native", "--no-timeline", "--out", "out")
    ran = call("replay", overloaded, *argv)
    assert "clients that wait send more the sooner they are answered" in ran.out
    (note,) = [line for line in ran.err.splitlines() if "overtook" in line]
    found = requests(here / "out")
    mine = found[found["client"] == "densenet201_rt"]
    given_up = dict(part.split(" ") for part in note.rpartition(": ")[2].split(", "))
    assert len(mine) + int(given_up["densenet201_rt"]) == 60  # 20 per second for 3 s
    assert mine["arrival_s"].iloc[0] == pytest.approx(0.0028, abs=0.0001), "after vgg19 alone"
    gaps = mine["arrival_s"].to_numpy()[1:] - mine["copy_out_end_s"].to_numpy()[:-1]
    assert (gaps >= 0).all()
    assert (gaps == 0).mean() > 0.9
    assert found["arrival_s"].max() < 3.0
    assert found["copy_out_end_s"].max() < 3.2, "nothing is left to drain"


@pytest.mark.slow
def test_the_same_trace_converted_replays_the_same(call, here, overloaded):
    argv = (*PROFILE, "--policy", "native", "--quiet", "--no-timeline", "--out")
    assert call("trace", "convert", overloaded, "c.json", *PROFILE).status == 0
    assert call("replay", overloaded, *argv, "one").status == call("replay", "c.json", *argv, "two").status == 0
    assert (here / "one" / "requests.csv.gz").read_bytes() == (here / "two" / "requests.csv.gz").read_bytes()


# The benchmark itself -------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("STRATSIM_DATA"), reason="STRATSIM_DATA names no folder with public traces")
def test_an_overloaded_client_of_the_benchmark_meets_the_company_it_would_meet_in_steady_state(replay):
    """densenet201_rt of D: 11.8 times slower in steady state (docs/results/validation-disb.md), 6.4 with a backlog."""
    path = Path(os.environ["STRATSIM_DATA"]) / "disb" / "workload_D.json"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    (run,) = replay(path, *PROFILE, "--policy", "native").document["runs"]
    clients = run["clients"]
    assert clients["densenet201_rt"]["slowdown"] == pytest.approx(11.78, rel=0.02)
    assert clients["densenet201_rt"]["slowdown"] == pytest.approx(clients["densenet201_be"]["slowdown"], rel=0.01)
    assert clients["densenet201_rt"]["mean_latency_s"] == pytest.approx(
        clients["densenet201_rt"]["mean_service_s"], rel=1e-3
    )
    assert run["simulated_s"] < 60.1
    for name in ("resnet152_rt", "vgg19_rt", "inceptionv3_rt", "distilbert_rt"):
        assert clients[name]["completed"] == 1200, "20 per second for 60 s: none is given up"
