"""The example of the guide runs as it stands."""

import json
import re
import textwrap
import tomllib
from pathlib import Path

import click
import pytest

from stratsim import bundled
from stratsim.cli import cli, main

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "run-an-experiment.md"


@pytest.mark.slow
def test_the_example_runs(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "sweep.toml"
    path.write_text(example)
    assert main(["sweep", "run", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    (summary,) = json.loads((tmp_path / "out" / "summary.json").read_text())["sweeps"]
    assert {entry["policy"] for entry in summary["cells"]} == {"strait", "constant", "priority-fifo"}
    assert {entry["policy"] for entry in summary["differences"]} == {"constant", "priority-fifo"}


def test_the_sweep_on_the_page_is_the_one_that_comes_along():
    page = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"\n\n((?:    .*\n|\n(?=    ))*    \[sweep\]\n(?:    .*\n|\n(?=    ))*)", page)
    data = tomllib.loads(textwrap.dedent(example))
    assert data == tomllib.loads(bundled.find("experiments", "sweep-loads").read_text(encoding="utf-8"))


def test_every_command_on_the_page_parses():
    lines = re.findall(r"^ {4}stratsim (sweep .+?)(?:\s+#.*)?$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        group, name, *args = line.split()
        command = cli.get_command(click.Context(cli), group)
        command.get_command(click.Context(command), name).make_context(name, args, resilient_parsing=True)
