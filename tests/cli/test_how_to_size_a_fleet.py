"""The page on the number of GPUs: its commands, in their order, lead from the tools' files to new configurations."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stratsim.policy.triton.config import read_repository

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (DOCS / "size-a-fleet.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}((?:stratsim|python) .+)$", PAGE, re.MULTILINE)
SHORTER = {
    "1..6": "3,4",
    "2..5": "3,4",
    "2,3": "2",
    "edf,strait,triton(repository=models)": "edf,triton(repository=models)",
}
SHORTER |= {"max_concurrency=1,2,4": "max_concurrency=2,4", "delay=0,0.002,0.005": "delay=0,0.005"}
"""Fewer numbers of GPUs, policies and settings; seeds too."""


@pytest.mark.slow
def test_every_command_of_the_page_runs_and_the_configurations_are_there(call, here):
    pytest.importorskip("matplotlib")
    (here / "size_a_fleet.py").write_text((DOCS / "size_a_fleet.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert len(COMMANDS) == 7
    for line in COMMANDS:
        program, *words = shlex.split(line)
        if program == "python":
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
            continue
        words = [SHORTER.get(word, word) for word in words]
        if "--seeds" in words:
            words[words.index("--seeds") + 1] = "2"
            words += ["--limit", "1500"]
        ran = call(*words)
        assert ran.status == 0, ran.err
    assert (here / "sizes.png").is_file()
    document = json.loads((here / "sizes.json").read_text())
    assert (document["rate_of"], len(document["fleets"]), document["seeds"]) == ("trace", 2, [0, 1])
    assert len(json.loads((here / "fleet.json").read_text())["observable"]["models"]) == 12
    before, after = (read_repository(here / name).configs for name in ("models", "new-models"))
    assert sorted(before) == sorted(after)
    delay_s = {config.max_queue_delay_s for config in after.values()}
    assert delay_s == {0.005}
    assert {config.max_queue_delay_s for config in before.values()} == {0.0}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (DOCS / target).is_file(), target
