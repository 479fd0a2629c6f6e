"""Runs the command line inside this process, in an empty folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from stratsim.cli import main

if TYPE_CHECKING:
    from pathlib import Path

_NEWEST_FIRST = """
from stratsim.policy import Drop, Policy, Start

class Mine(Policy):
    def prepare(self, setting):
        {prepare}

    def on_arrival(self, request, view):
        self.waiting.append(request)

    def decide(self, view):
        {decide}
"""
_SERVE = "while self.waiting and (gpu := view.least_loaded()): yield Start((self.waiting.pop(),), gpu.id)"


@dataclass(frozen=True)
class Ran:
    """What one call of the command line left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON object on stdout."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is no JSON")

        return json.loads(self.out, parse_constant=refuse)

    @property
    def runs(self) -> dict[str, Any]:
        """The runs of the JSON object, by policy."""
        return {run["policy"]: run for run in self.document["runs"]}


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(here, capsys):
    """Run the command line; return status and output."""

    def run(*argv: object) -> Ran:
        capsys.readouterr()
        status = main([str(arg) for arg in argv])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.fixture
def replay(call):
    """Replay to the end; return the run, whose document is the JSON object."""

    def run(*argv: object) -> Ran:
        ran = call("replay", "--json", *argv)
        assert (ran.status, "") == (0, "" if ran.out else ran.err)
        return ran

    return run


@pytest.fixture
def refused(call, here):
    """Run something that must fail as every bad input does; return the one line that says why."""

    def run(*argv: object, status: int = 2) -> str:
        before = tree(here.parent)
        ran = call(*argv)
        assert ran.status == status, ran
        assert ran.out == ""
        assert ran.err.startswith("stratsim: ")
        assert ran.err.count("\n") == 1
        assert ran.err.endswith("\n")
        assert "Traceback" not in ran.err
        assert tree(here.parent) == before, "something was left behind"
        return ran.err.removeprefix("stratsim: ").rstrip("\n")

    return run


@pytest.fixture
def write(here):
    """Write a file into the working directory; return its name."""

    def run(name: str, content: str | bytes) -> str:
        data = content.encode() if isinstance(content, str) else content
        (here / name).write_bytes(data)
        return name

    return run


@pytest.fixture
def policy_file(write):
    """Write a policy of three methods; return how to name it on the command line."""

    def run(name: str = "mine.py", *, prepare: str = "self.waiting = []", decide: str = _SERVE) -> str:
        return write(name, _NEWEST_FIRST.format(prepare=prepare, decide=decide)) + ":Mine"

    return run


@pytest.fixture
def closed_loop():
    """Make a DISB workload: one periodic high-priority client beside one closed-loop low-priority one."""

    def run(time: float = 2.0, frequency: float = 100.0) -> str:
        clients = {
            "vgg19_rt": ("vgg19-imagenet", {"type": "periodic", "frequency": frequency}),
            "resnet152_be": ("resnet152-imagenet", {"type": "continuous"}),
        }
        tasks = [
            {"id": name, "load": load, "client": {"name": name, "model_name": model, "batch_size": 1}}
            for name, (model, load) in clients.items()
        ]
        return json.dumps({"time": time, "tasks": tasks})

    return run
