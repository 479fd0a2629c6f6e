"""Claims, the checks that measure them, and the cases that result.

A claim says what a figure should be and where it comes from; a check measures several claims at once (one simulation
has many figures). Both are plain data, known before anything runs: every claim ends up as exactly one case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Case", "Check", "Claim", "Findings", "Setting", "Status", "Table", "judge"]


_CHECKOUT = Path(__file__).parents[2] / "docs" / "figures"
"""Of a checkout: the measurements that are committed."""


class Status(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a figure should be.

    Args:
        name: What is looked at, unique within its suite.
        expected: The value, in `unit`.
        tolerance: In `unit`. For a figure that is computed: the largest error. For one that is estimated from
            replications: the widest half of a confidence interval that still says something; the interval itself must
            contain `expected`.
        source: Who says so: a publication, a repository at a commit, or the arithmetic.
        unit: Of all figures; empty for ratios and counts.
    """

    name: str
    expected: float
    tolerance: float
    source: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One claim, measured or not.

    Args:
        name: `SUITE/CLAIM`.
        expected: As claimed.
        got: What stratsim gave; None where nothing was measured.
        error: |got - expected|; None where nothing was measured.
        tolerance: The largest error that passes: the claim's, or half the width of the confidence interval.
        status: Passed, failed or skipped.
        reason: Why it failed or was skipped; a remark on one that passed, or nothing.
        source: As claimed.
        unit: Of expected, got, error and tolerance.
    """

    name: str
    expected: float
    got: float | None
    error: float | None
    tolerance: float
    status: Status
    reason: str
    source: str
    unit: str

    @property
    def suite(self) -> str:
        """Name of the suite that it belongs to."""
        return self.name.partition("/")[0]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


class Table(NamedTuple):
    """The data behind a figure of the report."""

    name: str
    """File name without a suffix."""
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


class Findings(NamedTuple):
    """What a check measured."""

    values: Sequence[float | Interval]
    """One per claim, in their order."""
    remarks: Sequence[str] = ()
    """One per claim, or none at all."""
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What a validation run may use.

    Args:
        data: Folder with the public data files; None where there is none.
        quick: Fewer replications, for a first look and for tests.
    """

    data: Path | None = None
    quick: bool = False

    def path(self, name: str) -> Path:
        """Return where the data file or folder `name` is: in the data folder, or in a checkout of the repository.

        Raises:
            SpecError: there is no data folder.
        """
        committed = _CHECKOUT / name
        if committed.exists() and (self.data is None or not (self.data / name).exists()):
            return committed
        if self.data is None:
            raise SpecError(f"{name} needs the folder with the public data files")
        return self.data / name

    def has(self, name: str) -> bool:
        """Return whether the data file or folder `name` is there."""
        return (self.data is not None and (self.data / name).exists()) or (_CHECKOUT / name).exists()

    def replications(self, full: int) -> int:
        """Return how many replications to run where a full validation runs `full`."""
        return max(full // 4, 8) if self.quick else full


@dataclass(frozen=True, slots=True)
class Check:
    """Measures claims.

    Args:
        claims: What should come out.
        measure: Returns what does.
        needs: Files that must exist below the data folder.
        modules: Python packages that must be installed.
        blocked: Why it cannot be measured at all; empty where it can.
    """

    claims: tuple[Claim, ...]
    measure: Callable[[Setting], Findings] = field(repr=False)
    needs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    blocked: str = ""


def judge(suite: str, claim: Claim, got: float | Interval, remark: str = "") -> Case:
    """Return the case of a measured claim."""
    if isinstance(got, Interval):
        return _judge_interval(suite, claim, got, remark)
    error = abs(got - claim.expected)
    passed = error <= claim.tolerance
    return _case(
        suite, claim, got, claim.tolerance, passed, remark if passed else _because("error beyond the tolerance", remark)
    )


def _judge_interval(suite: str, claim: Claim, got: Interval, remark: str) -> Case:
    level = f"{got.level:.0%} interval of {got.n} replications"
    narrow = got.half_width <= claim.tolerance
    passed = claim.expected in got and narrow
    if passed:
        reason = _because(level, remark)
    elif narrow:
        reason = _because(f"outside the {level}", remark)
    else:
        reason = _because(f"the {level} is too wide to decide: more than {claim.tolerance:g}", remark)
    return _case(suite, claim, got.mean, got.half_width, passed, reason)


def _case(suite: str, claim: Claim, got: float, tolerance: float, passed: bool, reason: str) -> Case:
    known = got if math.isfinite(got) else None
    error = None if known is None else abs(got - claim.expected)
    status = Status.PASSED if passed and known is not None else Status.FAILED
    return Case(
        f"{suite}/{claim.name}", claim.expected, known, error, tolerance, status, reason, claim.source, claim.unit
    )


def _because(reason: str, remark: str) -> str:
    return f"{reason}; {remark}" if remark else reason
