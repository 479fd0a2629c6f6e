"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from stratsim.errors import OutputError
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.write import check_out, clear_unfinished, write_profile, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_utf_8_and_nothing_else_is_left(tmp_path):
    write_text("größer\n", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == "größer\n".encode()
    assert names(tmp_path) == ["a.txt"]


def test_a_file_is_replaced_only_when_asked_to(tmp_path):
    out = tmp_path / "a.txt"
    out.write_text("old")
    with pytest.raises(OutputError, match=r"a\.txt: exists already; --overwrite replaces it"):
        write_text("new", out)
    assert out.read_text() == "old"
    write_text("new", out, overwrite=True)
    assert out.read_text() == "new"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "is a directory"),
        ("file/a.txt", "file: '.*file' is not a folder"),
        ("file/deep/a.txt", "deep: '.*file' is not a folder"),
    ],
)
def test_places_that_cannot_be_meant_are_refused_before_any_work(tmp_path, out, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=message):
        check_out(tmp_path / out, overwrite=True)
    assert names(tmp_path) == ["file"]


def test_folders_are_made_only_with_the_file(tmp_path):
    out = tmp_path / "some" / "where" / "a.txt"
    check_out(out)
    assert names(tmp_path) == []
    write_text("text", out)
    assert out.read_text() == "text"


def test_a_disk_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    out = tmp_path / "a.txt"
    out.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written: No space left on device"):
        write_text("new", out, overwrite=True)
    assert out.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path, monkeypatch):
    out = tmp_path / "a.txt"
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda *_: None)
        killed.setattr(Path, "unlink", lambda *_, **__: None)
        write_text("half", out)
    (tmp_path / ".a.txt.mine.tmp").write_text("mine")
    assert len(names(tmp_path)) == 2
    clear_unfinished(out)
    assert names(tmp_path) == [".a.txt.mine.tmp"]


def test_a_profile_is_written_as_dump_gives_it(tmp_path):
    profile = load_profile("rtx3080-disb")
    write_profile(profile, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == dump_profile(profile)
