"""A policy in the queueing family: all it adds is a key."""

from stratsim.policy import QueuePolicy


class ShortestFirst(QueuePolicy):
    """Shortest solo latency first, whatever the priority.

    Source: textbook shortest-job-first.
    """

    def key(self, request):
        return (self.profile.latency_s(request.model),)
