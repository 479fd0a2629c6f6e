"""The page on adding a policy: what it shows are the files beside it, and they work."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from stratsim.policy.registry import policy_class
from stratsim.testing import POLICY_CHECKS, check_policy

pytestmark = pytest.mark.usefixtures("_all_was_typed")

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (FOLDER / "add-a-policy.md").read_text(encoding="utf-8")
EXAMPLES = {"shortest_first.py": "ShortestFirst", "newest_first.py": "NewestFirst", "reserved_slot.py": "ReservedSlot"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_shows_the_file(name):
    linked = PAGE.index(f"({name})")
    shown = re.compile(r"```python\n(.*?)```", re.DOTALL).search(PAGE, linked)
    assert shown is not None
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert shown.group(1) in text
    assert text.removesuffix(shown.group(1)).count("\n") <= 3, "the file holds more than the page shows"


def code_lines(text):
    """Return the numbers of the lines that hold code: neither blank, nor comment, nor docstring."""
    tree = ast.parse(text)
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    texts = [scope.body[0] for scope in scopes if ast.get_docstring(scope) is not None]
    skipped = {number for node in texts for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return [n for n, line in lines if n not in skipped and line.strip() and not line.strip().startswith("#")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_at_most_20_lines_of_code(name):
    assert 1 < len(code_lines((FOLDER / name).read_text(encoding="utf-8"))) <= 20


@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_passes_the_conformance_suite(name, check):
    check(policy_class(f"{FOLDER / name}:{EXAMPLES[name]}"))


def test_the_examples_replay_as_the_page_says(replay):
    policies = [f"{FOLDER / name}:{cls}" for name, cls in EXAMPLES.items()]
    runs = replay("--policy", ",".join(["edf", *policies]), "--limit", 400, "--load", 1.2).runs
    assert list(runs) == ["edf", *policies]
    arrived = {sum(each["arrived"] for each in run["classes"].values()) for run in runs.values()}
    assert arrived == {400}
    means = {name: run["classes"]["low"]["latency_s"]["mean"] for name, run in runs.items()}
    assert len(set(means.values())) == len(runs), "each policy gives a result of its own"


def test_parameters_come_for_free_as_the_page_says(replay):
    plain = f"{FOLDER / 'shortest_first.py'}:ShortestFirst"
    limited = f"{plain}(max_batch=1, drop=never)"
    assert "ShortestFirst(max_batch=4, drop=never)" in PAGE
    run = replay("--policy", limited, "--limit", 300, "--load", 1.5).runs[limited]
    assert run["gpu"][0]["mean_batch_size"] == 1.0
    assert sum(each["dropped"] for each in run["classes"].values()) == 0


def test_show_lists_an_example_as_the_page_says(call):
    ran = call("policy", "show", f"{FOLDER / 'newest_first.py'}:NewestFirst")
    assert ran.status == 0
    assert "Serve the newest request first" in ran.out
    assert "args" not in ran.out


def test_the_test_that_the_page_shows_passes():
    (shown,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "check_policy" in block]
    spec = importlib.util.spec_from_file_location("newest_first", FOLDER / "newest_first.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {"check_policy": check_policy, "NewestFirst": module.NewestFirst}
    lines = [line for line in shown.splitlines() if line and not line.startswith(("from ", "import "))]
    exec("\n".join(lines), names)  # the imports need the working directory of the page


def test_the_page_fits_one_screen_or_two():
    assert len(PAGE.splitlines()) < 130


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (FOLDER / target).is_file(), target
