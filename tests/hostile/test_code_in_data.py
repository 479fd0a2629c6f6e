"""Data is never code: no command that reads a file imports what the file names, and those that run code say how."""

import hashlib
import json

import click
import pytest

from stratsim import plugins
from stratsim.cli import cli
from stratsim.errors import CodeRefusedError
from stratsim.plugins import allow_code, check_allowed
from stratsim_plots.figure import KINDS

PLOTS = [["plot", "{folder}", "--kind", kind, "--out", "{tmp}/figure.png"] for kind in KINDS]

WALK = {
    "replay": [
        ["replay", "--profile", "{profile}", "--limit", 20],
        ["replay", "--profile", "{profile}", "--limit", 20, "--gpus", 2, "--groups", 2, "--jobs", 2],
        ["replay", "--again", "{folder}"],
    ],
    "live": [["live", "--device", "cpu", "--profile", "{profile}", "--limit", 5]],
    "fidelity report": [["fidelity", "{folder}"], ["fidelity", "report", "{folder}", "--profile", "{profile}"]],
    "fidelity run": [["fidelity", "run", "grid.toml", "--profile", "{profile}", "--out", "{tmp}/grid"]],
    "fidelity observe": [["fidelity", "observe", "{samples}"]],
    "fidelity replay": [["fidelity", "replay", "{samples}", "--profile", "{profile}", "--policy", "fifo"]],
    "fidelity calibrate": [
        ["fidelity", "calibrate", "{folder}", "--out", "{tmp}/c.json"],
        ["fidelity", "calibrate", "{folder}", "--out", "{tmp}/c.json", "--learn", 0.5],
        ["fidelity", "calibrate", "{folder}", "--profile", "{profile}", "--out", "{tmp}/c.json", "--latencies"],
    ],
    "fidelity again": [["fidelity", "again", "{folder}", "--learn-from", "{honest}"]],
    "compare": [["compare", "{folder}"], ["compare", "{folder}", "{honest}", "--json"]],
    "capacity": [
        ["capacity", "--profile", "{profile}", "--target", "high=1%", "--limit", 50],
        ["capacity", "--profile", "{profile}", "--target", "p99=1s", "--limit", 50, "--rate", 9, "--gpus", "1,2"],
    ],
    "explain": [
        ["explain", "{folder}", "--summary"],
        ["explain", "{folder}", "--worst", 3, "--json"],
        ["explain", "{folder}", "--request", 1],
    ],
    "report": [["report", "{folder}", "--out", "{tmp}/page.html"]],
    "plot": PLOTS,
    "compile": [["compile", "--list"]],
    "profile list": [["profile", "list"]],
    "profile show": [["profile", "show", "{profile}"], ["profile", "show", "{profile}", "--json"]],
    "profile new": [["profile", "new", "--like", "{profile}", "--out", "{tmp}/n.json"]],
    "profile schema": [["profile", "schema"]],
    "profile pairs": [["profile", "pairs", "{profile}", "--out", "{tmp}/pairs.json"]],
    "profile import": [
        ["profile", "import", "nsys", "{samples}", "--model", "m", "--into", "{profile}", "--out", "{tmp}/i.json"],
        ["profile", "import", "pairs", "{samples}", "--into", "{profile}", "--out", "{tmp}/i.json"],
    ],
    "profile pad": [["profile", "pad", "{profile}", "--batches", "1,4", "--out", "{tmp}/pad.json"]],
    "profile compare": [["profile", "compare", "{profile}", "rtx3080-disb"]],
    "profile run": [["profile", "run", "--device", "cpu", "--samples", "{samples}", "--out", "{tmp}/p.json"]],
    "profile fit": [
        ["profile", "fit", "{samples}", "--out", "{tmp}/fitted.json"],
        ["profile", "fit", "--pairs", "{profile}", "--out", "{tmp}/fitted.json"],
    ],
    "profile check": [
        ["profile", "check", "{profile}", "{samples}"],
        ["profile", "check", "h200-fp16", "{samples}"],
        ["profile", "check", "{profile}"],
    ],
    "profile bundle": [["profile", "bundle", "{profile}", "{samples}", "--out", "{tmp}/b.zip"]],
    "device list": [["device", "list", "--profile", "{profile}"]],
    "device show": [["device", "show", "streams"]],
    "device score": [["device", "score", "{profile}"]],
    "policy list": [["policy", "list"]],
    "policy show": [["policy", "show", "fifo"]],
    "predictor list": [["predictor", "list"]],
    "predictor show": [["predictor", "show", "rls"]],
    "predictor score": [["predictor", "score", "{profile}"]],
    "topology list": [["topology", "list"]],
    "topology show": [["topology", "show", "8x-h800"]],
    "trace inspect": [["trace", "inspect", "default", "--profile", "{profile}"]],
    "trace convert": [["trace", "convert", "default", "{tmp}/t.csv", "--profile", "{profile}"]],
    "trace generate": [["trace", "generate", "-n", 5, "--profile", "{profile}", "--out", "{tmp}/g.csv"]],
    "trace fetch": [],  # it reads nothing but what it loads down, and checks that by its checksum
    "validate": [["validate", "--list"]],
}
"""What each command is given to read. A new command needs a line: this list is held against the commands there are."""

SWEEPS = ("experiment", "sweep")


def leaves(group, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name))


def test_the_walk_has_every_command():
    assert set(WALK) == {leaf for leaf in leaves(cli) if not leaf.startswith(SWEEPS)}


