"""Mistakes in how the command line is used: one line, exit status 2, nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MISTAKES = {
    ("polcy",): "no command 'polcy'; did you mean 'policy'?",
    ("xyzzy",): (
        "no command 'xyzzy'; known: capacity, compare, compile, device, explain, fidelity, live, plot, policy, "
        "predictor, profile, replay, report, sweep, topology, trace, validate"
    ),
    ("trace", "inspct"): "trace: no command 'inspct'; did you mean 'inspect'?",
    ("policy", "lst"): "policy: no command 'lst'; did you mean 'list'?",
    ("profile", "pair"): "profile: no command 'pair'; did you mean 'pairs'?",
    ("--bogus",): "No such option --bogus",
    ("replay", "--polcy", "fifo"): "No such option --polcy",
    ("replay", "--gpus"): "Option '--gpus' requires an argument.",
    ("replay", "--gpus", "x"): "Invalid value for '--gpus': 'x' is not a valid integer.",
    ("replay", "--gpus", "1.5"): "Invalid value for '--gpus': '1.5' is not a valid integer.",
    ("replay", "--load", "much"): "Invalid value for '--load': 'much' is not a valid float.",
    ("replay", "a.csv", "b.csv"): "Got unexpected extra argument (b.csv)",
    ("policy", "show"): "Missing argument 'NAME'.",
    ("policy", "list", "extra"): "Got unexpected extra argument (extra)",
}


@pytest.mark.parametrize("argv", MISTAKES, ids=" ".join)
def test_a_usage_error_is_one_line(refused, argv):
    # click may add the nearest options, and set a name off, in a form that depends on its version.
    said = refused(*argv)
    if "No such option" in said:
        said = said.replace("'", "").replace("option:", "option")
    assert said.startswith(MISTAKES[argv])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--gpus", "0"), "--gpus must be at least 1, got 0"),
        (("--max-batch", "0"), "--max-batch must be at least 1, got 0"),
        (("--max-concurrency", "0"), "--max-concurrency must be at least 1, got 0"),
        (("--limit", "0"), "--limit must be at least 1, got 0"),
        (("--seed", "-1"), "--seed must be at least 0, got -1"),
        (("--load", "0"), "--load must be > 0 and finite, got 0.0"),
        (("--load", "-1"), "--load must be > 0 and finite, got -1.0"),
        (("--load", "nan"), "--load must be > 0 and finite, got nan"),
        (("--load", "inf"), "--load must be > 0 and finite, got inf"),
        (("--rate-scale", "0"), "--rate-scale must be > 0 and finite, got 0.0"),
        (("--warmup", "-1"), "--warmup must be >= 0 and finite, got -1.0"),
        (("--warmup", "nan"), "--warmup must be >= 0 and finite, got nan"),
        (("--drop", "expird"), "options: unknown drop mode 'expird'; did you mean 'expired'?"),
        (("--drop", ""), "options: unknown drop mode ''; known: expired, infeasible, never"),
    ],
    ids=" ".join,
)
def test_an_impossible_value_is_one_line(refused, option, message):
    assert refused("replay", *option) == message


def test_an_unknown_device_model_is_named_with_the_nearest(refused):
    assert refused("replay", "--device-model", "stream") == "unknown device model 'stream'; did you mean 'streams'?"


def test_an_unknown_profile_is_named(refused):
    known = "known: a100-80gb-parvagpu, asymmetric-six, h200-fp16, h200-fp16-served, rtx3080-disb"
    assert refused("replay", "--profile", "h100") == f"h100: neither a file nor a bundled profile; {known}"
    hint = "did you mean 'rtx3080-disb'?"
    assert refused("replay", "--profile", "rtx3080").endswith(hint)


def test_an_unknown_trace_format_is_named_with_the_nearest(refused):
    assert refused("replay", "--trace-format", "cvs") == "unknown trace format 'cvs'; did you mean 'csv'?"


def test_mistakes_are_found_before_the_trace_is_read(refused):
    for option in (("--device-model", "x"), ("--policy", "x"), ("--profile", "x"), ("--workload", "x.toml")):
        assert "absent.csv" not in refused("replay", "absent.csv", *option)


def test_a_warmup_that_leaves_nothing_is_refused_before_anything_runs(refused, policy_file):
    policy = policy_file(prepare="raise RuntimeError('it ran')")
    line = refused("replay", "--limit", 50, "--policy", policy, "--warmup", 1e6)
    assert line.startswith("warmup 1e+06 s leaves nothing to measure")


def test_a_group_alone_shows_its_help(call):
    for argv in ((), ("trace",), ("policy",), ("profile",)):
        alone, asked = call(*argv), call(*argv, "--help")
        assert alone == asked
        assert alone.status == 0
        assert alone.err == ""
        assert "Commands:" in alone.out


def test_the_traceback_is_there_for_who_asks(call, monkeypatch):
    monkeypatch.setenv("STRATSIM_DEBUG", "1")
    with pytest.raises(ValueError, match="--gpus must be at least 1"):
        call("replay", "--gpus", 0)


def process(*argv, **options):
    code = f"import sys; from stratsim.cli import main; sys.exit(main({list(argv)!r}))"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False, **options)


@pytest.mark.slow
def test_a_closed_pipe_is_no_failure(here):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        ran = process("policy", "list", stdout=pipe)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(here):
    with Path("/dev/full").open("w") as full:
        ran = process("policy", "list", stdout=full)
    assert (ran.returncode, ran.stderr) == (2, "stratsim: [Errno 28] No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_output_may_be_closed(here):
    code = "import sys; from stratsim.cli import main; sys.exit(main(['policy', 'list']))"
    ran = subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_shell_completion_works(here):
    environment = {**os.environ, "_STRATSIM_COMPLETE": "bash_complete", "COMP_WORDS": "stratsim rep", "COMP_CWORD": "1"}
    ran = process(env=environment, stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stdout.strip()) == (0, "plain,replay\nplain,report")
