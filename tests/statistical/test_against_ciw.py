"""The same queues in another simulator, Ciw: the validation's checks, with fewer replications."""

import pytest

from stratsim.validate import Setting, Status, plan, validate
from stratsim.validate.suites import ciw


@pytest.mark.parametrize(
    "check", plan({"ciw": ciw.CHECKS}), ids=lambda planned: planned.check.claims[0].name.partition(":")[0]
)
def test_both_simulators_agree(check):
    for case in validate([check], Setting(quick=True)).cases:
        assert case.status is Status.PASSED, case


def test_the_paths_do_queue():
    """Agreement over requests that never wait would say nothing."""
    (case, *_) = validate(plan({"ciw": ciw.CHECKS}, "*path by path*4000*"), Setting()).cases
    share = int(case.reason.partition("%")[0])
    assert share > 20
