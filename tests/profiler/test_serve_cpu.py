"""The CPU server for real: worker processes, stages in order, every way to end. No timing is asserted."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")

from stratsim.errors import ServerError, SpecError  # noqa: E402
from stratsim.live import Plan, execute, open_server  # noqa: E402
from stratsim.live.servers import Room  # noqa: E402
from stratsim.model.request import Status  # noqa: E402
from stratsim.model.server import Stage, Work  # noqa: E402
from stratsim.plugins import allow_code  # noqa: E402
from stratsim.policy import DropMode  # noqa: E402
from stratsim.policy.queueing import Fifo  # noqa: E402
from stratsim.results import invariants  # noqa: E402
from stratsim.testing import make_profile, make_workload  # noqa: E402
from stratsim_profiler.serve.cpu import CpuServer, _layout  # noqa: E402
from stratsim_profiler.serve.jitter import lateness, measure  # noqa: E402

MODELS = {"mobilenet-small": (1, 2), "bert-small": (1,)}


@pytest.fixture
def server():
    found = CpuServer(slots=2, places=3, max_bytes_in=1 << 20, max_bytes_out=1 << 16)
    yield found
    found.close()


def until_done(server, batches):
    seen = []
    while sum(stage.stage is Stage.COPY_OUT_END for stage in seen) < batches:
        server.wait(server.now_s() + 5.0)
        seen += server.poll()
    return seen


@pytest.mark.slow
def test_two_models_are_served_live(server):
    """Stage order, conservation, no more batches at once than slots, and every request is answered."""
    profile = make_profile(
        {"mobilenet-small": {1: 0.008, 2: 0.014}, "bert-small": 0.008}, bytes_in=1 << 14, bytes_out=400
    )
    rows = [(k * 0.02, ("mobilenet-small", "bert-small")[k % 2]) for k in range(60)]
    workload = make_workload(rows, profile=profile)
    server.load(MODELS)
    server.start()
    plan = Plan(
        workload, profile.for_scheduler(), {"mobilenet-small": 2, "bert-small": 1}, 2, max_batch=2, drop=DropMode.NEVER
    )
    ran = execute(plan, Fifo(), "fifo", server)
    assert ran.stopped is None
    assert invariants(ran.result, 2, measured=True) == []
    assert set(ran.result.requests.status.tolist()) == {Status.MET}  # nobody has a deadline
    assert ran.result.batches.size.sum() == len(rows)
    assert ran.figures.as_dict()["times_moved"]["count"] == 0
    assert (ran.result.batches.execution_end_s > ran.result.batches.execution_start_s).all()
    assert (ran.result.batches.copy_in_end_s > ran.result.batches.copy_in_start_s).all()
    details = server.info.details
    assert details["jitter"]["count"] > 0
    if len(os.sched_getaffinity(0)) >= 2:
        assert len({tuple(cores) for cores in details["cores"]}) == 2


def served(server, batches):
    """Submit that many batches at once and return what was seen of them, each batch's stages checked."""
    server.load({"bert-small": (1,)})
    server.start()
    for batch in range(batches):
        server.submit(batch, Work("bert-small", 1, 100, 100))
    seen = until_done(server, batches)
    for batch in range(batches):
        own = [stage for stage in seen if stage.batch == batch]
        assert [stage.stage for stage in own] == list(Stage)
        assert [stage.time_s for stage in own] == sorted(stage.time_s for stage in own)
    assert all(stage.time_s > 0 for stage in seen)
    return seen


@pytest.mark.slow
def test_a_worker_takes_batches_in_the_order_of_submission():
    with contextlib.closing(CpuServer(slots=1, places=6, max_bytes_in=1 << 10, max_bytes_out=1 << 10)) as server:
        seen = served(server, 6)
    assert [stage.batch for stage in seen if stage.stage is Stage.COPY_IN_START] == list(range(6))


