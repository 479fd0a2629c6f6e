"""The run specifications that come with stratsim: each is valid, and each is on the page."""

import pytest

from stratsim import bundled
from stratsim.experiment.spec import make_spec, read_config

NAMES = bundled.names("experiments")


def test_there_are_some():
    assert "priority-under-load" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, replay):
    path = NAMES[name]
    make_spec(read_config(path), path)
    document = replay("--config", path, "--limit", 2000).document
    assert document["manifest"]["spec"]["load"] == read_config(path)["load"]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_it(name):
    assert f"`{name}.toml`" in (bundled.folder("experiments") / "README.md").read_text(encoding="utf-8")
