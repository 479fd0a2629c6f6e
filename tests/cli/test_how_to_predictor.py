"""The page on adding a predictor: what it shows is the file beside it, and it works."""

import ast
import re
import sys
from pathlib import Path

import pytest

from stratsim.plugins.calls import keywords_of
from stratsim.predict import make_predictor
from stratsim.testing import PREDICTOR_CHECKS

pytestmark = pytest.mark.usefixtures("_all_was_typed")

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
FILE = FOLDER / "mean_slowdown.py"
PAGE = (FOLDER / "add-a-predictor.md").read_text(encoding="utf-8")
NAME = f"{FILE}:MeanSlowdown"


def blocks():
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_shows_the_file():
    text = FILE.read_text(encoding="utf-8")
    assert blocks()[0] in text
    assert text.removesuffix(blocks()[0]).count("\n") <= 3, "the file holds more than the page shows"


def test_the_example_is_at_most_20_lines_of_code():
    tree = ast.parse(FILE.read_text(encoding="utf-8"))
    lines = {line for node in ast.walk(tree) if isinstance(node, ast.stmt) for line in [node.lineno]}
    texts = [node.body[0].lineno for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef)]
    assert 1 < len(lines - set(texts)) <= 20


@pytest.mark.parametrize("check", PREDICTOR_CHECKS, ids=lambda check: check.__name__)
def test_the_example_passes_the_conformance_suite(check):
    check(lambda: make_predictor(NAME))


@pytest.mark.parametrize("written", ["mean_slowdown.py:MeanSlowdown", "'mean_slowdown.py:MeanSlowdown(first=3)'"])
def test_a_policy_takes_it_from_the_folder_at_hand(written):
    assert keywords_of("policy", f"aware-edf(predictor={written})") == ("aware-edf", {"predictor": written.strip("'")})


def test_it_takes_parameters():
    made = make_predictor(f"{NAME}(first=3)")
    assert made.get_params() == {"first": 3}


def test_show_describes_it(call):
    ran = call("predictor", "show", NAME)
    assert ran.status == 0
    assert "slowed as its model has been" in ran.out
    assert "first  1.5" in ran.out


def test_the_test_that_the_page_shows_passes(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "mean_slowdown", raising=False)
    (shown,) = [block for block in blocks() if "check_predictor" in block]
    exec(shown, {})
    monkeypatch.delitem(sys.modules, "mean_slowdown")


def test_the_page_fits_one_screen_or_two():
    assert len(PAGE.splitlines()) < 110
