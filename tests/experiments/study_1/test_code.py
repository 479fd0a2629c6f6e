"""A run is made anew when any code changed that its rows depend on: what is imported is among what is hashed."""

import ast
from pathlib import Path

import pytest

import stratsim
from stratsim.sweep import code
from study_1.runs import KINDS
from study_1.study import HERE, JUDGES

PACKAGE = Path(stratsim.__file__).parent
OF_NO_FIGURE = ("__init__.py", "bundled.py", "errors.py", "limits.py", "notebook.py", "plugins", "version.py")
"""What finds, refuses or shows things."""


def imported(file):
    """The files that one imports when it runs."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    left_out = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in left_out:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                place = (HERE.parent if name.startswith("study_1") else PACKAGE.parent) / name.replace(".", "/")
                yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file())


def reached(file):
    found, left = set(), [file]
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            left += imported(each)
    return found


@pytest.mark.parametrize(("kind", "module"), [("cells", "cell"), ("pairs", "pairs"), ("logs", "measured")])
def test_all_that_rows_depend_on_is_hashed(kind, module):
    found = reached(HERE / f"{module}.py")
    own = {path.stem for path in found if path.parent == HERE} - {"__init__"}
    assert own == set(KINDS[kind].code)
    hashed = (*code._CODE, *JUDGES, *OF_NO_FIGURE)
    names = [path.relative_to(PACKAGE) for path in found if path.is_relative_to(PACKAGE)]
    assert len(names) > 20
    assert [name for name in names if not any(name.is_relative_to(each) for each in hashed)] == []
