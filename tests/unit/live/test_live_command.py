"""`stratsim live` with a server in memory: what it writes, how it ends, what it refuses."""

import json

import pytest

from stratsim.cli import main
from stratsim.errors import MissingExtraError, ServerError, SpecError
from stratsim.live import Terminated, open_server
from stratsim.live.servers import Room, check_device
from stratsim.model.codec import load_profile
from stratsim.results.read import read_results

PROFILE = "a100-80gb-parvagpu"
SOLO = load_profile(PROFILE).for_scheduler()
BASE = ("live", "--device", "cpu", "--profile", PROFILE, "--limit", "60", "--load", "0.5")


@pytest.fixture
def servers(fake_server, monkeypatch):
    """Serve with fakes that are made with `options`; return those that were opened, and with what."""
    opened = []
    options = {}

    def open_fake(device, room, **how):
        server = fake_server(lambda work: SOLO.latency_s(work.model, work.size), slots=room.slots, **options)
        opened.append((server, room, how))
        return server

    monkeypatch.setattr("stratsim.live.servers.open_server", open_fake)
    return opened, options


@pytest.fixture
def live(servers, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        status = main([*BASE, *argv])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def test_a_run_writes_what_a_replay_writes_and_how_it_was_served(live, servers, tmp_path):
    status, out, _ = live("--policy", "fifo,edf", "--out", "results")
    assert status == 0
    assert "lag p99 ms" in out
    found = read_results(tmp_path / "results")
    assert found.policies == ["fifo", "edf"]
    assert len(found.requests()) == 120
    assert set(found.requests()["status"]) <= {"met", "late", "dropped"}
    section = found.manifest["live"]
    assert section["status"] == "complete"
    assert section["reason"] is None
    assert section["device"] == "cpu"
    assert [run["policy"] for run in section["runs"]] == ["fifo", "edf"]
    for run in section["runs"]:
        assert run["admitted"] == 60
        assert run["lag_s"]["count"] == 60
        assert run["host"]["seen_after_s"]["count"] > 0
        assert run["server"]["name"] == "a fake"
        assert run["broken_invariants"] == []
    assert not (tmp_path / "results.partial").exists()
    assert main(["replay", "--profile", PROFILE, "--limit", "60", "--load", "0.5", "--out", "again", "--quiet"]) == 0
    again = read_results(tmp_path / "again")
    assert found.manifest.keys() - again.manifest.keys() == {"live"}
    first = found.requests()[lambda rows: rows["policy"] == "fifo"]["arrival_s"].tolist()
    assert first == again.requests()[lambda rows: rows["policy"] == "fifo"]["arrival_s"].tolist()


def test_one_server_serves_all_policies_that_have_equal_slots(live, servers):
    live("--policy", "fifo,edf,native", "--max-concurrency", "1", "--quiet")
    opened, _ = servers
    models = len(opened[0][0].loaded)  # native has a slot for each
    assert [room.slots for _, room, _ in opened] == [1, models]
    assert [room.places for _, room, _ in opened] == [2, models]
    assert all(server.closed for server, _, _ in opened)
    numbers = [batch for batch, _ in opened[0][0].submitted]
    assert numbers == list(range(len(numbers)))


def test_only_batches_that_may_be_formed_are_loaded(live, servers):
    live("--policy", "fifo(max_batch=2)", "--max-batch", "1", "--dtype", "fp16", "--quiet")
    server, room, how = servers[0][0]
    assert all(sizes == [1, 2] for sizes in server.loaded.values())
    assert max(work.size for _, work in server.submitted) <= 2
    assert room.max_bytes_in == max(2 * SOLO.models[model].bytes_in for model in server.loaded)
    assert how == {"dtype": "fp16", "mode": None}


def test_json_has_the_live_section(live):
    status, out, err = live("--policy", "fifo", "--json", "--quiet")
    assert status == 0
    assert err == ""
    assert json.loads(out)["manifest"]["live"]["status"] == "complete"


@pytest.mark.parametrize(
    ("failure", "status", "reason", "line"),
    [
        (ServerError("worker 3 has ended"), 2, "ServerError: worker 3 has ended", "stratsim: worker 3 has ended"),
        (MemoryError(), 2, "ServerError: out of memory", "stratsim: out of memory"),
        (KeyboardInterrupt(), 130, "Ctrl-C", "stratsim: interrupted; what was measured is in results.partial"),
        (Terminated(), 143, "terminated by a signal (SIGTERM)", "stratsim: interrupted; what was measured is in"),
    ],
)
def test_what_was_measured_survives(live, servers, tmp_path, failure, status, reason, line):
    opened, options = servers
    options.update(fails_at_s=0.1, failure=failure)
    ended, _, err = live("--policy", "fifo,edf", "--out", "results")
    assert ended == status
    assert line in err.splitlines()[-1]
    assert opened[0][0].closed
    assert not (tmp_path / "results").exists()
    found = read_results(tmp_path / "results.partial")
    assert found.policies == ["fifo"]
    assert found.manifest["live"]["status"] == "interrupted"
    assert found.manifest["live"]["reason"] == reason
    statuses = found.requests()["status"].tolist()
    assert 0 < len(statuses) < 60
    assert statuses.count("met") > 0


def test_a_policy_that_was_complete_before_stays_complete(live, servers, tmp_path, monkeypatch):
    (tmp_path / "bad.py").write_text(
        "from stratsim.policy.queueing import Fifo\n"
        "class Bad(Fifo):\n"
        "    def on_arrival(self, request, view):\n"
        "        if request.id == 30: raise ValueError('no')\n"
        "        super().on_arrival(request, view)\n"
    )
    status, _, err = live("--policy", "fifo,bad.py:Bad", "--out", "results")
    assert status == 2
    assert "ValueError: no" in err.splitlines()[-1]
    found = read_results(tmp_path / "results.partial")
    assert [run["status"] for run in found.manifest["live"]["runs"]] == ["complete", "interrupted"]
    assert len(found.requests()) == 60 + 31


def test_a_failure_before_anything_was_measured_writes_nothing(live, servers, tmp_path):
    servers[1].update(fails_at_s=0.0, failure=ServerError("gone at once"))
    status, out, err = live("--policy", "fifo", "--out", "results")
    assert status == 2
    assert out == ""
    assert err.splitlines()[-1] == "stratsim: gone at once"
    assert list(tmp_path.iterdir()) == []


def test_an_older_partial_result_is_not_lost(live, tmp_path):
    (tmp_path / "results.partial").mkdir()
    status, _, err = live("--policy", "fifo", "--out", "results")
    assert status == 2
    assert "results.partial: exists already" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--policy", "k-edf"), "policy 'k-edf' preempts"),
        (("--set", "gpus=2"), "2 GPUs"),
        (("--set", "memory=16e9"), "weights that are loaded on demand"),
        (("--set", "transfers=false"), "without transfers"),
        (("--set", "pinned=false"), "pageable"),
        (("--patience", "0"), "patience"),
        (("--device", "tpu:0"), "nothing serves on 'tpu'"),
        (("--device", "cuda:x"), "expected cuda or cuda:NUMBER"),
    ],
)
def test_what_cannot_be_served_is_refused(live, servers, argv, message):
    status, _, err = live("--policy", "fifo", *argv)
    assert status == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert servers[0] == []


def test_clients_that_wait_are_refused(live, tmp_path):
    (tmp_path / "clients.json").write_text(
        '{"format": "stratsim-clients", "version": 1, "clients": [{"id": "c", "limit": 10}]}'
    )
    status = main(["live", "clients.json", "--device", "cpu", "--profile", PROFILE, "--policy", "fifo"])
    assert status == 2


def test_devices_are_found_by_kind():
    assert check_device("cpu") == ("cpu", None)
    assert check_device("cuda:3") == ("cuda", 3)
    with pytest.raises(SpecError, match="expected cpu or cpu:NUMBER"):
        check_device("cpu:")


def test_a_missing_package_says_what_to_install(monkeypatch):
    class Absent:
        def load(self):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("stratsim.live.servers.points", lambda group: {"cpu": Absent()})
    with pytest.raises(MissingExtraError, match=r"torch is not installed.*stratsim\[profiler\]"):
        open_server("cpu", Room(1, 2, 0, 0))
