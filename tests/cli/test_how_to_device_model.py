"""The page on adding a device model: what it shows is the file beside it, and it works."""

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("_all_was_typed")

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
FILE = FOLDER / "half.py"
BLOCKS = re.findall(r"```python\n(.*?)```", (FOLDER / "add-a-device-model.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_shows_the_file():
    text = FILE.read_text(encoding="utf-8")
    assert BLOCKS[0] in text
    assert text.removesuffix(BLOCKS[0]).count("\n") <= 2, "the file holds more than the page shows"


def test_the_test_that_the_page_shows_passes(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "half", raising=False)
    exec(BLOCKS[1], {})
    monkeypatch.delitem(sys.modules, "half")


def test_a_larger_factor_slows_executions_more_and_never_below_the_solo_time(replay):
    slowed = [
        replay("--policy", "fifo", "--limit", 300, "--device-model", f"{FILE}:Half(factor={factor})").runs["fifo"]
        for factor in (1, 2, 4)
    ]
    means = [run["gpu"][0]["mean_slowdown"] for run in slowed]
    assert means[0] == pytest.approx(1.0)
    assert means[0] < means[1] < means[2]
