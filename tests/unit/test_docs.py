"""The pages of the documentation: links lead somewhere, examples run."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = [page for page in ROOT.glob("docs/**/*.md") if not {"_build", "generated"} & {*page.parts}]
PAGES = [*ROOT.glob("*.md"), *WRITTEN, *ROOT.glob("*/README.md")]
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#[^)]*)?\)")

CODE = ("stratsim", "plots", "profiler", "experiments", "benchmarks", "tests", "traces")
NAMED = re.compile(r"(?<![\w/.-])docs/[\w./-]*\.(?:md|png|py)\b")
"""A page, figure or script of the documentation as messages, docstrings and data name it."""
KEPT = {"docs/fidelity.md"}
"""Named in the provenance of a study's profiles, whose bytes belong to the keys of its rows."""
FOREIGN = re.compile(r"[\w-]/[\w-]+, docs/")
"""A file of another project: owner/repository, docs/..."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("folder", CODE)
def test_pages_that_are_named_in_code_are_there(folder):
    files = [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".toml", ".json", ".sh"}]
    lines = (line for path in files for line in path.read_text(encoding="utf-8").splitlines())
    named = {name for line in lines if not FOREIGN.search(line) for name in NAMED.findall(line)}
    assert sorted(name for name in named if name not in KEPT and not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_begins_by_saying_what_it_is_about(page):
    """In a paragraph that can be understood alone: no command, table or list, and no headline without a sentence."""
    first = page.read_text(encoding="utf-8").split("\n\n")[1]
    assert not re.match(r"    |[|#`-] |1\.|```", first)
    assert len(first.split()) >= 15 or page.stem in ("index", "README")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_read_in_one_sitting(page):
    """A page of 2,500 words takes a quarter of an hour; what is looked up, not read, may be longer."""
    if page.parent.name != "reference":
        assert len(page.read_text(encoding="utf-8").split()) <= 2500


def test_the_python_example_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [block for block in blocks if "simulate(" in block]
    exec(compile(example, "README.md", "exec"), {})  # (our own page)
    assert 0 < float(capsys.readouterr().out) < 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sessions_give_what_the_page_shows(page):
    assert doctest.testfile(str(page), module_relative=False).failed == 0


def test_every_command_in_the_readme_exists():
    """Each `stratsim ...` line of the README parses: its command and its options are known."""
    from stratsim.cli import cli

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^ {4}(?:uv run )?stratsim (.+?)(?:\s+#.*)?$", text, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        name, *args = line.split()
        context = cli.make_context("stratsim", [name, "--help"], resilient_parsing=True)
        command = cli.get_command(context, name)
        # With its parent: a command remembers the help option that its first context gives it.
        command.make_context(name, list(args), parent=context, resilient_parsing=True)
