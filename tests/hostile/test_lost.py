"""Nothing is lost: races for one folder, kills, signals, full disks, folders that appear."""

import errno
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import stratsim
from stratsim.cli import main
from stratsim.errors import OutputError
from stratsim.results.claim import claim

SLOW = """
import time
from pathlib import Path
from stratsim.policy.queueing import Fifo

class Slow(Fifo):
    def prepare(self, setting):
        Path("begun").touch()
        time.sleep(60)
        super().prepare(setting)
"""


def forked(run):
    """Run something in a child process; return its id."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        status = run()
    finally:
        os._exit(status)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def silent(run):
    """Return a function that runs with stderr in a file, in a child."""

    def call():
        with Path(f"stderr-{os.getpid()}").open("w") as sys.stderr:
            return run()

    return call


class TestClaim:
    @pytest.mark.slow
    def test_of_four_runs_into_one_folder_one_wins(self, here):
        argv = ["replay", "--limit", "400", "--policy", "strait", "--quiet", "--out", "run"]
        children = [forked(silent(lambda: main(argv))) for _ in range(4)]
        assert sorted(ended(child) for child in children) == [0, 2, 2, 2]
        said = [path.read_text() for path in here.glob("stderr-*")]
        refused = [text for text in said if text]
        assert len(refused) == 3
        assert all(text.startswith("stratsim: run: ") and text.count("\n") == 1 for text in refused)
        assert (here / "run" / "manifest.json").is_file()
        assert [path.name for path in here.glob("run*")] == ["run"]

    def test_a_second_claim_is_refused_while_the_first_is_held(self, here):
        with claim("run"), pytest.raises(OutputError, match="run: another process is writing to it"), claim("run"):
            pass
        with claim("run"):
            pass
        assert list(here.iterdir()) == []

    def test_a_folder_that_appears_meanwhile_is_not_replaced(self, here):
        refused = r"run: exists already.*; the results are in .*run\.kept-1"
        with claim("run") as place:
            (place.folder / "manifest.json").write_text("mine")
            (here / "run").mkdir()
            (here / "run" / "theirs").write_text("theirs")
            with pytest.raises(OutputError, match=refused):
                place.publish(frozenset())
        assert (here / "run" / "theirs").read_text() == "theirs"
        assert (here / "run.kept-1" / "manifest.json").read_text() == "mine"

    def test_what_a_killed_process_left_is_taken_over(self, here):
        def killed():
            with claim("run") as place:
                (place.folder / "half").write_text("x")
                os.kill(os.getpid(), signal.SIGKILL)

        assert ended(forked(killed)) == -signal.SIGKILL
        assert (here / "run.tmp" / "half").is_file()
        with claim("run") as place:
            (place.folder / "manifest.json").write_text("whole")
            place.publish(frozenset())
        assert [path.name for path in here.iterdir()] == ["run"]
        assert [path.name for path in (here / "run").iterdir()] == ["manifest.json"]

    def test_a_folder_of_the_users_is_not_taken_for_a_leftover(self, here):
        (here / "run.tmp").mkdir()
        (here / "run.tmp" / "mine").write_text("mine")
        with pytest.raises(OutputError, match=r"run\.tmp: is in the way, and not of stratsim"), claim("run"):
            pass
        assert (here / "run.tmp" / "mine").read_text() == "mine"

    def test_a_link_in_a_leftover_is_not_followed(self, here):
        (here / "elsewhere").mkdir()
        (here / "elsewhere" / "mine").write_text("mine")
        (here / "run.tmp").mkdir()
        (here / "run.tmp" / ".being-written").touch()
        (here / "run.tmp" / "link").symlink_to(here / "elsewhere")
        with claim("run"):
            pass
        assert (here / "elsewhere" / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("number", "status", "said"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_is_said_and_leaves_nothing(here, number, status, said):
    (here / "slow.py").write_text(SLOW)

    def run():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return main(["replay", "--limit", "5", "--policy", "slow.py:Slow", "--quiet", "--out", "deep/run"])

    child = forked(silent(run))
    while not (here / "begun").exists():
        time.sleep(0.01)
    os.kill(child, number)
    assert ended(child) == status
    assert (here / f"stderr-{child}").read_text() == f"stratsim: {said}\n"
    assert not (here / "deep").exists()


@pytest.mark.slow
def test_on_a_full_disk_a_figure_does_not_stay_without_its_data(here, honest, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    assert main(["plot", str(honest), "--kind", "violations", "--out", "figure.png"]) == 2
    assert "figure.csv: cannot be written: No space left on device" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_on_a_full_disk_an_older_result_stays(here, honest, monkeypatch, capsys):
    old = shutil.copytree(honest, here / "run")
    before = {path.name: path.read_bytes() for path in old.iterdir()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("stratsim.results.claim.os.fsync", full)
    argv = ["replay", "--limit", "5", "--policy", "fifo", "--quiet", "--out", "run", "--overwrite"]
    assert main(argv) == 2
    assert "run: cannot be written: No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert [path.name for path in here.iterdir()] == ["run"]


def test_the_installation_is_not_written_to(here):
    files = [path for path in Path(stratsim.__file__).parent.rglob("*") if "__pycache__" not in path.parts]
    before = {path: path.stat().st_mtime_ns for path in files}
    assert main(["replay", "--limit", "5", "--policy", "fifo", "--quiet", "--out", "run"]) == 0
    after = [path for path in Path(stratsim.__file__).parent.rglob("*") if "__pycache__" not in path.parts]
    assert {path: path.stat().st_mtime_ns for path in after} == before


def test_a_table_that_is_cut_short_is_a_line(attack, copied):
    for name in ("requests", "batches"):
        path = copied / f"{name}.parquet"
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        found = attack("explain", copied, "--summary")
        assert found.status == 2
        assert f"{path.name}: cannot be read" in found.err
        path.write_bytes(content)


class TestAgain:
    def test_the_same_bytes(self, attack, honest):
        found = attack("replay", "--again", honest)
        assert (found.status, found.out) == (0, "the same bytes\n")

    @pytest.mark.slow
    def test_what_differs_is_said(self, attack, copied):
        manifest = json.loads((copied / "manifest.json").read_text())
        manifest["versions"]["numpy"] = "1.0"
        manifest["spec"]["load"] = 0.9
        (copied / "manifest.json").write_text(json.dumps(manifest))
        found = attack("replay", "--again", copied)
        assert found.status == 1
        lines = found.out.splitlines()
        assert lines[0].startswith("versions.numpy: was 1.0, is ")
        assert any(line.startswith("requests.parquet: column 'arrival_s' differs in ") for line in lines)
        assert lines[-1] == "not the same"

    @pytest.mark.slow
    def test_as_json(self, attack, honest):
        found = json.loads(attack("replay", "--again", honest, "--json").out)
        assert found["same"] is True
        assert set(found["files"].values()) == {"same"}

    def test_code_that_the_manifest_names_is_run_only_if_allowed(self, folder, marker, run):
        status, _, err = run("replay", "--again", folder)
        assert (status, marker.ran) == (2, False)
        assert str(marker.file) in err
        run("replay", "--again", folder, "--allow-code")
        assert marker.ran
