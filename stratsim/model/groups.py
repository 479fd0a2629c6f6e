"""Groups of GPUs that share nothing, and the rules by which a front end deals requests to them.

round-robin   the n-th request of the trace goes to group n modulo the number of groups
model         every model to one group: the one with the most work first, to the group with the least so far
client        every client to one group, in turn; requests without a client as in round-robin
"""

from __future__ import annotations

from dataclasses import dataclass

from stratsim.errors import SpecError, suggest

__all__ = ["DEALS", "Groups"]

DEALS = ("round-robin", "model", "client")
"""Rules by which requests are dealt."""


@dataclass(frozen=True, slots=True)
class Groups:
    """How a cluster is cut.

    Args:
        count: Number of groups, all of the same number of GPUs: group g has those from g * gpus / count on.
        deal: One of `DEALS`.
    """

    count: int = 1
    deal: str = "round-robin"

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SpecError(f"groups must be at least 1, got {self.count}")
        if self.deal not in DEALS:
            raise SpecError(f"unknown way to deal requests {self.deal!r}; {suggest(self.deal, DEALS)}")
