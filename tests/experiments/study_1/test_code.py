"""A run is made anew when any code changed that its rows depend on: what is imported is among what is hashed."""

from pathlib import Path

import pytest

import stratsim
from stratsim.sweep import code
from study_1.runs import KINDS
from study_1.study import HERE, JUDGES

PACKAGE = Path(stratsim.__file__).parent


@pytest.mark.slow_cases("logs-measured")
@pytest.mark.parametrize(("kind", "module"), [("cells", "cell"), ("pairs", "pairs"), ("logs", "measured")])
def test_all_that_rows_depend_on_is_hashed(imported_by, kind, module):
    found = imported_by(HERE / f"{module}.py", {"stratsim": PACKAGE.parent, "study_1": HERE.parent})
    own = {path.stem for path in found if path.parent == HERE} - {"__init__"}
    assert own == set(KINDS[kind].code)
    of_the_package = [path.relative_to(PACKAGE) for path in found if path.is_relative_to(PACKAGE)]
    assert len(of_the_package) > 20
    hashed = (*code.CODE, *JUDGES, *code.OF_NO_FIGURE)
    assert [name for name in of_the_package if not any(name.is_relative_to(each) for each in hashed)] == []