@pytest.mark.slow_cases(
    "compare {folder}",
    "compare {folder} {honest} --json",
    "plot {folder} --kind latency-ccdf --out {tmp}/figure.png",
    "plot {folder} --kind latency-cdf --out {tmp}/figure.png",
    "plot {folder} --kind latency-parts --out {tmp}/figure.png",
    "plot {folder} --kind over-time --out {tmp}/figure.png",
    "plot {folder} --kind timeline --out {tmp}/figure.png",
    "profile fit {samples} --out {tmp}/fitted.json",
    "report {folder} --out {tmp}/page.html",
)
@pytest.mark.parametrize(
    "argv", [argv for each in WALK.values() for argv in each], ids=lambda argv: " ".join(map(str, argv))
)
def test_no_command_imports_what_a_file_names(run, argv, folder, honest, profile, samples, tmp_path, marker):
    (tmp_path / "grid.toml").write_text(
        'title = "x"\nprofile = "rtx3080-disb"\ndevice = "cpu"\npolicies = ["fifo"]\nloads = [0.5]\nseconds = 2\n'
    )
    names = {"folder": folder, "honest": honest, "profile": profile, "samples": samples, "tmp": tmp_path}
    status, _, err = run(*(str(arg).format(**names) for arg in argv))
    assert not marker.ran
    assert status in (0, 1, 2)
    assert "Traceback" not in err


def test_explain_says_what_it_does_without(run, folder, marker):
    status, _, err = run("explain", folder, "--worst", 1)
    assert status == 0
    assert f"note: the device model of this run is code in a file ({marker('M')}), which is not run" in err


def test_the_refusal_of_a_profile_says_the_way_out(run, profile, marker):
    status, _, err = run("replay", "--profile", profile, "--limit", 20)
    assert status == 2
    assert err.startswith(f"stratsim: device model '{marker('M')}' is code in a file, and it was not you who named it")
    assert f"--device-model {marker('M')}" in err


def test_the_way_out_works(run, profile, marker):
    status, _, _ = run("replay", "--profile", profile, "--device-model", marker("M"), "--limit", 20, "--quiet")
    assert status == 0
    assert marker.ran


def test_what_one_command_may_run_the_next_may_not(run, profile, marker):
    assert run("replay", "--profile", profile, "--device-model", marker("M"), "--limit", 5)[0] == 0
    assert run("replay", "--profile", profile, "--limit", 5)[0] == 2


@pytest.mark.slow
def test_a_policy_that_is_typed_runs_in_processes_too(run, marker):
    argv = ("replay", "--policy", marker("P"), "--limit", 20, "--gpus", 2, "--groups", 2, "--jobs", 2, "--quiet")
    assert run(*argv)[0] == 0
    assert marker.ran


def test_a_policy_in_a_file_of_settings_is_the_users_own(run, tmp_path, marker):
    (tmp_path / "settings.toml").write_text(f"policy = {json.dumps(marker('P'))}\nlimit = 20\n")
    assert run("replay", "--config", tmp_path / "settings.toml", "--quiet")[0] == 0
    assert marker.ran


def test_how_a_users_policy_stops_batches_is_read_from_the_manifest(run, honest, marker):
    manifest = json.loads((honest / "manifest.json").read_text())
    assert manifest["preemption"] == {"preempt-kernel": {"halts": False, "overhead": 0.0}}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fifo", set()),
        ("a.py:A", {"a.py:A"}),
        ("edf(max_batch=4), a.py:A(x=1),b.py:B", {"a.py:A", "b.py:B"}),
        ("strait(belief=a.py:A)", {"a.py:A"}),
        ("strait(belief='a.py:A(x=1)')", {"a.py:A"}),
        ("strait(belief='outer(inner=\"a.py:A\")')", {"a.py:A"}),
        ("a.py:A(", set()),
        ("(" * 5000, set()),
        ("f(x=" + "[" * 5000 + ")", set()),
    ],
)
def test_the_files_that_a_text_names(text, names):
    assert set(plugins.code_files(text)) == names


def test_only_what_was_typed_is_allowed(tmp_path):
    allow_code({"policies": ["fifo", f"{tmp_path}/a.py:A"], "seeds": 3})
    check_allowed("policy", f"{tmp_path}/a.py:A")
    check_allowed("policy", f"{tmp_path}/./b/../a.py:A")
    for other in (f"{tmp_path}/a.py:B", f"{tmp_path}/b.py:A", "a.py:A"):
        with pytest.raises(CodeRefusedError):
            check_allowed("policy", other)


@pytest.mark.slow
def test_repeating_a_run_says_which_of_its_files_is_another_one(run, tmp_path, marker):
    (tmp_path / "rule.toml").write_text("[priority]\nhigh_share = 0.5\n")
    replayed = ("replay", "--limit", "5", "--policy", marker("P"), "--workload", "rule.toml", "--quiet", "--out", "own")
    assert run(*replayed)[0] == 0
    files = json.loads((tmp_path / "own" / "manifest.json").read_text())["files"]
    assert files == {
        str(name): hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in (marker.file, "rule.toml")
    }
    status, out, err = run("replay", "--again", "own", "--allow-code")
    assert (status, "files" in out + err) == (0, False)
    for changed in (marker.file, tmp_path / "rule.toml"):
        changed.write_text(changed.read_text() + "\n# another one\n")
    said = "".join(run("replay", "--again", "own", "--allow-code")[1:])
    assert f"files.{marker.file}: was " in said
    assert "files.rule.toml: was " in said
