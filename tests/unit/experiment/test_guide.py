"""The example of the guide runs as it stands."""

import json
import re
from pathlib import Path

import pytest

from stratsim.cli import main

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "run-an-experiment.md"


@pytest.mark.slow
def test_the_example_runs(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "study.toml"
    path.write_text(example)
    assert main(["experiment", "run", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {entry["policy"] for entry in summary["cells"]} == {"strait", "constant", "priority-fifo"}
    assert summary["strait"]["best_cell"]["against"] == "constant"
