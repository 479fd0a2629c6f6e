"""The papers import public names of stratsim alone: they must run with the wheel, and with the next version of it."""

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "experiments"
FILES = sorted(HERE.rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0].startswith("stratsim"):
            yield from ((node.module, alias.name) for alias in node.names)


def test_there_are_some():
    assert {file.parent.name for file in FILES} == {"experiments", "study_1", "study_2"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HERE).as_posix())
def test_only_public_names_are_imported(path):
    for module, name in imported(path):
        public = getattr(importlib.import_module(module), "__all__", ())
        assert name in public or find_spec(f"{module}.{name}"), f"{module} has no public {name}"


def test_the_package_knows_no_role_of_a_paper():
    words = ("rival-blind", "rival_blind", "best_blind", "H1", "H2", "H3", "study_1", "study_2")
    for path in (HERE.parent / "stratsim").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text.split()], path
        assert "rival-" not in text, path
