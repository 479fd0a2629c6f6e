"""Data as somebody could send it who means harm, and the command line that is to read it."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import pkgutil
import random
import re
import resource
import shlex
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import stratsim
import stratsim_plots
import stratsim_profiler
from stratsim import bundled
from stratsim.cli import main

MARKER = """
import os, pathlib
pathlib.Path({mark!r}).write_text("the code ran")
from stratsim.policy.queueing import Fifo
class P(Fifo):
    pass
from stratsim.device.execution.simple import Exclusive
class M(Exclusive):
    pass
def make():
    raise RuntimeError("the factory was called")
"""
"""A module of a policy, a device model and a factory of models, whose import leaves a file."""


class Marker:
    """A module that nobody may import, and whether somebody did."""

    def __init__(self, folder):
        self.file = folder / "marker.py"
        self.mark = folder / "the-code-ran"
        self.file.write_text(MARKER.format(mark=str(self.mark)))

    @property
    def ran(self):
        return self.mark.exists()

    def __call__(self, attribute):
        return f"{self.file}:{attribute}"


@pytest.fixture
def marker(tmp_path):
    return Marker(tmp_path)


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run the command line; return its status, what it printed and what it said."""
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        capfd.readouterr()
        status = main([str(arg) for arg in argv])
        out, err = capfd.readouterr()
        return status, out, err

    return call


@pytest.fixture(scope="session")
def honest(tmp_path_factory):
    """A result folder of two policies, one of which preempts, as `replay` writes it."""
    folder = tmp_path_factory.mktemp("honest") / "run"
    assert main(["replay", "--limit", "60", "--policy", "fifo,preempt-kernel", "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def copied(honest, tmp_path):
    """A copy of that folder, to be changed."""
    return shutil.copytree(honest, tmp_path / "run")


@pytest.fixture
def folder(copied, marker):
    """The folder, with the device model and a policy that name the marker."""
    rename(copied, "fifo", marker("P"))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["spec"] |= {"device_model": marker("M"), "policy": marker("P")}
    (copied / "manifest.json").write_text(json.dumps(manifest))
    return copied


def rename(folder, old, new):
    """Call a policy otherwise, everywhere in a result folder."""
    summary = (folder / "summary.json").read_text().replace(json.dumps(old), json.dumps(new))
    (folder / "summary.json").write_text(summary)
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        policies = pa.array([new if policy == old else policy for policy in table["policy"].to_pylist()])
        at = table.schema.get_field_index("policy")
        pq.write_table(table.set_column(at, "policy", policies.dictionary_encode()), path)


@pytest.fixture
def profile(tmp_path, marker):
    """A profile whose device model and a model of which name the marker."""
    data = json.loads(bundled.names("profiles")["rtx3080-disb"].read_text())
    data["device_model"] = marker("M")
    first = next(iter(data["observable"]["models"]))
    text = json.dumps(data).replace(json.dumps(first), json.dumps(marker("make")))
    (tmp_path / "profile.json").write_text(text)
    return tmp_path / "profile.json"


@pytest.fixture
def samples(tmp_path, marker):
    """Raw samples of a model that names the marker."""
    source = bundled.names("profiles")["h200-fp16"].with_name("h200-fp16.other-card.samples.jsonl.gz")
    text = gzip.decompress(source.read_bytes()).decode().replace('"resnet50"', json.dumps(marker("make")))
    assert str(marker.file) in text
    (tmp_path / "samples.jsonl").write_text(text)
    return tmp_path / "samples.jsonl"


# Attacks --------------------------------------------------------------------------------------------------------------

EXAMPLES = int(os.environ.get("STRATSIM_HOSTILE", "0"))
"""How many examples of each kind a long run tries (`make test-hostile`); 0: a short run, seconds in all."""
SECONDS = 20
"""How much time of a processor one command may take: all inputs are small, or must be refused."""
WAITING = 9
"""How many times as long it may last, beside others on a busy machine."""
ROOM_BYTES = 3 << 29
"""How much memory it may take beyond what the process has when it begins."""
ACTIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What does something to a terminal; line ends and tabs are ours."""


class Outcome(NamedTuple):
    """What one command did."""

    argv: list[str]
    status: int
    out: str
    err: str

    def check(self):
        """Hold it against what is promised of every input."""
        said = f"{shlex.join(self.argv)}\nexit status {self.status}\n{self.out[-1000:]}\n{self.err[-3000:]}"
        assert self.status not in (-signal.SIGALRM, -signal.SIGKILL, -signal.SIGXCPU), f"not finished: {said}"
        assert self.status in (0, 1, 2), said
        assert "Traceback" not in self.err, said
        assert not ACTIVE.search(self.out + self.err), f"active characters: {said}"
        if self.status == 2:
            lines = [line for line in self.err.splitlines() if line.startswith("stratsim: ")]
            assert len(lines) == 1, said


@pytest.fixture
def attack(tmp_path):
    """Run the command line in a child with limits of time and memory, in an empty folder; return its outcome."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)

    def call(*argv, check=True):
        arguments = [str(arg) for arg in argv]
        found = Outcome(arguments, *_forked(arguments, here))
        if check:
            found.check()
        return found

    return call


def _forked(argv, folder):
    """Run it in a fork, as that has everything imported already."""
    with TemporaryFile() as out, TemporaryFile() as err:
        child = os.fork()
        if not child:
            _child(argv, folder, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 22).decode("utf-8", "surrogateescape"))
        return os.waitstatus_to_exitcode(status), *texts


def _child(argv, folder, out, err):
    status = 99
    try:
        os.chdir(folder)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS * WAITING)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28,) * 2)
        os.environ["STRATSIM_MEMORY"] = "512M"
        status = main(argv)
    except BaseException:  # noqa: BLE001 (it is what is looked for)
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def pytest_generate_tests(metafunc):
    """Give a test its cases: all of them in a long run, so many of them, always the same, in a short one."""
    mark = metafunc.definition.get_closest_marker("cases")
    if mark is not None:
        cases, count = list(mark.args[0]), mark.args[1]
        chosen = random.Random(EXAMPLES).sample(cases, min(max(count, 10 * EXAMPLES), len(cases)))
        metafunc.parametrize("case", chosen, ids=[" | ".join(map(str, case))[:80] for case in chosen])


@pytest.fixture(scope="session", autouse=True)
def _imported():
    """Import everything before there are forks, which would each do it anew."""
    for package in (stratsim, stratsim_plots, stratsim_profiler):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                with suppress(ImportError):
                    importlib.import_module(module.name)


@pytest.fixture(scope="session")
def examples():
    """Settings of hypothesis: many examples in a long run, few and always the same ones in a short one."""
    return hypothesis.settings(
        max_examples=EXAMPLES or 5,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],  # an example is a line: there is little to shrink, and it takes long
    )
