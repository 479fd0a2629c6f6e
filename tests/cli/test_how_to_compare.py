"""The page on comparing policies: its commands exist, and the way it shows leads from a trace to figures."""

import re
import shlex
from pathlib import Path

import pytest

from stratsim.cli import cli

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "compare-policies.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4,8}(stratsim (?:.|\\\n)+?)(?<!\\)$", PAGE, re.MULTILINE)
SHORTER = {"2000": "400", "6": "3", "2%": "20%", "high=1%": "high=5%"}


def test_every_command_of_the_page_parses():
    assert len(COMMANDS) >= 6
    for line in COMMANDS:
        name, *args = shlex.split(line.replace("\\\n", " ").replace("$seed", "1"))[1:]
        context = cli.make_context("stratsim", [name, "--help"], resilient_parsing=True)
        cli.get_command(context, name).make_context(name, list(args), parent=context, resilient_parsing=True)


@pytest.mark.slow
def test_the_way_of_the_page_leads_to_figures(call, here):
    pytest.importorskip("matplotlib")
    (here / "results").mkdir()
    for line in COMMANDS:
        words = shlex.split(line.replace("\\\n", " "))[1:]
        words = [SHORTER.get(word, word) for word in words]
        if "results/seed-*" in words:
            at = words.index("results/seed-*")
            words[at : at + 1] = [f"results/seed-{seed}" for seed in (1, 2, 3)]
        for seed in (1, 2, 3) if "$seed" in line else (0,):
            ran = call(*(word.replace("$seed", str(seed)) for word in words))
            assert ran.status == 0, ran.err
    assert {"differences", "equity", "capacity"} == {path.stem for path in here.glob("*.pdf")}
    assert {path.stem for path in here.glob("*.csv")} == {"differences", "equity", "capacity"}
