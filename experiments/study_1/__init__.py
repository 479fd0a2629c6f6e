"""Study 1: how well beliefs about interference predict, on the same logs (see docs/study-1.md)."""

from stratsim.experiment.study_1.cell import run_cell
from stratsim.experiment.study_1.summary import summarise

__all__ = ["run_cell", "summarise"]