@pytest.mark.slow
def test_two_workers_serve_every_batch_once(server):
    """Which of two starts first is the system's: one that has taken a batch may lose its core before it says so."""
    seen = served(server, 6)
    assert sorted(stage.batch for stage in seen if stage.stage is Stage.COPY_IN_START) == list(range(6))


@pytest.mark.slow
def test_a_dead_worker_is_found_out_and_all_end(server):
    server.load({"bert-small": (1,)})
    server.start()
    pids = [process._process.pid for process in server._workers]
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(ServerError, match=f"worker {pids[0]} of the CPU server has ended with exit code -9"):
        until_done(server, 1)
    server.close()
    assert not any(alive(pid) for pid in pids)
    server.close()  # may be called at any time


def test_a_model_that_cannot_be_built_or_run_says_why(server, tmp_path):
    (tmp_path / "bad.py").write_text(
        "import torch\n"
        "class Bad(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        raise MemoryError('no room')\n"
        "def make():\n"
        "    return Bad(), torch.zeros(1, 2)\n"
    )
    allow_code(f"{tmp_path}/bad.py:make")
    with pytest.raises(ServerError, match="building the models: MemoryError: no room"):
        server.load({f"{tmp_path}/bad.py:make": (1,)})


@pytest.mark.slow
def test_workers_do_not_outlive_a_parent_that_was_killed():
    code = (
        "from stratsim_profiler.serve.cpu import CpuServer\n"
        "import time\n"
        "if __name__ == '__main__':\n"
        "    s = CpuServer(slots=2, places=2, max_bytes_in=8, max_bytes_out=8)\n"
        "    s.load({'bert-small': (1,)})\n"
        "    print(*[p._process.pid for p in s._workers], flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    for _ in range(600):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_closing_before_loading_and_serving_after_closing(server):
    server.close()
    with pytest.raises(ServerError, match="closed"):
        server.submit(0, Work("bert-small", 1, 0, 0))


def test_what_a_cpu_cannot_do_is_refused():
    room = {"slots": 1, "places": 1, "max_bytes_in": 0, "max_bytes_out": 0}
    with pytest.raises(SpecError, match="fp16"):
        CpuServer(dtype="fp16", **room)
    with pytest.raises(SpecError, match="graph"):
        CpuServer(mode="graph", **room)
    with pytest.raises(SpecError, match="cpu:999"):
        CpuServer(999, **room)


def test_it_is_found_by_its_entry_point():
    server = open_server("cpu:1", Room(slots=1, places=2, max_bytes_in=8, max_bytes_out=8))
    assert isinstance(server, CpuServer)


@pytest.mark.parametrize(
    ("allowed", "cores", "slots", "own", "pinned"),
    [
        ((0, 1, 2, 3), None, 2, (0,), [(1,), (2,)]),  # one to spare: the dispatcher has it
        ((0, 1), None, 2, None, [(0,), (1,)]),
        ((0, 1), None, 3, None, [(0, 1)] * 3),  # too few: they share
        ((4, 5, 6), 1, 2, (4,), [(5,)] * 2),
        ((0,), None, 1, None, [(0,)]),
    ],
)
def test_cores_are_given_out(allowed, cores, slots, own, pinned):
    assert _layout(allowed, cores, slots) == (own, pinned)


def test_lateness_of_a_sleeper(monkeypatch):
    """Every wake-up but the fourth is 1 ms late, that 9 ms."""
    now, calls = [0.0], []

    def sleep_until(moment_s):
        calls.append(moment_s)
        now[0] = moment_s + (0.009 if len(calls) == 4 else 0.001)

    monkeypatch.setattr("stratsim_profiler.serve.jitter.time.perf_counter", lambda: now[0])
    found = lateness(measure(sleep_until, 0.1))
    assert found["median_s"] == pytest.approx(0.001)
    assert found["max_s"] == pytest.approx(0.009)
    assert found["count"] == len(calls)
