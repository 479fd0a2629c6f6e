"""What each policy of study 2 is in it, and what its hypotheses ask for: set down before the runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from stratsim.sweep.spec import Select, Sweep

__all__ = ["CONCURRENCY", "ROLES", "Analysis", "Role", "Study", "make_study"]

CONCURRENCY = "max_concurrency"
"""The axis that belongs to the server, not to the conditions: the best value is chosen for each policy."""

Role = Literal["strait", "rival-blind", "rival-aware", "rival-preemptive", "oracle", "ablation", "reference"]
"""The first `strait` is compared with all others; `rival-blind` knows nothing of interference but constants,
`rival-aware` has a belief, `oracle` is told the truth, `ablation` and `reference` are shown and are not rivals."""

ROLES: dict[str, Role] = {
    "strait": "strait",
    "strait-oracle": "oracle",
    "strait-constant": "reference",
    "constant": "rival-blind",
    "constant-margin": "rival-blind",
    "priority-edf": "rival-blind",
    "edf": "rival-blind",
    "fifo": "rival-blind",
    "priority-fifo": "rival-blind",
    "clockwork": "rival-blind",
    "triton": "rival-blind",
    "preempt-gated": "rival-preemptive",
    "preempt-kernel": "rival-preemptive",
    "preempt-reset": "rival-preemptive",
    "preempt-ideal": "rival-preemptive",
    "aware": "rival-aware",
    "other": "reference",
    "ablation": "ablation",
    "ablation-oracle": "ablation",
    "ablation-copies": "ablation",
    "ladder": "ablation",
}
"""By the policy's name in study.toml."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is asked of the outcome. Every default is our choice.

    Args:
        reference: The policy against which low-priority prices are given; None: no prices.
        intense_violation: A cell is intense, and H1 is about it, where the best blind rival violates at least this
            share of high-priority deadlines on the pilot seeds. A load does not say so: how much of it deadlines allow
            depends on what batches gain, and that is 15-fold for one profile and twofold for another.
        least_gain_pp: H1: how many percentage points fewer high-priority violations than the best blind rival.
        least_gap_closed: H3: which share of the way from the best blind rival to the oracle.
        level: Confidence level.
    """

    reference: str | None = "priority-edf"
    intense_violation: float = 0.02
    least_gain_pp: float = 1.0
    least_gap_closed: float = 0.5
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Study:
    """The study, as its statistics need it.

    Args:
        title: One line.
        axes: Columns of the conditions.
        trials: How many settings each policy has, by name.
        results: Seeds of the results.
        select: How settings are chosen on the pilot seeds.
        roles: By the name of a policy, without what tells the policies of one entry apart.
        analysis: What is asked.
    """

    title: str
    axes: tuple[str, ...]
    trials: dict[str, int]
    results: tuple[int, ...]
    select: Select
    roles: dict[str, Role] = field(default_factory=lambda: ROLES)
    analysis: Analysis = field(default_factory=Analysis)

    def role(self, policy: str) -> Role:
        """Return a policy's role; `NAME[VALUE,...]` has that of NAME."""
        return self.roles[policy.partition("[")[0]]

    def strait(self) -> str | None:
        """Return the name of the policy that is compared with all others: the first of that role."""
        return next((name for name in self.trials if self.role(name) == "strait"), None)


def make_study(sweep: Sweep, axes: tuple[str, ...]) -> Study:
    """Return the study of a sweep.

    Args:
        sweep: From study.toml.
        axes: Columns of its conditions.

    Raises:
        ValueError: a policy without a role, or a sweep that selects nothing.
    """
    missing = sorted(sweep.policies.keys() - ROLES.keys())
    if missing:
        raise ValueError(f"no role for {', '.join(missing)}: one of {', '.join(get_args(Role))}")
    if sweep.sweep.select is None:
        raise ValueError("the sweep has no [sweep.select]")
    trials = {name: len(entry.trials()) for name, entry in sweep.entries().items()}
    return Study(sweep.title, axes, trials, tuple(sweep.sweep.seeds), sweep.sweep.select)
