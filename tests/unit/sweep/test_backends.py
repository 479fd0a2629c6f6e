"""Backends: each call is told once, whatever happens to the process that makes it."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stratsim.errors import MissingExtraError, SpecError
from stratsim.sweep.backends import Futures, Serial, Setup, make_backend
from stratsim.sweep.backends.processes import Processes

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """The module of the calls; processes that are started find it where this one does."""
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("backend_calls")


def all_of(backend, count):
    return {each.key: each for each in (backend.next_completed() for _ in range(count))}


def is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.fixture(params=["serial", "futures", "processes"])
def backend(request):
    made = {
        "serial": Serial,
        "futures": lambda: Futures(ThreadPoolExecutor(1)),
        "processes": lambda: Processes(2),
    }[request.param]()
    yield made
    made.close()


def test_each_call_is_told_once(backend, calls):
    for value in range(7):
        backend.submit(f"k{value}", calls.double, value)
    told = [backend.next_completed() for _ in range(7)]
    assert sorted((each.key, each.value, each.error) for each in told) == [(f"k{v}", 2 * v, None) for v in range(7)]


@pytest.mark.slow_cases("processes")
def test_calls_may_follow_from_others(backend, calls):
    backend.submit("a", calls.double, 1)
    first = backend.next_completed()
    backend.submit("b", calls.double, first.value)
    assert backend.next_completed() == ("b", 4, None)


@pytest.mark.slow_cases("processes")
def test_an_error_is_told_with_its_call(backend, calls):
    backend.submit("bad", calls.refuse, 1)
    backend.submit("out", calls.leave)
    backend.submit("good", calls.double, 1)
    told = all_of(backend, 3)
    assert str(told["bad"].error) == "not 1"
    assert isinstance(told["out"].error, SystemExit)
    assert told["good"].value == 2


@pytest.mark.slow
def test_workers_are_set_up_once(calls):
    backend = Processes(1, Setup(calls.remember, ("key", "value")))
    try:
        for name in ("a", "b"):
            backend.submit(name, calls.recall, "key")
        values = {each.value for each in all_of(backend, 2).values()}
    finally:
        backend.close()
    ((value, pid),) = values
    assert value == "value"
    assert pid != os.getpid()
    assert calls.LEFT == {}


@pytest.mark.slow
def test_a_killed_process_takes_no_call_with_it(tmp_path, calls):
    backend = Processes(2)
    try:
        for value in range(8):
            backend.submit(f"k{value}", calls.slow, value)
        backend.submit("killed", calls.kill_once, str(tmp_path / "mark"))
        told = [backend.next_completed() for _ in range(9)]
    finally:
        backend.close()
    assert Counter(each.key for each in told) == Counter(["killed", *(f"k{v}" for v in range(8))])
    assert {each.value for each in told} == {"again", *range(8)}


@pytest.mark.slow
def test_a_call_that_kills_its_process_is_given_up_alone(calls):
    backend = Processes(2)
    try:
        backend.submit("deadly", calls.kill)
        for value in range(5):
            backend.submit(f"k{value}", calls.slow, value)
        told = all_of(backend, 6)
    finally:
        backend.close()
    assert "its process was killed 2 times" in str(told.pop("deadly").error)
    assert {each.value for each in told.values()} == set(range(5))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_closing_ends_what_is_under_way(tmp_path, calls):
    backend = Processes(1)
    backend.submit("endless", calls.work_for_ever, str(tmp_path / "pid"))
    pid = _written(tmp_path / "pid")
    backend.close()
    assert not is_alive(pid)


_DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from stratsim.sweep.backends.processes import Processes
from backend_calls import work_for_ever
if __name__ == "__main__":
    backend = Processes(1)
    backend.submit("endless", work_for_ever, sys.argv[2])
    backend.next_completed()
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_no_process_outlives_a_driver_that_was_killed(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(_DRIVER)
    with subprocess.Popen([sys.executable, str(script), str(HERE), str(tmp_path / "pid")]) as driver:
        pid = _written(tmp_path / "pid")
        assert is_alive(pid)
        driver.kill()
    give_up = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < give_up:
        time.sleep(0.02)
    outlived = is_alive(pid)
    if outlived:
        os.kill(pid, signal.SIGKILL)
    assert not outlived


def _written(path):
    give_up = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return int(path.read_text())


def test_without_a_job_there_is_no_backend():
    with pytest.raises(SpecError, match="jobs must be at least 1, got 0"):
        make_backend(0)


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "stratsim.sweep.backends.cluster", raising=False)
    with pytest.raises(
        MissingExtraError, match=r"distributed is not installed; it needs: pip install 'stratsim\[dask\]'"
    ):
        make_backend(1, "local")


@pytest.mark.slow
def test_an_address_without_a_scheduler_is_one_line(monkeypatch):
    pytest.importorskip("distributed", reason="needs Dask: pip install 'stratsim[dask]'")
    cluster = importlib.import_module("stratsim.sweep.backends.cluster")
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.3)
    with pytest.raises(SpecError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:9'"):
        make_backend(1, "tcp://127.0.0.1:9")
    with pytest.raises(SpecError, match="no Dask scheduler at 'nonsense://x'"):
        make_backend(1, "nonsense://x")
