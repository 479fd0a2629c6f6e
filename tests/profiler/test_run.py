"""`stratsim profile run`: a real run on a CPU from end to end, and what is refused before anything is measured."""

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from stratsim.cli import main
from stratsim_profiler.samples import Colocation, Done, Model, Note, Offset, Solo, Transfer
from stratsim_profiler.store import SampleFile, read_samples


def stratsim(capsys, *arguments):
    status = main(["profile", "run", *(str(part) for part in arguments)])
    return status, capsys.readouterr()


def test_the_command_is_found_by_its_entry_point():
    (found,) = entry_points(group="stratsim.profile_commands", name="run")
    assert found.value == "stratsim_profiler.cli:run"


def test_help_needs_no_torch(capsys):
    code = "import sys; from stratsim.cli import main; main(['profile', 'run', '-h']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "stratsim profile run --device cuda:0 --out my-gpu.json" in done.stdout


def test_without_torch_it_says_what_to_install(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, captured = stratsim(capsys, "--out", tmp_path / "p.json")
    assert status == 2
    assert captured.err == "stratsim: torch is not installed; it needs: pip install 'stratsim[profiler]'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "tpu"], "device 'tpu' must be cuda, cuda:INDEX, cpu or cpu:CORES"),
        (["--budget", "soon"], "'soon' is not a duration; write 90s, 10m or 1h"),
        (["--batches", "1,x"], "batch size 'x' must be a whole number"),
    ],
)
def test_bad_options_are_one_line(capsys, tmp_path, arguments, message):
    status, captured = stratsim(capsys, "--out", tmp_path / "p.json", *arguments)
    assert status == 2
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_profile_is_not_replaced_unasked(capsys, tmp_path):
    out = tmp_path / "p.json"
    out.write_text("precious")
    status, captured = stratsim(capsys, "--device", "cpu", "--out", out)
    assert (status, out.read_text()) == (2, "precious")
    assert "exists already; --overwrite replaces it" in captured.err


@pytest.mark.parametrize(("out", "message"), [("", "is a directory"), ("file/p.json", "file' is not a folder")])
def test_a_profile_that_cannot_be_written_is_refused_before_measuring(capsys, tmp_path, out, message):
    (tmp_path / "file").write_text("")
    status, captured = stratsim(capsys, "--device", "cpu", "--out", tmp_path / out)
    assert status == 2
    assert message in captured.err


ARGUMENTS = ("--device", "cpu", "--quick", "--allow-shared", "--budget", "7s", "--models", "mlp-wide,vgg-small")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run, as on a machine without the simulator's own dependencies, and its profile."""
    pytest.importorskip("torch", reason="needs torch: pip install 'stratsim[profiler]'")
    out = tmp_path_factory.mktemp("run") / "cpu.json"
    code = (
        "import sys; sys.modules.update(simpy=None, msgspec=None, rich=None); "
        "from stratsim_profiler.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "run", *ARGUMENTS, "--out", str(out)]
    return subprocess.run(command, check=False, capture_output=True, text=True), out


@pytest.mark.slow
class TestOnThisCpu:
    """One run, on the cores that there are, as short as a run can be."""

    def test_it_writes_a_profile_that_replays(self, run, capsys):
        done, out = run
        assert done.returncode == 0, done.stderr
        assert main(["replay", "--profile", str(out), "--policy", "fifo", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)

    def test_the_samples_hold_what_a_profile_needs(self, run):
        samples = read_samples(run[1].with_name("cpu.samples.jsonl"))
        assert {record.name for record in samples.of(Model)} == {"mlp-wide", "vgg-small"}
        assert {(record.model, record.batch) for record in samples.of(Solo)} == {("mlp-wide", 1), ("vgg-small", 1)}
        assert {record.direction for record in samples.of(Transfer)} == {"h2d", "d2h"}
        assert samples.of(Colocation)
        assert samples.header.device["kind"] == "cpu"
        assert samples.header.plan["request"]["models"] == ["mlp-wide", "vgg-small"]
        assert samples.header.settings["least_overlap"] == 0.98

    def test_co_locations_are_whole(self, run):
        for record in read_samples(run[1].with_name("cpu.samples.jsonl")).of(Colocation):
            for stream in record.streams:
                assert stream.overlap >= 0.98
                assert stream.solo_before_seconds
                assert stream.solo_after_seconds

    def test_a_run_goes_on_where_it_was_interrupted(self, run, capsys, tmp_path):
        before = read_samples(run[1].with_name("cpu.samples.jsonl"))
        path = tmp_path / "cut.samples.jsonl"
        SampleFile.create(path, before.header)
        essential = [record for record in before.records if not isinstance(record, Colocation | Offset | Note)]
        with SampleFile.resume(path) as file:
            for done in before.of(Done):
                if done.cell.startswith(("model", "solo", "transfer")):
                    own = [r for r in essential if getattr(r, "cell", "") == done.cell and not isinstance(r, Done)]
                    file.commit(own, Done(done.cell, 0.0))
        kept = path.read_bytes()
        status, captured = stratsim(
            capsys,
            "--device",
            "cpu",
            "--allow-shared",
            "--budget",
            "4s",
            "--samples",
            path,
            "--out",
            tmp_path / "again.json",
        )
        assert status == 0
        assert "cells are done" in captured.err
        assert path.read_bytes().startswith(kept)
        assert read_samples(path).of(Colocation)

    def test_another_runs_samples_are_not_mixed_in(self, run, capsys, tmp_path):
        path = run[1].with_name("cpu.samples.jsonl")
        status, captured = stratsim(
            capsys, "--device", "cpu", "--models", "mlp-wide", "--samples", path, "--out", tmp_path / "x.json"
        )
        assert status == 2
        assert "was measured with models ('mlp-wide', 'vgg-small'), not ('mlp-wide',)" in captured.err

    def test_a_dry_run_measures_nothing(self, run, capsys, tmp_path):
        status, captured = stratsim(capsys, *ARGUMENTS, "--dry-run", "--out", tmp_path / "x.json")
        assert status == 0
        assert "cells, about" in captured.out
        assert list(tmp_path.iterdir()) == []

    def test_it_says_what_it_does_and_how_good_the_fit_is(self, run):
        lines = run[0].stderr.splitlines()
        assert "cells, about" in lines[0]
        assert any(line.startswith("measured ") for line in lines)
        assert any("fit" in line.lower() for line in lines)
        assert f"{run[1]}: profile 'cpu'" in lines
