"""Ctrl-C: exit status 130, one line, nothing left behind, an older result untouched."""

import signal
import subprocess
import sys
import time

import pytest

from stratsim.cli import main


@pytest.mark.parametrize("where", ["prepare", "decide"])
def test_an_interrupt_of_a_run_is_one_line(refused, policy_file, here, where):
    policy = policy_file(**{where: "raise KeyboardInterrupt"})
    argv = ("replay", "--limit", 50, "--policy", f"fifo,{policy}", "--json", "--out", here / "deep" / "results")
    assert refused(*argv, status=130) == "interrupted"


def test_an_interrupt_while_reading_is_one_line(refused, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("stratsim.run.inputs.read_trace", interrupted)
    assert refused("replay", "--out", "results", status=130) == "interrupted"


@pytest.mark.parametrize("step", ["TableWriter", "Timeline.close", "_write_json", "Claim.publish"])
def test_an_interrupt_while_writing_leaves_nothing(refused, monkeypatch, step):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"stratsim.results.write.{step}", interrupted)
    assert refused("replay", "--limit", 5, "--quiet", "--out", "deep/results", status=130) == "interrupted"


def test_an_interrupt_keeps_the_older_result(refused, call, monkeypatch, here):
    assert call("replay", "--limit", 5, "--quiet", "--out", "results").status == 0
    before = {path.name: path.read_bytes() for path in (here / "results").iterdir()}

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("stratsim.results.write._write_json", interrupted)
    refused("replay", "--limit", 9, "--quiet", "--out", "results", "--overwrite", status=130)
    assert {path.name: path.read_bytes() for path in (here / "results").iterdir()} == before


_POLICY = """
from pathlib import Path
from stratsim.policy.queueing import Fifo

class Slow(Fifo):
    def __init__(self, *, number):
        super().__init__()

    def on_arrival(self, request, view):
        if request.id == 1000:
            Path("running").touch()
        super().on_arrival(request, view)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_real_signal_ends_a_real_run(write, here):
    """Whole replays of the bundled trace, one after the other; the signal comes in the midst of the first."""
    write("slow.py", _POLICY)
    policies = ",".join(f"slow.py:Slow(number={n})" for n in range(50))
    # A shell that starts jobs in the background makes them ignore the signal, and children inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from stratsim.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "replay", "--policy", policies, "--out", "deep/results", "--json", "--quiet"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        give_up = time.monotonic() + 60
        while not (here / "running").exists() and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "stratsim: interrupted\n")
    assert {path.name for path in here.iterdir()} - {"__pycache__"} == {"slow.py", "running"}


@pytest.mark.slow
def test_two_interrupts_do_not_confuse_the_next_call(call, policy_file):
    policy = policy_file(decide="raise KeyboardInterrupt")
    assert call("replay", "--limit", 5, "--policy", policy).status == 130
    assert call("replay", "--limit", 5, "--policy", policy).status == 130
    assert main(["replay", "--limit", "5", "--quiet"]) == 0
