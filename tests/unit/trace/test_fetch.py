"""Fetching public files; the tests stay on this machine."""

import hashlib
import re
from dataclasses import replace

import pytest

from stratsim.errors import OutputError, SpecError
from stratsim.trace.fetch import PUBLIC, Download, fetch, find

CONTENT = b"arrival_s\n0\n1\n"


@pytest.fixture
def download(tmp_path):
    source = tmp_path / "served" / "trace.csv"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Download(source.as_uri(), digest, len(CONTENT), "two requests", "CC0-1.0", "here @ 0000000")


def test_a_fetched_file_is_what_was_served(download, tmp_path):
    fetch(download, tmp_path / "got.csv")
    assert (tmp_path / "got.csv").read_bytes() == CONTENT
    assert download.filename == "trace.csv"


@pytest.mark.parametrize(
    "wrong",
    [{"sha256": "0" * 64}, {"size": len(CONTENT) + 1}, {"size": len(CONTENT) - 1}],
    ids=["sum", "short", "long"],
)
def test_another_file_is_refused_and_leaves_nothing(download, tmp_path, wrong):
    with pytest.raises(OutputError, match=r"^file://\S+: is not the expected file: sha256"):
        fetch(replace(download, **wrong), tmp_path / "got.csv")
    assert [entry.name for entry in tmp_path.iterdir()] == ["served"]


def test_an_address_that_does_not_answer(download, tmp_path):
    with pytest.raises(OutputError, match=r"^file://\S+/gone\.csv: cannot be downloaded: .*No such file"):
        fetch(replace(download, url=download.url.replace("trace", "gone")), tmp_path / "got.csv")
    assert [entry.name for entry in tmp_path.iterdir()] == ["served"]


def test_an_existing_file_is_left_alone(download, tmp_path):
    target = tmp_path / "got.csv"
    target.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        fetch(download, target)
    assert target.read_text() == "mine"
    fetch(download, target, overwrite=True)
    assert target.read_bytes() == CONTENT


def test_an_unknown_name():
    with pytest.raises(SpecError, match=r"no public trace 'azure-con'; did you mean 'azure-con[vd]"):
        find("azure-con")


def test_every_entry_is_pinned_and_licensed():
    for name, entry in PUBLIC.items():
        assert re.fullmatch(r"https://[^/]+/[^/]+/[^/]+/[0-9a-f]{40}/.+", entry.url), name
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256), name
        assert entry.size > 0
        assert entry.licence
        assert entry.source.endswith(f"@ {entry.url.split('/')[5][:7]}")
        assert find(name) is entry
    assert len({entry.sha256 for entry in PUBLIC.values()}) == len(PUBLIC)
