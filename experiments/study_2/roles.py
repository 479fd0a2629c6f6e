"""What each policy of study 2 is in it, and what its hypotheses ask for: set down before the runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from stratsim.sweep.spec import Sweep

__all__ = ["FEWEST_LATE", "ROLES", "STRAIT", "Analysis", "Role", "Study", "make_study"]

Role = Literal["fewest-late", "strait", "blind", "preemptive", "aware", "bound", "reference", "ablation"]
"""`blind` knows nothing of interference but constants and stops nobody for a class; `preemptive` stops low priority, or
holds it back; `aware` learns a belief; `bound` can do what no GPU can; the rest are shown and are no rivals."""

ROLES: dict[str, Role] = {
    "fewest-late": "fewest-late",
    "strait": "strait",
    "aware-k-edf": "aware",
    "aware-edf": "aware",
    "aware-pairs": "aware",
    "constant": "blind",
    "priority-edf": "blind",
    "edf": "blind",
    "fifo": "blind",
    "priority-fifo": "blind",
    "clockwork": "blind",
    "triton": "blind",
    "k-edf": "blind",
    "preempt-gated": "preemptive",
    "preempt-needed": "preemptive",
    "preempt-slack": "preemptive",
    "orion": "preemptive",
    "preempt-ideal": "bound",
    "ablation": "ablation",
    "ablation-oracle": "ablation",
    "strait-oracle": "reference",
}
"""By the policy's name in study.toml."""

FEWEST_LATE, STRAIT = "fewest-late[8]", "strait[8,hypothetical]"
"""The two that are judged, at their defaults."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is asked of the outcome. Every default is our choice.

    Args:
        intense_violation: A cell is intense, and H1 is about it, where the best blind rival violates at least this
            share of high-priority deadlines on the pilot seeds.
        least_gain_pp: H1: how many percentage points fewer high-priority violations than the best blind rival.
        equal_pp: H2 and H3: behind by no more than this is not behind.
        rates: How many late requests of low priority are as bad as one of high priority, for the third view.
        level: Confidence level.
    """

    intense_violation: float = 0.02
    least_gain_pp: float = 1.0
    equal_pp: float = 0.5
    rates: tuple[float, ...] = (1.0, 4.0, 16.0)
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Study:
    """The study, as its statistics need it.

    Args:
        title: One line.
        axes: Columns of the conditions.
        families: The policy whose setting it is, by the name of each run policy.
        roles: By family.
        pilot: Seeds on which settings are chosen for the old criterion.
        results: Seeds of the results.
        analysis: What is asked.
    """

    title: str
    axes: tuple[str, ...]
    families: dict[str, str]
    roles: dict[str, Role]
    pilot: tuple[int, ...]
    results: tuple[int, ...]
    analysis: Analysis = field(default_factory=Analysis)

    def settings(self, family: str) -> list[str]:
        """Return the policies of a family, in the order of the file."""
        return [name for name, own in self.families.items() if own == family]

    def with_role(self, *roles: Role) -> list[str]:
        """Return the families of some roles."""
        return [family for family, role in self.roles.items() if role in roles]


PILOT_SEEDS = 2
"""So many of the sweep's seeds, the first ones, are the pilot's."""


def make_study(sweep: Sweep, axes: tuple[str, ...]) -> Study:
    """Return the study of a sweep.

    Args:
        sweep: From study.toml.
        axes: Columns of its conditions.

    Raises:
        ValueError: a policy without a role, or fewer than two result seeds.
    """
    missing = sorted(sweep.policies.keys() - ROLES.keys())
    if missing:
        raise ValueError(f"no role for {', '.join(missing)}: one of {', '.join(get_args(Role))}")
    seeds = tuple(sweep.sweep.seeds)
    if len(seeds) < PILOT_SEEDS + 2:
        raise ValueError(f"{PILOT_SEEDS} seeds of the pilot and two of results are the least, got {seeds}")
    families: dict[str, str] = {}
    roles: dict[str, Role] = {}
    for name, entry in sweep.policies.items():
        for made in entry.expanded(name, selected=True):
            family = made.removeprefix(f"{name}[").removesuffix("]") if entry.each else made
            roles[family] = ROLES[name]
        for policy in entry.expanded(name, selected=False):
            values = policy.removeprefix(f"{name}[").removesuffix("]").split(",")
            families[policy] = ",".join(values[: len(entry.each)]) if entry.each else name
    return Study(sweep.title, axes, families, roles, seeds[:PILOT_SEEDS], seeds[PILOT_SEEDS:])
