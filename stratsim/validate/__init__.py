"""Checks of the whole simulator: against closed forms, known answers, another simulator and published measurements.

    planned = plan(SUITES, only="closed-forms/*")
    found = validate(planned, Setting(data=None, quick=True))
    found.failed

`case` says what a claim, a check and a case are; `suites` holds them; `run` turns one into the other; `report` writes
what came out.
"""

from stratsim.validate.case import Case, Check, Claim, Findings, Setting, Status, Table
from stratsim.validate.report import check_report, write_report
from stratsim.validate.run import Planned, Validation, plan, validate
from stratsim.validate.suites import SUITES

__all__ = [
    "SUITES",
    "Case",
    "Check",
    "Claim",
    "Findings",
    "Planned",
    "Setting",
    "Status",
    "Table",
    "Validation",
    "check_report",
    "plan",
    "validate",
    "write_report",
]
