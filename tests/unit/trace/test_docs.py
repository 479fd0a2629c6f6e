"""What docs/traces.md shows is what stratsim takes."""

import re
from pathlib import Path

import pytest

from stratsim.trace import formats, read_trace
from stratsim.trace.headers import NUMBERS, TEXTS
from stratsim.trace.spec import load_rule

TEXT = (Path(__file__).parents[3] / "docs" / "traces.md").read_text(encoding="utf-8")
BLOCKS = [
    "\n".join(line[4:] for line in block.splitlines())
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)
]
RULES = [block for block in BLOCKS if re.search(r"^\[\w+\]$", block, re.MULTILINE)]


def test_there_are_examples():
    assert len(RULES) == 4


@pytest.mark.parametrize("block", RULES)
def test_every_rule_loads(write, block):
    load_rule(write(block, "rule.toml"))


def test_the_client_files_load(write):
    closed, one_at_a_time = (read_trace(write(block, "c.json")) for block in BLOCKS if "stratsim-clients" in block)
    assert len(closed.closed_loop) == len(closed) == 2
    assert [spec.id for spec in one_at_a_time.one_at_a_time] == ["camera"]
    assert len(one_at_a_time) == 3


def test_every_format_and_column_is_described():
    for name in [*formats(), *NUMBERS, *(name for name in TEXTS if name != "policy")]:
        assert f"`{name}`" in TEXT


def test_the_python_example_runs(monkeypatch, write):
    (block,) = (block for block in BLOCKS if "import read_trace" in block)
    path = write("TIMESTAMP,ContextTokens\n2023-11-16 00:00:01,1\n2023-11-16 00:00:02,2\n", "azure-code.csv")
    monkeypatch.chdir(path.parent)
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["workload"]) == 2
