"""The levels at which a live run and the simulator are compared, and what passes.

`stages` compares durations of the very same batches (with `colocation`: by the models that executed at the same time),
`end_to_end` what requests saw when the simulator is left to itself (with `service`: what a small bias of the service
time makes of the mean latency), `ranking` whether policies compare alike. `judge` holds the differences against the
noise floor. docs/explanation/fidelity.md has the definitions.
"""

from stratsim.fidelity.levels.colocation import by_company, slowdowns
from stratsim.fidelity.levels.end_to_end import LATENCIES, figures, free_replay, request_errors
from stratsim.fidelity.levels.judge import differences, judge_end_to_end, judge_stages, noise_floor, worst
from stratsim.fidelity.levels.ranking import Compared, compare_policies
from stratsim.fidelity.levels.service import service_bias
from stratsim.fidelity.levels.stages import all_durations, compare_stages, durations

__all__ = [
    "LATENCIES",
    "Compared",
    "all_durations",
    "by_company",
    "compare_policies",
    "compare_stages",
    "differences",
    "durations",
    "figures",
    "free_replay",
    "judge_end_to_end",
    "judge_stages",
    "noise_floor",
    "request_errors",
    "service_bias",
    "slowdowns",
    "worst",
]
