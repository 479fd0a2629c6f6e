"""The page on a policy of one's own in a study: its files and commands, in their order, lead to the figure."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (DOCS / "own-policy-in-a-study.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:python|toml)\n(.*?)```", PAGE, re.DOTALL)
NAMES = ("reserved_slot.py", "test_reserved_slot.py", "reserved.toml")
COMMANDS = re.findall(r"^ {4}((?:stratsim|python) .+)$", PAGE, re.MULTILINE)


def test_the_policy_is_the_one_of_the_other_page():
    assert BLOCKS[0] == (DOCS / "reserved_slot.py").read_text(encoding="utf-8")
    assert len(BLOCKS[0].splitlines()) <= 20


@pytest.mark.slow
def test_every_command_of_the_page_runs_and_the_figure_is_there(call, here):
    pytest.importorskip("matplotlib")
    for name, block in zip(NAMES, BLOCKS, strict=True):
        assert f"`{name}`" in PAGE
        (here / name).write_text(block, encoding="utf-8")
    assert len(COMMANDS) == 7
    for line in COMMANDS:
        program, *words = shlex.split(line)
        if program == "python":
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
        else:
            ran = call(*words)
            assert ran.status == 0, ran.err
    assert {path.name for path in here.glob("reserved*.*")} >= {
        "reserved.pdf", "reserved.csv", "reserved-p99.pdf", "reserved-p99.csv",
    }  # fmt: skip
    (summary,) = json.loads((here / "results" / "reserved" / "summary.json").read_text(encoding="utf-8"))["sweeps"]
    assert {entry["seeds"] for entry in summary["cells"]} == {5}
    assert len(summary["cells"]) == 2 * 5
    high = {e["cell"]["load"]: e["mean"] for e in summary["differences"] if e["figure"] == "high_violation"}
    low = {e["cell"]["load"]: e["mean"] for e in summary["differences"] if e["figure"] == "low_violation"}
    assert (round(high[2.4], 4), round(low[2.4], 5)) == (-0.0193, 0.00972), "as the page says"


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).is_file(), target
