"""The CPU server's workers and shared memory: what they are called, who may read them, what a kill leaves."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the CPU server runs models")

SERVE = """
import sys, time
from stratsim_profiler.serve.cpu import CpuServer

if __name__ == "__main__":
    server = CpuServer(2, slots=2, places=3, max_bytes_in=1 << 16, max_bytes_out=1 << 16)
    server.load({"mlp-wide": (1,)})
    print(*(process._process.pid for process in server._workers), flush=True)
    time.sleep(300)
"""


def shared():
    """Names in the places where shared memory could be found by others."""
    return {str(path) for folder in ("/dev/shm", "/tmp") for path in Path(folder).glob("*pym-*")}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_kill_leaves_neither_workers_nor_memory(tmp_path):
    (tmp_path / "serve.py").write_text(SERVE)
    before = shared()
    command = [sys.executable, str(tmp_path / "serve.py")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        workers = [int(pid) for pid in server.stdout.readline().split()]
        assert len(workers) == 2
        assert shared() == before, "shared memory has a name that others could open"
        server.send_signal(signal.SIGKILL)
        server.wait()
        for _ in range(600):
            if not any(map(alive, workers)):
                break
            time.sleep(0.1)
        assert not any(map(alive, workers))
        assert shared() == before
    finally:
        server.kill()
        server.stdout.close()


def test_a_model_that_a_profile_names_is_built_only_if_it_was_typed(marker):
    from stratsim.errors import CodeRefusedError
    from stratsim.plugins import allow_code
    from stratsim_profiler.zoo.build import build

    with pytest.raises(CodeRefusedError, match="is code in a file"):
        build(marker("make"))
    assert not marker.ran
    allow_code(marker("make"))
    with pytest.raises(RuntimeError, match="the factory was called"):
        build(marker("make"))
    assert marker.ran


def test_a_worker_builds_only_what_was_typed(marker):
    from stratsim.errors import ServerError
    from stratsim_profiler.serve.cpu import CpuServer

    server = CpuServer(1, slots=1, places=2, max_bytes_in=64, max_bytes_out=64)
    try:
        with pytest.raises(ServerError, match="is code in a file"):
            server.load({marker("make"): (1,)})
    finally:
        server.close()
    assert not marker.ran
