"""A policy that keeps one slot of each GPU for high priority."""

from stratsim import Priority
from stratsim.policy.queueing import Edf


class ReservedSlot(Edf):
    """Earliest deadline first, but low priority never takes a GPU's last slot.

    Source: trunk reservation in telephone networks, with one trunk; the order is that of `edf`.
    """

    def may_start(self, request, gpu, view):
        """High priority may always start; low priority while it leaves a slot free."""
        others = max(1, self.setting.max_concurrency - 1)
        return request.priority is Priority.HIGH or gpu.in_flight < others
