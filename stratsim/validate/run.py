"""Runs the checks that were asked for and turns every claim into a case."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from stratsim.errors import SpecError, StratsimError, suggest
from stratsim.validate.case import Case, Check, Claim, Setting, Status, Table, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Planned", "Validation", "plan", "validate"]


class Planned(NamedTuple):
    """A check of a suite, and those of its claims that were asked for."""

    suite: str
    check: Check
    wanted: frozenset[str]
    """Names of the claims."""

    @property
    def title(self) -> str:
        """What to call it while it runs."""
        first = next(claim.name for claim in self.check.claims if claim.name in self.wanted)
        more = len(self.wanted) - 1
        return f"{self.suite}/{first}" + (f" (and {more} more)" if more else "")


class Validation(NamedTuple):
    """What a validation run found."""

    cases: Sequence[Case]
    tables: Sequence[Table]

    @property
    def failed(self) -> bool:
        """Whether any case failed."""
        return any(case.status is Status.FAILED for case in self.cases)


def plan(suites: Mapping[str, Sequence[Check]], only: str | None = None) -> list[Planned]:
    """Return the checks to run, in the order of the suites.

    Args:
        suites: Checks by the name of their suite.
        only: Shell pattern, in any case of letters, for `SUITE/CLAIM`; a bare suite means all of it. None: everything.

    Raises:
        SpecError: no claim matches.
    """
    chosen = [
        Planned(suite, check, wanted)
        for suite, checks in suites.items()
        for check in checks
        if (wanted := frozenset(claim.name for claim in check.claims if _matches(suite, claim, only)))
    ]
    if not chosen:
        raise SpecError(f"no validation case matches {only!r}; {suggest(str(only), suites)}")
    return chosen


def _matches(suite: str, claim: Claim, only: str | None) -> bool:
    if only is None or only == suite:
        return True
    return fnmatchcase(f"{suite}/{claim.name}".lower(), only.lower())


def validate(
    planned: Sequence[Planned], setting: Setting, progress: Callable[[int, Planned], None] | None = None
) -> Validation:
    """Run checks one after the other.

    Args:
        planned: From `plan`.
        setting: Data folder and effort.
        progress: Called before each check with the number of those done and the check.
    """
    cases: list[Case] = []
    tables: list[Table] = []
    for done, one in enumerate(planned):
        if progress is not None:
            progress(done, one)
        found, drawn = _run(one, setting)
        cases += found
        tables += drawn
    return Validation(cases, tables)


def _run(one: Planned, setting: Setting) -> tuple[list[Case], Sequence[Table]]:
    missing = _missing(one.check, setting)
    if missing:
        return list(_unmeasured(one, Status.SKIPPED, missing)), ()
    try:
        findings = one.check.measure(setting)
    except StratsimError as error:
        return list(_unmeasured(one, Status.FAILED, str(error))), ()
    remarks = findings.remarks or [""] * len(one.check.claims)
    cases = [
        judge(one.suite, claim, got, remark)
        for claim, got, remark in zip(one.check.claims, findings.values, remarks, strict=True)
        if claim.name in one.wanted
    ]
    return cases, findings.tables


def _missing(check: Check, setting: Setting) -> str:
    """Return why a check cannot run here; nothing if it can."""
    if check.blocked:
        return check.blocked
    for module in check.modules:
        if find_spec(module) is None:
            return f"needs the Python package {module}, which is not installed"
    if check.needs and all(setting.has(name) for name in check.needs):
        return ""
    if check.needs and setting.data is None:
        return f"needs the public data files ({check.needs[0]}): name their folder with --data or STRATSIM_DATA"
    absent = [name for name in check.needs if setting.data is not None and not (setting.data / name).exists()]
    return f"{setting.data} has no {absent[0]}" if absent else ""


def _unmeasured(one: Planned, status: Status, reason: str) -> Iterator[Case]:
    for claim in one.check.claims:
        if claim.name in one.wanted:
            yield Case(
                f"{one.suite}/{claim.name}", claim.expected, None, None, claim.tolerance, status, reason,
                claim.source, claim.unit,
            )  # fmt: skip
