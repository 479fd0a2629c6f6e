"""Faults in the midst of a sweep or a reading: interrupts, full disks, a lost scheduler, a cut file, write access."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stratsim
import stratsim_plots
import stratsim_profiler
from stratsim import bundled
from stratsim.errors import StratsimError
from stratsim.sweep import How, make_sweep, run_sweep
from stratsim.trace.readers.own import read_parquet
from stratsim.trace.source import load

SWEEP = {
    "title": "t",
    "sweep": {"seeds": [1, 2, 3, 4]},
    "base": {"profile": "asymmetric-six", "policy": "fifo,edf"},
    "arrivals": {"requests": 200},
    "axes": {"load": [0.5, 0.8, 1.1, 1.4]},
}
FILE = """
title = "t"
[sweep]
seeds = [1, 2, 3, 4]
[base]
profile = "asymmetric-six"
policy = "fifo,edf"
[arrivals]
requests = {requests}
[axes]
load = [0.5, 0.8, 1.1, 1.4]
"""
MAIN = """
import resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a shell's background jobs ignore it
if sys.argv[1] != "0":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from stratsim.cli import main
sys.exit(main(sys.argv[2:]))
"""


def begin(*argv, largest_file=0, able=(), **options):
    """Start the command line; no file may become larger than so many bytes, 0 for any size; `able` goes before it."""
    command = [*able, sys.executable, "-c", MAIN, str(largest_file), *map(str, argv)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def said(process):
    """Return the exit status and the last line of stderr, and end the process if it does not."""
    try:
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    return process.returncode, err.rstrip("\n").rpartition("\n")[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table of the sweep when nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "sweep.toml").write_text(FILE.format(requests=200))
    assert said(begin("sweep", "run", folder / "sweep.toml", "--out", folder / "sweep", "--quiet"))[0] == 0
    return (folder / "sweep" / "results.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_of_a_sweep_keeps_its_rows_and_a_resume_makes_the_rest(tmp_path, jobs):
    (tmp_path / "sweep.toml").write_text(FILE.format(requests=4000))
    out = tmp_path / "sweep"
    process = begin("sweep", "run", tmp_path / "sweep.toml", "--out", out, "--quiet", "--jobs", jobs)
    while process.poll() is None and not ((out / "results.csv").exists() and len(_rows(out)) > 1):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    status, last = said(process)
    assert status == 130
    assert last.startswith("stratsim: interrupted")
    kept = _rows(out)
    assert 1 < len(kept) < 33
    assert said(begin("sweep", "resume", out, "--quiet"))[0] == 0
    rows = _rows(out)
    assert len(rows) == 33
    assert set(kept) <= set(rows)


def _rows(out):
    content = (out / "results.csv").read_text()
    return content[: content.rfind("\n") + 1].splitlines()


@pytest.mark.slow
def test_a_disk_that_fills_up_in_mid_sweep_loses_no_row_that_was_written(tmp_path, undisturbed):
    """No file may grow beyond two thirds of the table; then it may, and the sweep goes on to the same bytes."""
    (tmp_path / "sweep.toml").write_text(FILE.format(requests=200))
    out, most = tmp_path / "sweep", len(undisturbed) * 2 // 3
    argv = ("sweep", "run", tmp_path / "sweep.toml", "--out", out, "--quiet")
    status, last = said(begin(*argv, largest_file=most))
    assert status == 2
    assert "cannot be written: File too large" in last
    assert 1 < len(_rows(out)) < 33
    assert said(begin("sweep", "resume", out, "--quiet"))[0] == 0
    assert (out / "results.csv").read_bytes() == undisturbed


@pytest.mark.slow
def test_a_dask_scheduler_that_is_lost_in_mid_run_leaves_the_rows_and_a_line(tmp_path, undisturbed):
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'stratsim[dask]'")
    out = tmp_path / "sweep"
    code = "import sys; from distributed.cli.dask_scheduler import main; main()"
    command = [sys.executable, "-c", code, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    command += ["--scheduler-file", str(tmp_path / "address.json")]
    scheduler = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "address.json").exists():
            assert scheduler.poll() is None
            time.sleep(0.05)
        with distributed.Client(scheduler_file=str(tmp_path / "address.json"), set_as_default=False) as client:
            address = client.scheduler.address
        code = "import sys; from distributed.cli.dask_worker import main; main()"
        worker = subprocess.Popen(
            [sys.executable, "-c", code, address, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
            stderr=subprocess.DEVNULL,
        )

        def lose(done, total):
            if done == 4:
                scheduler.send_signal(signal.SIGKILL)

        try:
            with pytest.raises(StratsimError, match=r"Dask scheduler at .* is gone"):
                run_sweep(make_sweep(SWEEP), SWEEP, out, How(dask=address, progress=lose))
        finally:
            worker.kill()
            worker.wait()
    finally:
        scheduler.kill()
        scheduler.wait()
    assert 1 < len(_rows(out)) < 33
    run_sweep(make_sweep(SWEEP), SWEEP, out, How())
    assert sorted(_rows(out)) == sorted(undisturbed.decode().splitlines())


def test_a_file_that_is_cut_while_it_is_read_is_an_error_not_the_end_of_the_process(tmp_path):
    """The rows that are gone were counted when the file was opened; a mapped file would end in SIGBUS."""
    table = pa.table({"arrival_s": np.random.default_rng(1).random(400_000).cumsum()})
    pq.write_table(table, tmp_path / "trace", row_group_size=100_000)
    source = load(tmp_path / "trace")
    assert len(source.table) == 400_000
    os.truncate(tmp_path / "trace", 1 << 16)
    with pytest.raises(StratsimError, match="is not a valid Parquet file"):
        read_parquet(source)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="the superuser may write everywhere")
def test_an_installation_that_its_user_may_not_write_to_works(tmp_path):
    """A copy of the packages, read-only, and a superuser without the right to write all the same."""
    home, mine = tmp_path / "site", tmp_path / "mine"
    for package in (stratsim, stratsim_plots, stratsim_profiler):
        source = Path(package.__file__).parent
        shutil.copytree(source, home / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for kind in ("traces", "experiments", "profiles", "topologies"):  # as in a wheel
        shutil.copytree(bundled.folder(kind), home / "stratsim" / "_data" / kind, dirs_exist_ok=True)
    for path in [home, *home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    mine.mkdir()
    able = ["setpriv", "--bounding-set=-dac_override,-fowner"] if os.geteuid() == 0 else []
    touch = subprocess.run([*able, "touch", str(home / "new")], capture_output=True, check=False)
    assert touch.returncode != 0, "the installation can be written to"
    before = sorted(home.rglob("*"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(home), "HOME": str(mine)}
    for argv in (
        ("replay", "--limit", "20", "--policy", "fifo,edf", "--quiet", "--out", "run"),
        ("plot", "run", "--kind", "violations", "--out", "figure.png"),
        ("report", "run", "--out", "page.html"),
    ):
        process = begin(*argv, able=able, cwd=mine, env=env)
        status, last = said(process)
        assert status == 0, last
        assert (mine / argv[-1]).exists()
    assert sorted(home.rglob("*")) == before
    for path in [home, *home.rglob("*")]:  # so that it can be removed
        path.chmod(0o755)
