"""The suites, by name: each module is one, a tuple `CHECKS`. A new check goes into its suite's tuple, nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.validate.suites import (
    ciw,
    decisions,
    disb,
    execution,
    fidelity,
    gavel,
    orderings,
    parvagpu,
    preemption,
    queueing,
    sharing,
    transfers,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.validate.case import Check

__all__ = ["SUITES"]

SUITES: Mapping[str, tuple[Check, ...]] = {
    "closed-forms": (*queueing.CHECKS, *sharing.CHECKS),
    "execution": execution.CHECKS,
    "transfers": transfers.CHECKS,
    "decisions": decisions.CHECKS,
    "preemption": preemption.CHECKS,
    "ciw": ciw.CHECKS,
    "parvagpu": parvagpu.CHECKS,
    "disb": disb.CHECKS,
    "gavel": gavel.CHECKS,
    "fidelity": fidelity.CHECKS,
    "orderings": orderings.CHECKS,
}
"""Every check of stratsim, in the order in which they run."""
