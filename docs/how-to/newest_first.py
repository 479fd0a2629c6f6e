"""A policy from scratch: it owns its queue, reads the view, and yields decisions."""

from stratsim.policy import Drop, Policy, Start


class NewestFirst(Policy):
    """Serve the newest request first, one by one; give up what has expired."""

    def prepare(self, setting):
        self.stack = []

    def on_arrival(self, request, view):
        self.stack.append(request)

    def decide(self, view):
        while self.stack and (gpu := view.least_loaded()):
            request = self.stack.pop()
            if view.now_s > request.deadline_s:
                yield Drop(request, "expired")
            else:
                yield Start((request,), gpu.id)
