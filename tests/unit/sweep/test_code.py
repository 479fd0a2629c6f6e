"""A sweep's rows are made anew when any code changed that they depend on: what a worker imports is hashed."""

from pathlib import Path

import pytest

import stratsim
from stratsim.sweep import code

PACKAGE = Path(stratsim.__file__).parent
SET_UP = tuple(f"sweep/{name}.py" for name in ("check", "environment", "resolve", "spec", "store"))
"""What they say is in the key of a row, or in the row."""


@pytest.mark.slow
def test_all_that_rows_depend_on_is_hashed(imported_by):
    found = [
        path.relative_to(PACKAGE) for path in imported_by(PACKAGE / "sweep" / "worker.py", {"stratsim": PACKAGE.parent})
    ]
    assert len(found) > 100
    hashed = (*code.CODE, *code.OF_NO_FIGURE, *SET_UP)
    assert [name for name in found if not any(name.is_relative_to(each) for each in hashed)] == []


def test_all_that_is_hashed_is_there():
    assert [name for name in (*code.CODE, *code.OF_NO_FIGURE) if not (PACKAGE / name).exists()] == []
