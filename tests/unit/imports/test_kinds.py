"""What all kinds of files have in common."""

import os

import pytest

from stratsim.cli.profile import import_ as command
from stratsim.errors import LimitError, SpecError
from stratsim.imports import KINDS, import_measurements


def test_the_command_offers_every_kind():
    (kinds,) = [option.type.choices for option in command.import_.params if option.name == "kind"]
    assert list(kinds) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_without_a_writer_a_device_and_a_folder_are_refused_at_once(kind, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, type(pipe)("/dev/zero")):
        with pytest.raises(SpecError, match="is not a file"):
            import_measurements(kind, [path])
    with pytest.raises(SpecError, match="cannot be read: no such file"):
        import_measurements(kind, [tmp_path / "none"])


@pytest.mark.parametrize("kind", ["pairs", "model-analyzer", "nsys"])
def test_a_file_larger_than_the_memory_budget_is_refused(kind, tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    path.write_text("x" * 1_000_000)
    monkeypatch.setenv("STRATSIM_MEMORY", "1M")
    with pytest.raises(LimitError, match="STRATSIM_MEMORY"):
        import_measurements(kind, [path])
