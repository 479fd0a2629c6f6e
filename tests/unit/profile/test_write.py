"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from stratsim.errors import OutputError
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.write import check_out, write_profile, write_text


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


@pytest.mark.parametrize(("out", "message"), [(".", "is a directory"), ("absent/a.txt", "there is no directory")])
def test_places_that_cannot_be_meant_are_refused_before_any_work(tmp_path, out, message):
    with pytest.raises(OutputError, match=message):
        check_out(tmp_path / out, overwrite=True)
    assert names(tmp_path) == []


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


def test_a_profile_is_written_as_dump_gives_it(tmp_path):
    profile = load_profile("rtx3080-disb")
    write_profile(profile, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == dump_profile(profile)
