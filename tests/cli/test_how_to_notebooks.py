"""The page on notebooks: every block runs, in its order, and the README's example is one of that kind."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "notebooks.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_page_runs(here, capsys):
    pytest.importorskip("pyarrow")
    names = {}
    for block in BLOCK.findall(PAGE):
        exec(compile(block, "notebooks.md", "exec"), names)
    out = capsys.readouterr().out
    assert "priority-edf 2000" in out
    assert list(names["runs"]) == ["edf", "ShortestFirst"]
    assert names["requests"]["policy"].tolist() == ["edf"] * 2000 + ["priority-edf"] * 2000


@pytest.mark.slow
def test_the_files_of_the_page_can_be_read_as_it_says(here, call):
    pytest.importorskip("pyarrow")
    assert call("replay", "--policy", "edf", "--limit", 100, "--out", "results/first").status == 0
    sweep = '[base]\npolicy = "edf"\nlimit = 100\n[axes]\nload = [0.5, 0.9]\n[sweep]\nseeds = [1]\n'
    (here / "loads.toml").write_text(f'title = "loads"\n{sweep}', encoding="utf-8")
    assert call("sweep", "run", "loads.toml", "--out", "results/loads", "--quiet").status == 0
    names = {}
    lines = BLOCK.findall(PAGE)[-1].replace("# s", "s")
    for line in lines.splitlines():
        exec(re.sub(r"(?<=[\])]) {2,}.*", "", line), names)
    assert len(names["stored"].requests()) == 100
    assert names["sweep"].to_pandas()["load"].tolist() == [0.5, 0.9]


def test_the_readme_prints_the_share_of_violations(capsys):
    (block,) = [block for block in BLOCK.findall(README) if "simulate(" in block]
    exec(compile(block, "README.md", "exec"), {})
    assert 0 < float(capsys.readouterr().out) < 0.1


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / "how-to" / target).is_file(), target
